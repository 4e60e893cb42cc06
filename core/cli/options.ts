/** Commands and options of the command line, as data: parsing, help, completion and the reference pages are made from the same. */

export interface OptionSpec {
  readonly type: 'string' | 'boolean' | 'number'
  /** One letter. */
  readonly alias?: string
  /** May be given several times. */
  readonly array?: boolean
  /** Several values may stand in one, with commas between. */
  readonly commas?: boolean
  /** What stands for its value in `--help`. */
  readonly value?: string
  readonly describe: string
  /** What holds where it isn't given. */
  readonly default?: string
  readonly group: 'What to converge' | 'How to go about it' | 'Output'
}

type Options = Readonly<Record<string, OptionSpec>>

const what = 'What to converge'

export const inputOptions = {
  role: {
    group: what,
    alias: 'r',
    type: 'string',
    value: 'ROLE',
    array: true,
    commas: true,
    describe: 'Role of this host; several by commas or by repeating',
  },
  json: {
    group: what,
    alias: 'j',
    type: 'string',
    value: 'FILE',
    array: true,
    describe: 'Custom JSON of this deployment (or YAML, or - for standard input); repeatable, the later one wins',
  },
  'node-json': {
    group: what,
    type: 'string',
    value: 'FILE',
    describe: 'Node JSON of the stack, as OpsWorks gave it (or - for standard input)',
  },
  'config-dir': {
    group: what,
    type: 'string',
    value: 'DIR',
    default: '/etc/converge',
    describe: "Directory of this host's own JSON and YAML files",
  },
  prefix: {
    group: what,
    type: 'string',
    value: 'DIR',
    describe: 'Place all paths below this directory; lets an ordinary user converge without touching the system',
  },
  recipes: {
    group: what,
    type: 'string',
    value: 'DIR',
    array: true,
    describe: 'Directory (or file) of recipes of your own; repeatable',
  },
  config: {
    group: what,
    type: 'string',
    value: 'FILE',
    describe: 'Configuration of your own; default: converge.config.ts in the working directory',
  },
  'state-dir': {
    group: what,
    type: 'string',
    value: 'DIR',
    describe: 'Where records and journals are kept; default: /var/lib/converge, below --prefix if given',
  },
} as const satisfies Options

/** Where the engine keeps its own files. */
const stateOptions = { prefix: inputOptions.prefix, 'state-dir': inputOptions['state-dir'] } as const satisfies Options

const revision = {
  revision: {
    group: what,
    type: 'string',
    value: 'REV',
    describe: 'Deploy this branch, tag or commit instead of the one in the attributes',
  },
} as const satisfies Options

const migrate = {
  migrate: {
    group: what,
    type: 'boolean',
    describe:
      'Migrate on this host where the attributes ask for it (--no-migrate: not here); default: on the first of the stack',
  },
} as const satisfies Options

const event = {
  event: {
    group: what,
    alias: 'e',
    type: 'string',
    value: 'EVENT',
    array: true,
    commas: true,
    describe: 'Event to run, several by commas; default: the whole way: setup, deploy, configure',
  },
} as const satisfies Options

const how = 'How to go about it'

const changedExit = {
  'detailed-exit-code': {
    group: how,
    type: 'boolean',
    describe: 'Exit with 3 when something changed (or, in a plan, would change)',
  },
} as const satisfies Options

const runOptions = {
  'dry-run': {
    group: how,
    alias: 'n',
    type: 'boolean',
    describe: 'Say what would change, and change nothing; the same as converge plan',
  },
  wait: {
    group: how,
    type: 'number',
    value: 'SECONDS',
    describe: 'Wait up to this long for another run to end',
    default: '0',
  },
  ...changedExit,
} as const satisfies Options

const lookOutput = {
  'json-output': { group: 'Output', type: 'boolean', describe: 'JSON for machines' },
  color: {
    group: 'Output',
    type: 'boolean',
    describe: 'Colours (--no-color: none); default: on a terminal, unless NO_COLOR is set',
  },
} as const satisfies Options

const outputOptions = {
  'json-output': {
    group: 'Output',
    type: 'boolean',
    describe: 'JSON lines for machines: events as they come, then the report',
  },
  quiet: { group: 'Output', alias: 'q', type: 'boolean', describe: 'Only failures and warnings' },
  verbose: {
    group: 'Output',
    alias: 'v',
    type: 'boolean',
    describe: 'Also what is unchanged or skipped, and whole diffs',
  },
  color: lookOutput.color,
} as const satisfies Options

