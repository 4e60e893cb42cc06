/** Defines options that several commands share, and builds the commands that are named after an event. */
import type { CommandSpec, Options } from './types.ts'

export const what = 'What to converge'

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
    array: true,
    describe:
      'Node JSON of the stack, as OpsWorks gave it (or - for standard input); repeatable, for custom JSON of the stack',
  },
  'config-dir': {
    group: what,
    type: 'string',
    value: 'DIR',
    default: '/etc/converge',
    describe: "Directory of this host's own JSON and YAML files",
  },
  secrets: {
    group: what,
    type: 'string',
    value: 'FILE',
    describe: 'JSON list of texts that are shown nowhere, beside what is secret by its name',
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

/** The option that names the directory of the engine's own files. */
export const stateOptions = {
  prefix: inputOptions.prefix,
  'state-dir': inputOptions['state-dir'],
} as const satisfies Options

export const revision = {
  revision: {
    group: what,
    type: 'string',
    value: 'REV',
    describe: 'Deploy this branch, tag or commit instead of the one in the attributes',
  },
} as const satisfies Options

export const migrate = {
  migrate: {
    group: what,
    type: 'boolean',
    describe:
      'Migrate on this host where the attributes ask for it (--no-migrate: not here); default: on the first of the stack',
  },
} as const satisfies Options

export const retryFailed = {
  'retry-failed': {
    group: what,
    type: 'boolean',
    describe: 'Switch even to a release that failed its smoke test before',
  },
} as const satisfies Options

export const event = {
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

export const how = 'How to go about it'

export const changedExit = {
  'detailed-exit-code': {
    group: how,
    type: 'boolean',
    describe: 'Exit with 3 when something changed (or, in a plan, would change)',
  },
} as const satisfies Options

export const by = {
  by: {
    group: how,
    type: 'string',
    value: 'NAME',
    describe: 'Who asks for it, for the records and the deploy lock; default: this account at this host',
  },
} as const satisfies Options

export const runOptions = {
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
  ...by,
  coordinated: {
    group: how,
    type: 'boolean',
    describe: 'Another program decides which hosts restart at the same time: no warning where no balancer is known',
  },
  ...changedExit,
} as const satisfies Options

export const lookOutput = {
  'json-output': { group: 'Output', type: 'boolean', describe: 'JSON for machines' },
  color: {
    group: 'Output',
    type: 'boolean',
    describe: 'Colours (--no-color: none); default: on a terminal, unless NO_COLOR is set',
  },
} as const satisfies Options

export const quiet = {
  quiet: { group: 'Output', alias: 'q', type: 'boolean', describe: 'Only failures and warnings' },
} as const satisfies Options

export const outputOptions = {
  'json-output': {
    group: 'Output',
    type: 'boolean',
    describe: 'JSON lines for machines: events as they come, then the report',
  },
  ...quiet,
  verbose: {
    group: 'Output',
    alias: 'v',
    type: 'boolean',
    describe: 'Also what is unchanged or skipped, and whole diffs',
  },
  color: lookOutput.color,
} as const satisfies Options

export const talk = [['quiet', 'verbose']] as const

export function eventCommand(
  name: string,
  describe: string,
  more: Pick<CommandSpec, 'examples' | 'details'> & Partial<Pick<CommandSpec, 'group' | 'options'>>,
): CommandSpec {
  const { group = 'Converge this host', options = {}, ...rest } = more
  const own = { ...inputOptions, ...options, ...runOptions, ...outputOptions }
  return { name, group, describe, ...rest, options: own, events: [name], kind: 'run', either: talk }
}
