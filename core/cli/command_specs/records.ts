/** Defines the commands that print the recorded deployments of a stack. */
import { commentOption } from './rollout_options.ts'
import { byOption, formatOptions, inputGroup } from './shared_options.ts'
import { stackFamily, stackOptions } from './stack.ts'
import type { CommandSpec } from './types.ts'

const { group } = stackFamily

const reasonOption = {
  comment: { ...commentOption.comment, description: 'Reason, for those who follow the rollout' },
} as const

const runningDeployment = {
  placeholder: 'ID',
  description: 'Number of the deployment; default: the only one that runs',
} as const

export const recordCommands: readonly CommandSpec[] = [
  {
    name: 'stack pause',
    group,
    description: 'Pause a rollout: no further host starts',
    details:
      'Running hosts complete their current phase. The hosts stay locked, and the rollout waits until converge stack continue or Ctrl-C. A rollback after a failure does not wait. Run the command as the account that has started the rollout, on the same computer.',
    options: { ...stackOptions, ...byOption, ...reasonOption, ...formatOptions },
    argument: runningDeployment,
    examples: [
      ["converge stack pause --comment 'looking at the canary'", 'the only running rollout of the stack'],
      ['converge stack pause 12', 'deployment 12'],
    ],
    kind: 'stack',
  },
  {
    name: 'stack continue',
    group,
    description: 'Continue a paused rollout',
    options: { ...stackOptions, ...formatOptions },
    argument: runningDeployment,
    examples: [['converge stack continue', 'the only running rollout of the stack']],
    kind: 'stack',
  },
  {
    name: 'stack deployments',
    group,
    description: 'List the deployments of the stack: time, operator, commits, outcome',
    details:
      'Newest first. The last 100 are stored in .converge beside the stack file. The outcome "died" means that the operator\'s process was killed; the logs have the events of the hosts until then.',
    options: {
      ...stackOptions,
      limit: {
        group: inputGroup,
        type: 'string',
        placeholder: 'N',
        repeatable: true,
        description: 'Only the newest N',
      },
      ...formatOptions,
    },
    examples: [
      ['converge stack deployments --limit 10', 'the last ten'],
      ["converge stack deployments --json-output | jq '.[0].commits'", 'which commits were deployed last'],
    ],
    kind: 'stack',
  },
  {
    name: 'stack log',
    group,
    description: 'Show one deployment, or the log of one of its hosts',
    details:
      'Without a host: operator, time and reason, the failures (each printed once, with all its hosts), and the outcome of each host. With a host: its runs, as a terminal on the host would show them. --json-output prints the stored record: the report, or the JSON lines of the host.',
    options: {
      ...stackOptions,
      verbose: {
        group: 'Output',
        alias: 'v',
        type: 'boolean',
        description: 'Also what is unchanged or skipped, and whole diffs',
      },
      ...formatOptions,
    },
    argument: {
      placeholder: 'ID',
      description: 'Number of the deployment, with or without its zeros, or last; default: last',
    },
    secondArgument: { placeholder: 'HOST', description: 'Name of a host in the stack file' },
    examples: [
      ['converge stack log 12', 'deployment 12'],
      ['converge stack log last client3', 'log of client3 in the last deployment'],
    ],
    kind: 'stack',
  },
]