/** The options as one bag: those of a command, the rest are undefined. */
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
  readonly message?: string | undefined
  readonly migrate?: boolean | undefined
  readonly page?: string | undefined
  readonly path?: string | undefined
  readonly explain?: string | undefined
  readonly schema?: boolean | undefined
  readonly defaults?: boolean | undefined
  /** What stands after the command. */
  readonly name?: string | undefined
  /** What stands after that. */
  readonly target?: string | undefined
}

interface Argument {
  readonly value: string
  readonly describe: string
  /** What it may be, for completion. */
  readonly words?: readonly string[]
}

export interface CommandSpec {
  readonly name: string
  /** Where `--help` lists it. */
  readonly group: 'Converge this host' | 'Releases' | 'Services' | 'Look, and change nothing' | 'Help'
  readonly describe: string
  /** A paragraph for `--help` of the command and its reference page. */
  readonly details?: string
  readonly options: Options
  /** The one word it takes after its name, e.g. a resource type. */
  readonly argument?: Argument
  /** A second one after that. */
  readonly target?: Argument
  /** A command line, and what it is good for. */
  readonly examples: readonly (readonly [string, string])[]
  /** Fixed events of the commands that are named for one. */
  readonly events?: readonly string[]
  readonly kind:
    | 'run'
    | 'plan'
    | 'releases'
    | 'attributes'
    | 'render'
    | 'status'
    | 'doctor'
    | 'resources'
    | 'completion'
    | 'help'
    | 'lock'
    | 'unlock'
    | 'maintenance'
    | 'balancer'
  /** Options that contradict each other. */
  readonly either?: readonly (readonly [string, string])[]
}

const talk = [['quiet', 'verbose']] as const

function eventCommand(
  name: string,
  describe: string,
  more: Pick<CommandSpec, 'examples' | 'details'> & Partial<Pick<CommandSpec, 'group' | 'options'>>,
): CommandSpec {
  const { group = 'Converge this host', options = {}, ...rest } = more
  const own = { ...inputOptions, ...options, ...runOptions, ...outputOptions }
  return { name, group, describe, ...rest, options: own, events: [name], kind: 'run', either: talk }
}

