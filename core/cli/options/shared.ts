/** Defines options that several commands share, and builds the commands that are named after an event. */
import type { CommandSpec, Options } from './types.ts'

export const what = 'Input'

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
    describe:
      'Custom JSON of this deployment (or YAML, or - for standard input); repeatable, the last one takes precedence',
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
    describe: 'JSON list of strings to mask, in addition to attributes with secret names',
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
    describe: 'Directory (or file) of your own recipes; repeatable',
  },
  config: {
    group: what,
    type: 'string',
    value: 'FILE',
    describe: 'Configuration file; default: converge.config.ts in the working directory',
  },
  'state-dir': {
    group: what,
    type: 'string',
    value: 'DIR',
    describe: 'Directory of records and journals; default: /var/lib/converge, below --prefix if given',
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
      'Migrate on this host if the attributes say so (--no-migrate: do not); default: only on the first host of the stack',
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
    describe: 'Event to run, several by commas; default: setup, deploy, configure',
  },
} as const satisfies Options

export const how = 'How to run'

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
    describe: 'Operator, for the records and the deploy lock; default: this account at this host',
  },
} as const satisfies Options

export const runOptions = {
  'dry-run': {
    group: how,
    alias: 'n',
    type: 'boolean',
    describe: 'Print what would change, and change nothing, as converge plan does',
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
    describe: 'Another program coordinates restarts across hosts: omit the warning about a missing balancer',
  },
  ...changedExit,
} as const satisfies Options

export const lookOutput = {
  'json-output': { group: 'Output', type: 'boolean', describe: 'JSON for programs' },
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
    describe: 'JSON lines for programs: events as they occur, then the report',
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
