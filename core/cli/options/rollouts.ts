/** Defines the commands that run rollouts on the hosts of a stack over SSH. */
import { rhythm } from './hooks.ts'
import { changedExit, event, how, outputOptions, retryFailed, talk, what } from './shared.ts'
import { stackOptions } from './stack.ts'
import type { CommandSpec, Options } from './types.ts'

export const selection = {
  layer: {
    group: what,
    type: 'string',
    value: 'LAYER',
    array: true,
    commas: true,
    describe: 'Only the hosts of this layer; several by commas or by repeating',
  },
  host: {
    group: what,
    type: 'string',
    value: 'HOST',
    array: true,
    commas: true,
    describe: 'Only this host; several by commas or by repeating',
  },
  app: {
    group: what,
    type: 'string',
    value: 'APP',
    array: true,
    commas: true,
    describe: 'Only the hosts that run this app; several by commas or by repeating',
  },
  limit: {
    group: what,
    type: 'string',
    value: 'PATTERN',
    array: true,
    commas: true,
    describe: "Only the hosts whose names match, such as 'web*,!web3'",
  },
} as const satisfies Options

export const connecting = {
  'accept-new': {
    group: how,
    type: 'boolean',
    describe:
      'Trust the key of an unknown host, print its fingerprint and store the key; a changed key is still refused',
  },
  parallel: {
    group: how,
    type: 'string',
    value: 'N',
    hosts: { least: 1, share: false },
    default: '25',
    describe: 'Maximum number of hosts at once',
  },
  reconnect: {
    group: how,
    type: 'number',
    value: 'SECONDS',
    default: '120',
    describe: 'How long to try to reconnect to a host; its run continues in the meantime',
  },
} as const satisfies Options

const strategy = {
  group: how,
  type: 'string',
  value: 'HOW',
  choices: ['parallel', 'rolling', 'canary'],
  describe:
    'Order of the hosts in a layer. parallel: all at once, which visitors notice; rolling: batch after batch; canary: some first, then the rest. Layers follow each other',
} as const

const rolling = {
  strategy: { ...strategy, default: 'rolling' },
  batch: {
    group: how,
    type: 'string',
    value: 'N|N%',
    hosts: { least: 1, share: true },
    default: '1',
    describe: 'How many hosts of a layer at once (rolling), or how many go first (canary)',
  },
  'max-failures': {
    group: how,
    type: 'string',
    value: 'N|N%',
    hosts: { least: 0, share: true },
    default: '0',
    describe: 'How many hosts may fail before the rollout aborts',
  },
} as const satisfies Options

/** The options that a rollout passes to the deploy on each host. */
const deploying = {
  revision: {
    group: what,
    type: 'string',
    value: 'REV',
    describe:
      'Branch, tag or commit of one app (--app names it if there are several), instead of the one in the stack file',
  },
  migrate: {
    group: what,
    type: 'boolean',
    describe:
      'Migrate even if the stack already runs the commit (--no-migrate: never); default: one host migrates each new commit once, for apps with migrate',
  },
  ...retryFailed,
} as const satisfies Options

const goal = {
  to: {
    group: what,
    type: 'string',
    value: 'ID',
    describe:
      'Commit (or its beginning) to roll back to, or the id of a release; default: the previous commit of most hosts',
  },
} as const satisfies Options

const down = {
  down: {
    group: how,
    type: 'string',
    value: 'fail|skip',
    choices: ['fail', 'skip'],
    default: 'fail',
    describe: 'If a host cannot be reached: do nothing, or continue without it and update it in the next run',
  },
} as const satisfies Options

const recorded = {
  comment: {
    group: how,
    alias: 'm',
    type: 'string',
    value: 'TEXT',
    describe: 'Reason of the deployment, for the record',
  },
} as const satisfies Options

const back = {
  'rollback-on-failure': {
    group: how,
    type: 'boolean',
    describe: 'If the rollout aborts because of a failure, roll back the hosts that have switched',
  },
} as const satisfies Options

