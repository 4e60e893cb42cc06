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
    describe: 'Only this host; several alike',
  },
  app: {
    group: what,
    type: 'string',
    value: 'APP',
    array: true,
    commas: true,
    describe: 'Only the hosts that run this app; several alike',
  },
  limit: {
    group: what,
    type: 'string',
    value: 'PATTERN',
    array: true,
    commas: true,
    describe: "Of these hosts only those whose names fit, such as 'web*,!web3'",
  },
} as const satisfies Options

export const connecting = {
  'accept-new': {
    group: how,
    type: 'boolean',
    describe:
      'Trust the key of a host that is not known yet, show its fingerprint and keep it; a changed key is refused all the same',
  },
  parallel: {
    group: how,
    type: 'string',
    value: 'N',
    hosts: { least: 1, share: false },
    default: '25',
    describe: 'How many hosts at once, at most',
  },
  reconnect: {
    group: how,
    type: 'number',
    value: 'SECONDS',
    default: '120',
    describe: 'How long a connection that was lost is tried to be made again; the run goes on meanwhile',
  },
} as const satisfies Options

const strategy = {
  group: how,
  type: 'string',
  value: 'HOW',
  choices: ['parallel', 'rolling', 'canary'],
  describe:
    'parallel: all at once, which visitors notice; rolling: batch after batch; canary: some first, then the rest. Within a layer, and the layers in their order',
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
    describe: 'How many hosts may fail before no further one is begun',
  },
} as const satisfies Options

/** The options that a rollout passes to the deploy on each host. */
const deploying = {
  revision: {
    group: what,
    type: 'string',
    value: 'REV',
    describe: 'Branch, tag or commit of one app (--app, where there are several), instead of the one in the stack file',
  },
  migrate: {
    group: what,
    type: 'boolean',
    describe:
      'Migrate also at a commit that the stack is on already (--no-migrate: not at all); default: each new commit once, by one host, for apps with migrate',
  },
  ...retryFailed,
} as const satisfies Options

const goal = {
  to: {
    group: what,
    type: 'string',
    value: 'ID',
    describe:
      'Commit (or its beginning) that all go back to, or the id of a release; default: what most of them were on before',
  },
} as const satisfies Options

const down = {
  down: {
    group: how,
    type: 'string',
    value: 'fail|skip',
    choices: ['fail', 'skip'],
    default: 'fail',
    describe:
      'What to do where a host cannot be reached: begin nothing, or go on without it and bring it up to date another time',
  },
} as const satisfies Options

const recorded = {
  comment: { group: how, alias: 'm', type: 'string', value: 'TEXT', describe: 'For the record: why' },
} as const satisfies Options

const back = {
  'rollback-on-failure': {
    group: how,
    type: 'boolean',
    describe: 'Where it stops because of a failure, hosts that have switched go back to the release before',
  },
} as const satisfies Options

const waiting = {
  wait: {
    group: how,
    type: 'string',
    value: 'DURATION',
    optionalTime: true,
    describe:
      'Where another rollout works on the hosts, wait until it has ended, or at most this long (--wait=10m); without the option nothing is begun',
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
  plan: 'a plan changes nothing: leave it out',
  setup: 'converge stack plan says what would change',
  ...Object.fromEntries(['deploy', 'configure', 'undeploy', 'shutdown'].map((event) => [event, planOf(event)])),
  run: planOf('EVENT'),
  rollback: 'converge stack deployments says what was live before; what goes back can go forward again',
}

function planOf(event: string): string {
  return `converge stack plan --event ${event} says what would change`
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
      role: 'the stack file says who has which roles; --layer, --host and --app choose hosts',
      ...(plan === undefined ? {} : { 'dry-run': plan, check: plan }),
    },
    ...more,
    options: own,
  }
}

