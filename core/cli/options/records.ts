/** Defines the commands that print the recorded deployments of a stack. */
import { lookOutput, what } from './shared.ts'
import { stackFamily, stackOptions } from './stack.ts'
import type { CommandSpec } from './types.ts'

const { group } = stackFamily

export const recordCommands: readonly CommandSpec[] = [
  {
    name: 'stack deployments',
    group,
    describe: 'What was done to the stack: when, by whom, which commits, and how it went',
    details:
      'Newest first; the last 100 are kept, in .converge beside the stack file. One that says "died" had its operator killed; what its hosts have told until then is in its logs.',
    options: {
      ...stackOptions,
      limit: { group: what, type: 'string', value: 'N', array: true, describe: 'Only the newest N' },
      ...lookOutput,
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
    describe: 'One deployment, or all that one of its hosts has told',
    details:
      'Without a host: who, when and why, the failures (the same one told once, with all its hosts), and what each host came to. With a host: its runs as its own terminal would have shown them. With --json-output the record as it is kept: the report, or the JSON lines of the host.',
    options: {
      ...stackOptions,
      verbose: {
        group: 'Output',
        alias: 'v',
        type: 'boolean',
        describe: 'Also what is unchanged or skipped, and whole diffs',
      },
      ...lookOutput,
    },
    argument: { value: 'ID', describe: 'Number of the deployment, with or without its zeros, or last; default: last' },
    target: { value: 'HOST', describe: 'Name of a host in the stack file' },
    examples: [
      ['converge stack log 12', 'deployment 12'],
      ['converge stack log last client3', 'what client3 told in the last one'],
    ],
    kind: 'stack',
  },
]