const waiting = {
  wait: {
    group: how,
    type: 'string',
    value: 'DURATION',
    optionalTime: true,
    describe:
      'If another rollout uses the hosts, wait until it has ended, or at most this long (--wait=10m); default: do nothing',
  },
} as const satisfies Options

const acting = {
  ...stackOptions,
  ...selection,
  ...down,
  ...connecting,
  ...waiting,
  ...recorded,
  ...changedExit,
} as const

/** Advice for operators who pass --dry-run, by rollout command. */
const plans: Readonly<Record<string, string>> = {
  plan: 'a plan changes nothing: omit the option',
  setup: 'converge stack plan prints what would change',
  ...Object.fromEntries(['deploy', 'configure', 'undeploy', 'shutdown'].map((event) => [event, planOf(event)])),
  run: planOf('EVENT'),
  rollback: 'converge stack deployments lists the earlier releases; a rollback can be undone',
}

function planOf(event: string): string {
  return `converge stack plan --event ${event} prints what would change`
}

function rolloutCommand(
  name: string,
  describe: string,
  { options, ...more }: Partial<CommandSpec> & Pick<CommandSpec, 'examples' | 'options'>,
): CommandSpec {
  const own = { ...options, ...outputOptions }
  const plan = plans[name]
  return {
    name: `stack ${name}`,
    group: 'Many hosts over SSH',
    kind: 'stack',
    describe,
    either: talk,
    instead: {
      role: 'the stack file gives each host its roles; --layer, --host and --app select hosts',
      ...(plan === undefined ? {} : { 'dry-run': plan, check: plan }),
    },
    ...more,
    options: own,
  }
}

