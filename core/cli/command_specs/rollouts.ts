/** Defines the commands that run rollouts on the hosts of a stack over SSH. */
import { scheduleOptions } from './hooks.ts'
import {
  connectionOptions,
  deploymentJsonOption,
  deployOptions,
  downOption,
  orderOptions,
  rollbackOption,
  rolloutOptions,
  selectionOptions,
  strategyOption,
  targetOption,
} from './rollout_options.ts'
import {
  eventOption,
  exitCodeOption,
  explainOption,
  outputOptions,
  quietOrVerbose,
  selectionOptions as resourceOptions,
  runGroup,
} from './shared_options.ts'
import { stackFamily, stackOptions } from './stack.ts'
import type { CommandSpec } from './types.ts'

/** Advice for operators who pass --dry-run, by rollout command. */
const dryRunAdvice: Readonly<Record<string, string>> = {
  plan: 'a plan changes nothing: omit the option',
  setup: 'converge stack plan prints what would change',
  ...Object.fromEntries(['deploy', 'configure', 'undeploy', 'shutdown'].map((event) => [event, planAdvice(event)])),
  run: planAdvice('EVENT'),
  rollback: 'converge stack deployments lists the earlier releases; a rollback can be undone',
}

/** Advice for operators who pass --only or --skip to a rollout. */
const wholeRoles =
  'a rollout converges whole roles, so that all hosts agree with the record: converge stack run ROLE::EVENT runs one role, and --layer, --host, --app and --limit select hosts'

function planAdvice(event: string): string {
  return `converge stack plan --event ${event} prints what would change`
}

function rolloutCommand(
  name: string,
  description: string,
  { options, ...rest }: Partial<CommandSpec> & Pick<CommandSpec, 'examples' | 'options'>,
): CommandSpec {
  const allOptions = { ...options, ...outputOptions }
  const advice = dryRunAdvice[name]
  return {
    name: `stack ${name}`,
    group: stackFamily.group,
    kind: 'stack',
    description,
    conflicts: quietOrVerbose,
    advice: {
      role: 'the stack file gives each host its roles; --layer, --host and --app select hosts',
      ...(name === 'plan' ? {} : { only: wholeRoles, skip: wholeRoles }),
      ...(advice === undefined ? {} : { 'dry-run': advice, check: advice }),
    },
    ...rest,
    options: allOptions,
  }
}

