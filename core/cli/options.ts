/** The options of the command line, as data: yargs, the reference pages and completion are made from the same. */
import type { Options } from 'yargs'

export const inputOptions = {
  role: {
    alias: 'r',
    type: 'string',
    array: true,
    requiresArg: true,
    describe: 'Role of this host; several by commas or by repeating',
  },
  json: {
    alias: 'j',
    type: 'string',
    array: true,
    requiresArg: true,
    describe: 'Custom JSON of this deployment (a file, or - for standard input); repeatable, later wins',
  },
  'node-json': {
    type: 'string',
    requiresArg: true,
    describe: 'Node JSON of the stack, as OpsWorks gave it (a file, or -)',
  },
  'config-dir': {
    type: 'string',
    requiresArg: true,
    default: '/etc/converge',
    describe: "Directory of this host's own JSON and YAML files",
  },
  prefix: {
    type: 'string',
    requiresArg: true,
    describe: 'Place all paths below this directory; lets an ordinary user converge without touching the system',
  },
  revision: {
    type: 'string',
    requiresArg: true,
    describe: 'Deploy this branch, tag or commit instead of the one in the attributes',
  },
  recipes: {
    type: 'string',
    array: true,
    requiresArg: true,
    describe: 'Directory (or file) of recipes of your own; repeatable',
  },
  config: {
    type: 'string',
    requiresArg: true,
    describe: 'Configuration; default: converge.config.ts in the working directory',
  },
  'state-dir': {
    type: 'string',
    requiresArg: true,
    describe: 'Where records and journals are kept; default: /var/lib/converge, below --prefix if given',
  },
} as const satisfies Record<string, Options>

export const runOptions = {
  event: {
    alias: 'e',
    type: 'string',
    array: true,
    requiresArg: true,
    describe: 'Event to run; default: the whole way: setup, deploy, configure',
  },
  'dry-run': {
    alias: 'n',
    type: 'boolean',
    describe: 'Say what would change, and change nothing; the same as converge plan',
  },
  wait: {
    type: 'number',
    requiresArg: true,
    describe: 'Wait up to this many seconds for another run to end; default: 0',
  },
  'detailed-exit-code': {
    type: 'boolean',
    describe: 'Exit with 3 when something changed (or, in a plan, would change)',
  },
} as const satisfies Record<string, Options>

export const outputOptions = {
  'json-output': { type: 'boolean', describe: 'JSON lines for machines: events as they come, then the report' },
  quiet: { alias: 'q', type: 'boolean', describe: 'Only failures and warnings' },
  verbose: { alias: 'v', type: 'boolean', describe: 'Also what is unchanged or skipped, and whole diffs' },
  color: { type: 'boolean', describe: 'Colours; default: on a terminal, unless NO_COLOR is set' },
} as const satisfies Record<string, Options>

/** The options as one bag; yargs gives those of a command, the rest are undefined. */
export interface Arguments {
  readonly role?: readonly string[] | undefined
  readonly json?: readonly string[] | undefined
  readonly nodeJson?: string | undefined
  readonly configDir?: string | undefined
  readonly prefix?: string | undefined
  readonly revision?: string | undefined
  readonly recipes?: readonly string[] | undefined
  readonly config?: string | undefined
  readonly stateDir?: string | undefined
  readonly event?: readonly string[] | undefined
  readonly dryRun?: boolean | undefined
  readonly wait?: number | undefined
  readonly detailedExitCode?: boolean | undefined
  readonly jsonOutput?: boolean | undefined
  readonly quiet?: boolean | undefined
  readonly verbose?: boolean | undefined
  readonly color?: boolean | undefined
  readonly to?: string | undefined
  readonly purge?: boolean | undefined
  readonly path?: string | undefined
  readonly explain?: string | undefined
  readonly schema?: boolean | undefined
  readonly defaults?: boolean | undefined
  readonly name?: string | undefined
}

export interface CommandSpec {
  /** yargs command string, e.g. `resources [name]`. */
  readonly command: string | readonly string[]
  readonly describe: string
  /** A paragraph for `--help` of the command and its reference page. */
  readonly details?: string
  readonly options: Readonly<Record<string, Options>>
  readonly positionals?: Readonly<Record<string, { describe: string; type: 'string' }>>
  readonly examples: readonly (readonly [string, string])[]
  /** Fixed events of the commands that are named for one. */
  readonly events?: readonly string[]
  readonly kind: 'run' | 'plan' | 'releases' | 'attributes' | 'render' | 'status' | 'doctor' | 'resources'
}

const run = { ...inputOptions, ...runOptions, ...outputOptions }
const { event: _, ...runOneEvent } = run
const look = { ...inputOptions, 'json-output': outputOptions['json-output'], color: outputOptions.color }