export const rolloutCommands: readonly CommandSpec[] = [
  rolloutCommand('plan', 'Print what a run would change on each host; nothing is written', {
    details:
      'The same change on several hosts is printed once. --event limits the plan, for example to a deploy. The plan locks no host, and keeps no record.',
    options: {
      ...stackOptions,
      ...selection,
      event: { ...event.event, describe: 'Event to plan, several by commas; default: setup, deploy, configure' },
      revision: deploying.revision,
      to: { ...goal.to, describe: `With --event rollback: ${goal.to.describe}` },
      ...down,
      ...connecting,
      ...changedExit,
    },
    examples: [
      ['converge stack plan', 'all changes, with diffs'],
      ['converge stack plan --layer frontend --event configure', 'changes of the balancers'],
      ['converge stack plan --event rollback --to c0ffee12', 'changes of a rollback to this commit'],
      ['converge stack plan --quiet --detailed-exit-code', 'exit status 3: a host has drifted'],
    ],
  }),
  rolloutCommand('setup', 'Set up hosts: prepare, build, deploy, then configure the other hosts', {
    details:
      'For new hosts, and after attributes or packages have changed. New hosts and hosts that restart nothing are prepared and built at once, then deployed layer by layer in the order of the stack file. Hosts in service that restart something take turns. Afterwards the host counts as online, and the balancers of the other hosts are configured.',
    options: {
      ...acting,
      ...rolling,
      strategy: {
        ...strategy,
        describe: `${strategy.describe}. Default: hosts in service that restart something one batch after the other, all other hosts at once`,
      },
      ...deploying,
      ...back,
    },
    examples: [
      ['converge stack setup --accept-new', 'all hosts of a new stack; their keys are trusted'],
      ['converge stack setup --host client4', 'a new host joins'],
    ],
  }),
  rolloutCommand('deploy', 'Deploy new code or configuration: build on all hosts of an app, then switch', {
    details:
      'All hosts get the same commit. Each host builds the release beside the current one. When all builds have succeeded, the hosts switch batch by batch, with a health check in between (health in the stack file). One host migrates first. All other hosts are configured at the end.',
    options: { ...acting, ...rolling, ...deploying, ...back },
    examples: [
      ['converge stack deploy', 'the revisions of the stack file, host by host'],
      ['converge stack deploy --app shop --revision v2.1 --strategy canary --rollback-on-failure', 'one host first'],
      ["converge stack deploy --batch 25% --max-failures 1 -m 'new prices'", 'a quarter at a time'],
    ],
  }),
  rolloutCommand('configure', 'Adapt all hosts to the current hosts of the stack; no new code', {
    details:
      'For use after hosts were added to the stack file or removed from it. A host that missed a deployment gets it now. A dry run finds the hosts that restart something; they are printed, and configured one batch after the other. All other hosts are configured at once.',
    options: {
      ...acting,
      batch: { ...rolling.batch, describe: 'How many hosts of a layer restart something at once' },
      'max-failures': rolling['max-failures'],
    },
    examples: [['converge stack configure', 'after a host was removed from the file']],
  }),
  rolloutCommand('rollback', 'Roll back to the previous release, host by host', {
    details:
      'All hosts roll back to one commit: the previous commit of most hosts, or that of --to. Nothing is built, so a rollback takes seconds. A health check follows each batch, as in a deploy. A host without a release of the commit fails, and stays unchanged.',
    options: {
      ...acting,
      ...rolling,
      ...goal,
    },
    examples: [
      ['converge stack rollback --app shop', 'the previous release'],
      ['converge stack rollback --to c0ffee12 --strategy parallel', 'a certain commit, on all hosts at once'],
    ],
  }),
  rolloutCommand('undeploy', 'Stop and remove an app; shared data stays unless --purge', {
    options: {
      ...acting,
      ...rolling,
      purge: { group: how, type: 'boolean', describe: 'Remove shared data too: database, blobs, logs' },
    },
    examples: [['converge stack undeploy --host client4', 'before the host gets another purpose']],
  }),
  rolloutCommand('shutdown', 'Stop hosts permanently: configure the other hosts, then stop the services', {
    details: 'The host counts as stopped until the next converge stack setup: balancers and clients no longer use it.',
    options: { ...acting, ...rolling },
    examples: [['converge stack shutdown --host client3', 'before the host is removed']],
  }),
  rolloutCommand('run', 'Run an event or a role on several hosts', {
    argument: {
      value: 'RECIPE',
      describe: 'An event (restart, start, stop, rebuild, …), a role, or role::event',
      required: true,
    },
    details:
      'An event runs on the hosts with a role that defines it. A role runs its setup, deploy and configure, also on hosts that do not have the role.',
    options: { ...acting, ...rolling },
    examples: [
      ['converge stack run restart --layer clients', 'one host after the other'],
      ['converge stack run audit --recipes ./recipes --strategy parallel', 'a role of your own, everywhere'],
    ],
  }),
  rolloutCommand('hooks', "Let each host's scheduler call setup, configure and shutdown", {
    argument: {
      value: 'install|remove|show',
      describe: 'Action: install, remove, or show which hooks each host has',
      words: ['install', 'remove', 'show'],
      required: true,
    },
    details:
      'Like converge hooks on each host. The host runs configure at intervals, setup at its first boot, and shutdown before it goes down. It uses the roles, attributes and recipes of its last successful setup, deploy, configure or rollback. The hooks do nothing while a rollout has locked the host, and after converge stack shutdown. show exits with status 1 when a hook is missing.',
    options: {
      ...acting,
      ...rhythm,
      'dry-run': {
        group: how,
        alias: 'n',
        type: 'boolean',
        describe: 'Print what install or remove would change on each host; change nothing',
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
      'Exit status 1 when a host cannot be reached, a service is down, or an app was stopped on purpose. Hosts that are shut down are left out.',
    options: { ...stackOptions, ...selection, ...connecting },
    examples: [
      ['converge stack status', 'state of all hosts'],
      ['converge stack status --quiet', 'for cron: prints nothing unless there is a problem'],
    ],
  }),
]