export const rolloutCommands: readonly CommandSpec[] = [
  rolloutCommand('plan', 'What a run would change on each host; nothing is written', {
    details:
      'The same change on many hosts is shown once. --event narrows it down, to what a deploy would do for example. No host is held for it, and no record is kept.',
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
      ['converge stack plan', 'diffs of all that would change anywhere'],
      ['converge stack plan --layer frontend --event configure', 'what would the balancers learn?'],
      ['converge stack plan --event rollback --to c0ffee12', 'what would a rollback to this commit change?'],
      ['converge stack plan --quiet --detailed-exit-code', 'exit status 3: a host is not as it should be'],
    ],
  }),
  rolloutCommand('setup', 'Bring hosts up: prepare, build, deploy, and tell all the others', {
    details:
      'New hosts, and hosts that restart nothing, are prepared and built at once, then brought up layer by layer in the order of the stack file. Hosts in service that restart something take turns. A host counts as online afterwards, and the balancers of the others learn of it. For new hosts, and after attributes or packages have changed.',
    options: {
      ...acting,
      ...rolling,
      strategy: {
        ...strategy,
        describe: `${strategy.describe}. Without it, hosts in service that restart something go batch after batch, all others at once`,
      },
      ...deploying,
      ...back,
    },
    examples: [
      ['converge stack setup --accept-new', 'from nothing to a site that answers; their keys are taken on trust'],
      ['converge stack setup --host client4', 'a new host joins'],
    ],
  }),
  rolloutCommand('deploy', 'New code or configuration on all hosts of an app: build everywhere, then switch', {
    details:
      'One commit is found out once, and every host gets that. Everywhere it is built aside; only where all builds have succeeded does anything go live, batch after batch, with a look at the site in between (health in the stack file). The first host migrates. All others are configured at the end.',
    options: { ...acting, ...rolling, ...deploying, ...back },
    examples: [
      ['converge stack deploy', 'the revisions of the stack file, host by host'],
      ['converge stack deploy --app shop --revision v2.1 --strategy canary --rollback-on-failure', 'one host first'],
      ["converge stack deploy --batch 25% --max-failures 1 -m 'new prices'", 'a quarter at a time'],
    ],
  }),
  rolloutCommand('configure', 'Adapt all hosts to who is in the stack now; no new code', {
    details:
      'After hosts were added to or taken from the stack file. A host that missed a deployment gets it now. A dry run finds out which hosts restart something; this is printed, and they go one batch after the other. The rest go at once.',
    options: {
      ...acting,
      batch: { ...rolling.batch, describe: 'How many hosts of a layer restart something at once' },
      'max-failures': rolling['max-failures'],
    },
    examples: [['converge stack configure', 'a host was taken out of the file']],
  }),
  rolloutCommand('rollback', 'Go back to the release before, host by host', {
    details:
      'All hosts go to one commit: the one that most of them were on before the current one, or that of --to. Nothing is built, so that it takes seconds; the site is looked at after each batch, as in a deploy. A host that has no release of it fails, and stays as it is.',
    options: {
      ...acting,
      ...rolling,
      ...goal,
    },
    examples: [
      ['converge stack rollback --app shop', 'what was live before'],
      ['converge stack rollback --to c0ffee12 --strategy parallel', 'a certain commit, on all hosts at once'],
    ],
  }),
  rolloutCommand('undeploy', 'Stop and remove an app; shared data stays unless --purge', {
    options: {
      ...acting,
      ...rolling,
      purge: { group: how, type: 'boolean', describe: 'Remove shared data too: database, blobs, logs' },
    },
    examples: [['converge stack undeploy --host client4', 'before that host gets something else to do']],
  }),
  rolloutCommand('shutdown', 'Stop hosts for good: the others hear of it first, then services stop', {
    details: 'The host counts as stopped until the next converge stack setup: balancers and clients forget it.',
    options: { ...acting, ...rolling },
    examples: [['converge stack shutdown --host client3', 'before that machine goes away']],
  }),
  rolloutCommand('run', 'An event or a role of its own, on many hosts', {
    argument: {
      value: 'RECIPE',
      describe: 'An event (restart, start, stop, rebuild, …), a role, or role::event',
      required: true,
    },
    details:
      'An event runs on the hosts one of whose roles has a part in it. A role runs its setup, deploy and configure, also on hosts that do not have it otherwise.',
    options: { ...acting, ...rolling },
    examples: [
      ['converge stack run restart --layer clients', 'one host after the other'],
      ['converge stack run audit --recipes ./recipes --strategy parallel', 'a role of your own, everywhere'],
    ],
  }),
  rolloutCommand('hooks', "Have each host's own scheduler call setup, configure and shutdown", {
    argument: {
      value: 'install|remove|show',
      describe: 'What to do',
      words: ['install', 'remove', 'show'],
      required: true,
    },
    details:
      'As converge hooks does it on one host: a host then configures itself now and then, sets itself up at its first boot, and ends its services in order before it goes down. It goes by the roles, attributes and recipes of the last setup, deploy, configure or rollback that went well on it. While a rollout holds it, and after converge stack shutdown, it leaves itself alone. show: which of them each host has; exit status 1 when one is missing.',
    options: {
      ...acting,
      ...rhythm,
      'dry-run': {
        group: how,
        alias: 'n',
        type: 'boolean',
        describe: 'Say what install or remove would change on each host, and change nothing',
      },
    },
    examples: [
      ['converge stack hooks install --interval 15m', 'each host looks after itself'],
      ['converge stack hooks install --interval 15m --dry-run', 'what would be written where?'],
      ['converge stack hooks show', 'do they?'],
      ['converge stack hooks remove --host client4', 'before that host leaves the stack'],
    ],
  }),
  rolloutCommand('status', 'Every host: release, services, last run, and what it missed', {
    details:
      'Exit status 1 where a host cannot be reached, a service is down, or an app was stopped on purpose. Hosts that are shut down are not asked.',
    options: { ...stackOptions, ...selection, ...connecting },
    examples: [
      ['converge stack status', 'is all well?'],
      ['converge stack status --quiet', 'for cron: nothing is printed while all is well'],
    ],
  }),
]