export const commands: readonly CommandSpec[] = [
  {
    name: 'apply',
    group: 'Converge this host',
    describe: 'Bring this host to the state its roles declare; what converge does without a command',
    details:
      'Without --event it goes the whole way: setup, deploy, configure. Run again, it finds nothing to do. Interrupted by Ctrl-C it finishes the step at hand; a second Ctrl-C ends it at once, and the next run finishes the work.',
    options: { ...inputOptions, ...event, ...revision, ...migrate, ...runOptions, ...outputOptions },
    examples: [
      ['converge --role zeo-client --json site.json', 'the whole way'],
      ['converge --role zeo-server,zeo-client --json site.json', 'two roles on one host'],
      ['converge --role zeo-client --event deploy --dry-run', 'what would a deploy change?'],
      ['converge --role web --recipes ./recipes', 'a role of your own'],
      ['converge --role zeo-client --prefix ~/site --json site.json', 'as an ordinary user'],
    ],
    kind: 'run',
    either: talk,
  },
  {
    name: 'plan',
    group: 'Converge this host',
    describe: 'Say what a run would change; nothing is written',
    details:
      'Later resources see what earlier ones would do; what can only be known in the run is shown as such. The commands below take --dry-run for the same.',
    options: { ...inputOptions, ...event, ...revision, ...migrate, ...changedExit, ...outputOptions },
    examples: [
      ['converge plan --role zeo-client --json site.json', 'diffs of all that would change'],
      ['converge plan --role zeo-client --event deploy --revision v2.1', 'what would deploying v2.1 change?'],
      ['converge plan --role zeo-client --detailed-exit-code --quiet', 'exit status 3: this host has drifted'],
    ],
    kind: 'plan',
    either: talk,
  },
  eventCommand('setup', 'Packages, accounts, directories and services of the roles', {
    details: 'The first part of the whole way, for once per host or after its attributes have changed.',
    examples: [
      ['converge setup --role zeo-client --json site.json', 'prepare this host'],
      ['converge setup --role zeo-client --json site.json --dry-run', 'what is missing?'],
    ],
  }),
  eventCommand('configure', 'Adapt to who is in the stack now; no new code', {
    details:
      'For the scheduler that hears of hosts coming and going. It keeps the current commit; where the configuration that follows from the stack has changed, that is built into a release of its own.',
    examples: [['converge configure --role zeo-client --node-json stack.json', 'the stack has changed']],
  }),
  eventCommand('deploy', 'New code or configuration: build it, switch to it, restart', {
    details:
      'The release is checked out and built aside; only a complete one becomes current, by one atomic step. With nothing new it does nothing.',
    options: { ...revision, ...migrate },
    examples: [
      ['converge deploy --role zeo-client --json site.json', 'the revision named in the attributes'],
      ['converge deploy --role zeo-client --json site.json --revision v2.1', 'another one'],
    ],
  }),
  eventCommand('undeploy', 'Stop and remove the app of the roles; shared data stays unless --purge', {
    options: {
      purge: { group: how, type: 'boolean', describe: 'Remove shared data too: database, blobs, logs' },
    },
    examples: [
      ['converge undeploy --role zeo-client --json site.json', 'the data stays'],
      ['converge undeploy --role zeo-client --json site.json --purge --dry-run', 'what would be lost?'],
    ],
  }),
  eventCommand('shutdown', 'Stop the services of the roles, before the host goes down', {
    examples: [['converge shutdown --role zeo-client --json site.json', "from the host's own shutdown hook"]],
  }),
  eventCommand('rollback', 'Go back to the release before the current one, or to the one named', {
    group: 'Releases',
    details:
      'Code and configuration go back together; nothing is built, and nothing is removed, so that going forward again is possible.',
    options: {
      to: {
        group: what,
        type: 'string',
        value: 'ID',
        describe: 'Id of the release (or its beginning), older or newer; converge releases lists them',
      },
    },
    examples: [
      ['converge rollback --role zeo-client --json site.json', 'to the release before'],
      ['converge rollback --role zeo-client --json site.json --to 000007', 'to a given one, back or forward'],
    ],
  }),
  eventCommand('rebuild', 'Build the current commit into a new release and switch to it', {
    group: 'Releases',
    examples: [['converge rebuild --role zeo-client --json site.json', 'the same commit, built anew']],
  }),
  {
    name: 'releases',
    group: 'Releases',
    describe: 'List the releases: id, commit, when, by whom, which is current',
    options: { ...inputOptions, ...lookOutput },
    examples: [['converge releases --role zeo-client --json site.json', 'what can be rolled back to']],
    kind: 'releases',
  },
  {
    name: 'lock',
    group: 'Releases',
    describe: 'Stop deploys by others on this host, and say why',
    details:
      'Until converge unlock, a deploy, rollback, rebuild or undeploy by anybody else ends with who holds the lock, since when and why. Those by you go on with a warning; so do setup and configure, which bring no new code.',
    options: {
      message: { group: what, alias: 'm', type: 'string', value: 'TEXT', describe: 'Why, for those who are stopped' },
      ...stateOptions,
      ...lookOutput,
    },
    examples: [["converge lock -m 'release day: ask Ann first'", 'others are told this']],
    kind: 'lock',
  },
  {
    name: 'unlock',
    group: 'Releases',
    describe: 'Let deploys go on',
    options: { ...stateOptions, ...lookOutput },
    examples: [['converge unlock', 'whoever had put the lock on']],
    kind: 'unlock',
  },
  {
    name: 'maintenance',
    group: 'Services',
    describe: 'Show visitors a page instead of the site, or the site again',
    details:
      'For what cannot be done while the site is used. The web server answers every request with status 503 and the page; nothing is reloaded, and nothing else is stopped. It stays on until it is switched off.',
    argument: { value: 'on|off', describe: 'Which of the two', words: ['on', 'off'] },
    options: {
      ...inputOptions,
      message: { group: what, alias: 'm', type: 'string', value: 'TEXT', describe: 'What the page says' },
      page: { group: what, type: 'string', value: 'FILE', describe: 'A whole page of your own, as HTML' },
      ...runOptions,
      ...outputOptions,
    },
    examples: [
      ['converge maintenance on --role frontend --node-json stack.json', 'the site is closed'],
      ["converge maintenance on --role frontend --node-json stack.json -m 'Back at nine.'", 'with words of your own'],
      ['converge maintenance off --role frontend --node-json stack.json', 'and open again'],
    ],
    kind: 'maintenance',
    either: [...talk, ['message', 'page']],
  },
  eventCommand('start', 'Start the services of the roles that are down', {
    group: 'Services',
    examples: [['converge start --role zeo-client --json site.json', 'those that run already are left alone']],
  }),
  eventCommand('stop', 'Stop the services of the roles', {
    group: 'Services',
    examples: [['converge stop --role zeo-client --json site.json', 'until converge start, or the next run']],
  }),
  eventCommand('restart', 'Restart the services of the roles, one after the other', {
    group: 'Services',
    details: 'Each has to answer before the next one goes; it stops at the first that does not come up.',
    examples: [['converge restart --role zeo-client --json site.json', 'without an interruption of the site']],
  }),
  {
    name: 'balancer',
    group: 'Services',
    describe: 'The servers of the balancers; take one out (drain) or put it back in (ready)',
    details:
      'A drained server gets no new visitors; those it is answering are waited for. It stays out until converge balancer ready, also when a deploy restarts it. Where visitors are bound to a server by a cookie it is put in maintenance instead, since they would still come. The balancers are those of the stack, and of converge.balancer.sockets. Exit status 1 when one of them cannot be asked, or a session is left.',
    argument: {
      value: 'list|drain|ready',
      describe: 'What to do; default: list',
      words: ['list', 'drain', 'ready'],
    },
    target: { value: 'SERVER', describe: 'Server to take out or put in: its name, or backend/name' },
    options: {
      ...inputOptions,
      wait: {
        group: how,
        type: 'number',
        value: 'SECONDS',
        describe: 'Wait up to this long until a drained server has no session left',
        default: '60',
      },
      ...lookOutput,
    },
    examples: [
      ['converge balancer list --node-json stack.json', 'who gets visitors?'],
      ['converge balancer drain plone1-2 --node-json stack.json', 'before you look into that client'],
      ['converge balancer ready plone1-2 --node-json stack.json', 'back in'],
    ],
    kind: 'balancer',
  },
  {
    name: 'status',
    group: 'Look, and change nothing',
    describe: 'Roles, current release, services up or down, last run',
    details: 'Exit status 1 when a service is down.',
    options: { ...inputOptions, ...lookOutput },
    examples: [
      ['converge status --role zeo-client --json site.json', 'is all well?'],
      ['converge status --role zeo-client --json site.json --json-output', 'for a monitor'],
    ],
    kind: 'status',
  },
  {
    name: 'doctor',
    group: 'Look, and change nothing',
    describe: 'What this host lacks for its roles, with the command that mends it',
    details: 'Exit status 1 when something is missing. It only looks.',
    options: { ...inputOptions, ...lookOutput },
    examples: [['converge doctor --role zeo-client --json site.json', 'before the first run']],
    kind: 'doctor',
  },
  {
    name: 'attributes',
    group: 'Look, and change nothing',
    describe: 'The merged attributes, and where each comes from',
    options: {
      ...inputOptions,
      explain: {
        group: what,
        type: 'string',
        value: 'KEY',
        describe: 'Show every layer that sets this key, with file and line',
      },
      schema: { group: what, type: 'boolean', describe: 'Print the JSON Schema of the attributes, for editors' },
      defaults: { group: what, type: 'boolean', describe: 'Print the defaults only' },
      ...lookOutput,
    },
    examples: [
      ['converge attributes --json site.json', 'all values'],
      ['converge attributes --json site.json --explain plone_instances.per_cpu', 'who sets it?'],
      ['converge attributes --schema > converge.schema.json', 'completion in an editor'],
    ],
    kind: 'attributes',
    either: [
      ['explain', 'schema'],
      ['schema', 'defaults'],
    ],
  },
  {
    name: 'render',
    group: 'Look, and change nothing',
    describe: 'Print the files the roles would write, as JSON; looks at no host',
    details:
      'Nothing is looked up: what only a run can know is shown by what stands for it, such as releases/<release>. Passwords stand in it as they will in the files.',
    options: {
      ...inputOptions,
      path: {
        group: what,
        type: 'string',
        value: 'PATH',
        describe: 'Print only the file whose path is or ends in this',
      },
    },
    examples: [
      ['converge render --role zeo-client --node-json node.json', 'all files'],
      ['converge render --role zeo-client --node-json node.json --path deploy.cfg', 'one file, as text'],
    ],
    kind: 'render',
  },
  {
    name: 'resources',
    group: 'Help',
    describe: 'The resource types, or one of them with its props and examples',
    argument: { value: 'NAME', describe: 'Resource type' },
    options: lookOutput,
    examples: [
      ['converge resources', 'all types'],
      ['converge resources git_release', 'its props'],
    ],
    kind: 'resources',
  },
  {
    name: 'completion',
    group: 'Help',
    describe: 'Print the completion script for bash or zsh',
    details: 'It completes commands, options, roles, events, resource types and files.',
    argument: { value: 'SHELL', describe: 'bash or zsh; default: that of $SHELL' },
    options: {},
    examples: [
      ['source <(converge completion bash)', 'in ~/.bashrc'],
      ['source <(converge completion zsh)', 'in ~/.zshrc'],
    ],
    kind: 'completion',
  },
  {
    name: 'help',
    group: 'Help',
    describe: 'The same as --help',
    argument: { value: 'COMMAND', describe: 'Command to explain' },
    options: {},
    examples: [['converge help deploy', 'what deploy does and takes']],
    kind: 'help',
  },
]

/** Every option of any command, by name. */
export const allOptions: ReadonlyMap<string, OptionSpec> = new Map(
  commands.flatMap(({ options }) => Object.entries(options)),
)