export const rolloutCommands: readonly CommandSpec[] = [
  rolloutCommand('plan', 'Print what a run would change on each host; nothing is written', {
    details:
      'The same change on several hosts is printed once. --event limits the plan, for example to a deploy. The plan locks no host, and keeps no record.',
    options: {
      ...stackOptions,
      ...selectionOptions,
      event: {
        ...eventOption.event,
        description: 'Event to plan, several by commas; default: setup, deploy, configure',
      },
      revision: deployOptions.revision,
      ...deploymentJsonOption,
      to: { ...targetOption.to, description: `With --event rollback: ${targetOption.to.description}` },
      only: { ...resourceOptions.only, description: resourceOptions.only.description.replace('Converge', 'Plan') },
      skip: resourceOptions.skip,
      ...explainOption,
      ...downOption,
      ...connectionOptions,
      ...exitCodeOption,
    },
    examples: [
      ['converge stack plan', 'all changes, with diffs'],
      ['converge stack plan --layer frontend --event configure', 'changes of the balancers'],
      ['converge stack plan --host web1 --only file --explain', 'files of one host, and where their values come from'],
      ['converge stack plan --event rollback --to c0ffee12', 'changes of a rollback to this commit'],
      ['converge stack plan --quiet --detailed-exit-code', 'exit status 3: a host has drifted'],
    ],
  }),
  rolloutCommand('setup', 'Set up hosts: prepare, build, deploy, then configure the other hosts', {
    details:
      'For new hosts, and after attributes or packages have changed. New hosts and hosts that restart nothing are prepared and built at once, then deployed layer by layer in the order of the stack file. Hosts in service that restart something take turns. Afterwards the host counts as online, and the balancers of the other hosts are configured.',
    options: {
      ...rolloutOptions,
      ...orderOptions,
      strategy: {
        ...strategyOption,
        description: `${strategyOption.description}. Default: hosts in service that restart something one batch after the other, all other hosts at once`,
      },
      ...deployOptions,
      ...deploymentJsonOption,
      ...rollbackOption,
    },
    examples: [
      ['converge stack setup --accept-new', 'all hosts of a new stack; their keys are trusted'],
      ['converge stack setup --host client4', 'a new host joins'],
    ],
  }),
  rolloutCommand('deploy', 'Deploy new code or configuration: build on all hosts of an app, then switch', {
    details:
      'All hosts get the same commit. Each host builds the release beside the current one. When all builds have succeeded, the hosts switch batch by batch, with a health check in between (health in the stack file). One host migrates first. All other hosts are configured at the end.',
    options: { ...rolloutOptions, ...orderOptions, ...deployOptions, ...deploymentJsonOption, ...rollbackOption },
    examples: [
      ['converge stack deploy', 'the revisions of the stack file, host by host'],
      ['converge stack deploy --app shop --json once.json', 'with attributes for this deployment only'],
      ['converge stack deploy --app shop --revision v2.1 --strategy canary --rollback-on-failure', 'one host first'],
      ["converge stack deploy --batch 25% --max-failures 1 -m 'new prices'", 'a quarter at a time'],
    ],
  }),
  rolloutCommand('configure', 'Adapt all hosts to the current hosts of the stack; no new code', {
    details:
      'For use after hosts were added to the stack file or removed from it. A host that missed a deployment gets it now. A dry run finds the hosts that restart something; they are printed, and configured one batch after the other. All other hosts are configured at once.',
    options: {
      ...rolloutOptions,
      ...deploymentJsonOption,
      batch: { ...orderOptions.batch, description: 'How many hosts of a layer restart something at once' },
      'max-failures': orderOptions['max-failures'],
    },
    examples: [['converge stack configure', 'after a host was removed from the file']],
  }),
  rolloutCommand('rollback', 'Roll back to the previous release, host by host', {
    details:
      'All hosts roll back to one commit: the previous commit of most hosts, or that of --to. Nothing is built, so a rollback takes seconds. A health check follows each batch, as in a deploy. A host without a release of the commit fails, and stays unchanged.',
    options: {
      ...rolloutOptions,
      ...orderOptions,
      ...deploymentJsonOption,
      ...targetOption,
    },
    examples: [
      ['converge stack rollback --app shop', 'the previous release'],
      ['converge stack rollback --to c0ffee12 --strategy parallel', 'a certain commit, on all hosts at once'],
    ],
  }),
  rolloutCommand('undeploy', 'Stop and remove an app; shared data stays unless --purge', {
    options: {
      ...rolloutOptions,
      ...orderOptions,
      purge: { group: runGroup, type: 'boolean', description: 'Remove shared data too: database, blobs, logs' },
    },
    examples: [['converge stack undeploy --host client4', 'before the host gets another purpose']],
  }),
  rolloutCommand('shutdown', 'Stop hosts permanently: configure the other hosts, then stop the services', {
    details: 'The host counts as stopped until the next converge stack setup: balancers and clients no longer use it.',
    options: { ...rolloutOptions, ...orderOptions },
    examples: [['converge stack shutdown --host client3', 'before the host is removed']],
  }),
  rolloutCommand('run', 'Run an event or a role on several hosts', {
    argument: {
      placeholder: 'RECIPE',
      description: 'An event (restart, start, stop, rebuild, …), a role, or role::event',
      required: true,
    },
    details:
      'An event runs on the hosts with a role that defines it. A role runs its setup, deploy and configure, also on hosts that do not have the role.',
    options: { ...rolloutOptions, ...orderOptions },
    examples: [
      ['converge stack run restart --layer clients', 'one host after the other'],
      ['converge stack run audit --recipes ./recipes --strategy parallel', 'a role of your own, everywhere'],
    ],
  }),
  rolloutCommand('hooks', "Let each host's scheduler call setup, configure and shutdown", {
    argument: {
      placeholder: 'install|remove|show',
      description: 'Action: install, remove, or show which hooks each host has',
      choices: ['install', 'remove', 'show'],
      required: true,
    },
    details:
      'Like converge hooks on each host. The host runs configure at intervals, setup at its first boot, and shutdown before it goes down. It uses the roles, attributes and recipes of its last successful setup, deploy, configure or rollback. The hooks do nothing while a rollout has locked the host, and after converge stack shutdown. show exits with status 1 when a hook is missing.',
    options: {
      ...rolloutOptions,
      ...scheduleOptions,
      'dry-run': {
        group: runGroup,
        alias: 'n',
        type: 'boolean',
        description: 'Print what install or remove would change on each host; change nothing',
      },
    },
    examples: [
      ['converge stack hooks install --interval 15m', 'each host configures itself'],
      ['converge stack hooks install --interval 15m --dry-run', 'changes on each host'],
      ['converge stack hooks show', 'installed hooks of each host'],
      ['converge stack hooks remove --host client4', 'before the host leaves the stack'],
    ],
  }),
  rolloutCommand('status', 'Show the release, services, last run and missed deployment of each host', {
    details:
      'The exit status is 1 if a host cannot be reached, missed a deployment, its last run failed, its disk is full, or a service is down. It is also 1 if an app was stopped on purpose, or a site is closed for maintenance. Hosts that are shut down are left out.',
    options: { ...stackOptions, ...selectionOptions, ...connectionOptions },
    examples: [
      ['converge stack status', 'state of all hosts'],
      ['converge stack status --quiet', 'for cron: prints nothing unless there is a problem'],
    ],
  }),
]