function eventCommand(name: string, describe: string, extra: Partial<CommandSpec> = {}): CommandSpec {
  return {
    command: name,
    describe,
    options: { ...runOneEvent, ...extra.options },
    examples: extra.examples ?? [[`$0 ${name} --role zeo-client --json site.json`, describe]],
    events: [name],
    kind: 'run',
    ...(extra.details === undefined ? {} : { details: extra.details }),
  }
}

export const commands: readonly CommandSpec[] = [
  {
    command: ['apply', '$0'],
    describe: 'Bring this host to the state its roles declare',
    details: 'Without --event it goes the whole way: setup, deploy, configure. Run again, it finds nothing to do.',
    options: run,
    examples: [
      ['$0 --role zeo-client --json site.json', 'the whole way'],
      ['$0 --role zeo-server,zeo-client --json site.json', 'two roles on one host'],
      ['$0 --role zeo-client --event deploy --dry-run', 'what would a deploy change?'],
    ],
    kind: 'run',
  },
  {
    command: 'plan',
    describe: 'Say what a run would change; nothing is written',
    details: 'Later resources see what earlier ones would do; what can only be known in the run is shown as such.',
    options: {
      ...inputOptions,
      event: runOptions.event,
      'detailed-exit-code': runOptions['detailed-exit-code'],
      ...outputOptions,
    },
    examples: [['$0 plan --role zeo-client --json site.json', 'diffs of all that would change']],
    kind: 'plan',
  },
  eventCommand('setup', 'Packages, accounts, directories and services of the roles'),
  eventCommand('configure', 'Adapt to who is in the stack now; no new code'),
  eventCommand('deploy', 'New code or configuration: build it, switch to it, restart', {
    examples: [
      ['$0 deploy --role zeo-client --json site.json', 'the revision named in the attributes'],
      ['$0 deploy --role zeo-client --json site.json --revision v2.1', 'another one'],
    ],
  }),
  eventCommand('undeploy', 'Stop and remove the app of the roles; shared data stays unless --purge', {
    options: { purge: { type: 'boolean', describe: 'Remove shared data too: database, blobs, logs' } },
  }),
  eventCommand('shutdown', 'Stop the services of the roles, before the host goes down'),
  eventCommand('rollback', 'Go back to the release before the current one, or to the one named', {
    options: {
      to: { type: 'string', requiresArg: true, describe: 'Id of the release (or its beginning), older or newer' },
    },
    examples: [
      ['$0 rollback --role zeo-client --json site.json', 'to the release before'],
      ['$0 rollback --role zeo-client --json site.json --to 000007', 'to a given one, back or forward'],
    ],
  }),
  eventCommand('rebuild', 'Build the current commit into a new release and switch to it'),
  eventCommand('start', 'Start the services of the roles that are down'),
  eventCommand('stop', 'Stop the services of the roles'),
  eventCommand('restart', 'Restart the services of the roles, one after the other'),
  {
    command: 'releases',
    describe: 'List the releases: id, commit, when, by whom, which is current',
    options: look,
    examples: [['$0 releases --role zeo-client --json site.json', 'what can be rolled back to']],
    kind: 'releases',
  },
  {
    command: 'status',
    describe: 'Roles, current release, services up or down, last run',
    options: look,
    examples: [['$0 status --role zeo-client --json site.json', 'exit status 1 when a service is down']],
    kind: 'status',
  },
  {
    command: 'doctor',
    describe: 'What this host lacks for its roles, with the command that mends it',
    options: look,
    examples: [['$0 doctor --role zeo-client --json site.json', 'before the first run']],
    kind: 'doctor',
  },
  {
    command: 'attributes',
    describe: 'The merged attributes, and where each comes from',
    options: {
      ...look,
      explain: {
        type: 'string',
        requiresArg: true,
        describe: 'Show every layer that sets this key, with file and line',
      },
      schema: { type: 'boolean', describe: 'Print the JSON Schema of the attributes, for editors' },
      defaults: { type: 'boolean', describe: 'Print the defaults only' },
    },
    examples: [
      ['$0 attributes --json site.json', 'all values'],
      ['$0 attributes --json site.json --explain plone_instances.per_cpu', 'who sets it?'],
      ['$0 attributes --schema > converge.schema.json', 'completion in an editor'],
    ],
    kind: 'attributes',
  },
  {
    command: 'render',
    describe: 'Print the files the roles would write, as JSON; looks at no host',
    options: {
      ...inputOptions,
      path: { type: 'string', requiresArg: true, describe: 'Print only the file whose path is or ends in this' },
    },
    examples: [['$0 render --role zeo-client --node-json node.json --path deploy.cfg', 'one file, as text']],
    kind: 'render',
  },
  {
    command: 'resources [name]',
    describe: 'The resource types, or one of them with its props and examples',
    positionals: { name: { describe: 'Resource type', type: 'string' } },
    options: { 'json-output': outputOptions['json-output'], color: outputOptions.color },
    examples: [['$0 resources git_release', 'its props']],
    kind: 'resources',
  },
]
