/** Defines options that several commands share, and builds the commands that are named after an event. */
import { expectedRevision } from '../../model/git_source.ts'
import type { CommandSpec, Options } from './types.ts'

export const inputGroup = 'Input'

export const inputOptions = {
  role: {
    group: inputGroup,
    alias: 'r',
    type: 'string',
    placeholder: 'ROLE',
    repeatable: true,
    commaSeparated: true,
    description: 'Role of this host; several by commas or by repeating',
  },
  json: {
    group: inputGroup,
    alias: 'j',
    type: 'string',
    placeholder: 'FILE',
    repeatable: true,
    description:
      'Custom JSON of this deployment (or YAML, or - for standard input); repeatable, the last one takes precedence',
  },
  'node-json': {
    group: inputGroup,
    type: 'string',
    placeholder: 'FILE',
    repeatable: true,
    description:
      'Node JSON of the stack, as OpsWorks gave it (or - for standard input); repeatable, for custom JSON of the stack',
  },
  'config-dir': {
    group: inputGroup,
    type: 'string',
    placeholder: 'DIR',
    default: '/etc/converge',
    description: "Directory of this host's own JSON and YAML files",
  },
  secrets: {
    group: inputGroup,
    type: 'string',
    placeholder: 'FILE',
    description: 'JSON list of strings to mask, in addition to attributes with secret names',
  },
  prefix: {
    group: inputGroup,
    type: 'string',
    placeholder: 'DIR',
    description: 'Place all paths below this directory, for an ordinary user; as root, change nothing outside it',
  },
  recipes: {
    group: inputGroup,
    type: 'string',
    placeholder: 'DIR',
    repeatable: true,
    description: 'Directory (or file) of your own recipes; repeatable',
  },
  config: {
    group: inputGroup,
    type: 'string',
    placeholder: 'FILE',
    description: 'Configuration file; default: converge.config.ts in the working directory',
  },
  'state-dir': {
    group: inputGroup,
    type: 'string',
    placeholder: 'DIR',
    description: 'Directory of records and journals; default: /var/lib/converge, below --prefix if given',
  },
} as const satisfies Options

/** Options that locate the directory of the engine's own files. */
export const stateOptions = {
  prefix: inputOptions.prefix,
  'state-dir': inputOptions['state-dir'],
} as const satisfies Options

export const revisionOption = {
  revision: {
    group: inputGroup,
    type: 'string',
    expected: expectedRevision,
    placeholder: 'REV',
    description: 'Deploy this branch, tag or commit instead of the one in the attributes',
  },
} as const satisfies Options

export const migrateOption = {
  migrate: {
    group: inputGroup,
    type: 'boolean',
    description:
      'Migrate on this host if the attributes enable it (--no-migrate: do not); default: only on the first host of the stack',
  },
} as const satisfies Options

export const retryFailedOption = {
  'retry-failed': {
    group: inputGroup,
    type: 'boolean',
    description: 'Switch even to a release that failed its smoke test before',
  },
} as const satisfies Options

export const eventOption = {
  event: {
    group: inputGroup,
    alias: 'e',
    type: 'string',
    placeholder: 'EVENT',
    repeatable: true,
    commaSeparated: true,
    description: 'Event to run, several by commas; default: setup, deploy, configure',
  },
} as const satisfies Options

export const runGroup = 'How to run'

export const exitCodeOption = {
  'detailed-exit-code': {
    group: runGroup,
    type: 'boolean',
    description: 'Exit with 3 when something changed (or, in a plan, would change)',
  },
} as const satisfies Options

export const balancerArguments = {
  action: {
    placeholder: 'list|drain|ready',
    description: 'Action; default: list',
    choices: ['list', 'drain', 'ready'],
  },
  server: {
    placeholder: 'SERVER',
    description: 'Server to drain or to set ready: its name, or backend/name',
  },
} as const

export const drainWaitOption = {
  wait: {
    group: runGroup,
    type: 'number',
    placeholder: 'SECONDS',
    description: 'Wait up to this long until a drained server has no session left',
    default: '60',
  },
} as const satisfies Options

export const byOption = {
  by: {
    group: runGroup,
    type: 'string',
    placeholder: 'NAME',
    singleLine: true,
    description: 'Operator, for the records and the deploy lock; default: this account at this host',
  },
} as const satisfies Options

export const runOptions = {
  'dry-run': {
    group: runGroup,
    alias: 'n',
    type: 'boolean',
    description: 'Print what would change, and change nothing, as converge plan does',
  },
  wait: {
    group: runGroup,
    type: 'number',
    placeholder: 'SECONDS',
    description: 'Wait up to this long for another run to end',
    default: '0',
  },
  ...byOption,
  coordinated: {
    group: runGroup,
    type: 'boolean',
    description: 'Another program coordinates restarts across hosts: omit the warning about a missing balancer',
  },
  'absent-hosts': {
    group: runGroup,
    type: 'string',
    placeholder: 'HOST',
    repeatable: true,
    commaSeparated: true,
    description: 'Hosts that cannot be reached: clients do not wait for those of these hosts before they restart',
  },
  ...exitCodeOption,
} as const satisfies Options

export const selectionOptions = {
  only: {
    group: runGroup,
    type: 'string',
    placeholder: 'TYPE[/KEY]',
    repeatable: true,
    description: 'Converge only these resources, such as file//etc/motd or service; * stands for any characters',
  },
  skip: {
    group: runGroup,
    type: 'string',
    placeholder: 'TYPE[/KEY]',
    repeatable: true,
    description: 'Leave these resources out; takes precedence over --only',
  },
} as const satisfies Options

export const explainOption = {
  explain: {
    group: runGroup,
    type: 'boolean',
    description: 'Show below each change the attributes that it depends on, with file and line',
  },
} as const satisfies Options

export const formatOptions = {
  'json-output': { group: 'Output', type: 'boolean', description: 'JSON for programs' },
  color: {
    group: 'Output',
    type: 'boolean',
    description: 'Colours (--no-color: none); default: on a terminal, unless NO_COLOR is set',
  },
} as const satisfies Options

export const quietOption = {
  quiet: { group: 'Output', alias: 'q', type: 'boolean', description: 'Only failures and warnings' },
} as const satisfies Options

export const outputOptions = {
  'json-output': {
    group: 'Output',
    type: 'boolean',
    description: 'JSON lines for programs: events as they occur, then the report',
  },
  ...quietOption,
  verbose: {
    group: 'Output',
    alias: 'v',
    type: 'boolean',
    description: 'Also what is unchanged or skipped, and whole diffs',
  },
  color: formatOptions.color,
} as const satisfies Options

export const quietOrVerbose = [['quiet', 'verbose']] as const

export function eventCommand(
  name: string,
  description: string,
  parts: Pick<CommandSpec, 'examples' | 'details'> & Partial<Pick<CommandSpec, 'group' | 'options'>>,
): CommandSpec {
  const { group = 'Converge this host', options = {}, ...rest } = parts
  const allOptions = { ...inputOptions, ...options, ...runOptions, ...outputOptions }
  return {
    name,
    group,
    description,
    ...rest,
    options: allOptions,
    events: [name],
    kind: 'run',
    conflicts: quietOrVerbose,
  }
}

/** Argument of the commands that close and open sites. */
export const maintenanceSwitch = {
  placeholder: 'on|off',
  description: 'Switch maintenance on or off',
  choices: ['on', 'off'],
  required: true,
} as const

export const pageTextOption = {
  message: { group: inputGroup, alias: 'm', type: 'string', placeholder: 'TEXT', description: 'Text of the page' },
} as const satisfies Options

export const lockReasonOption = {
  message: {
    group: inputGroup,
    alias: 'm',
    type: 'string',
    placeholder: 'TEXT',
    singleLine: true,
    description: 'Reason, for the other operators',
  },
} as const satisfies Options

/** Options that print where attributes come from. */
export const originOptions = {
  explain: {
    group: inputGroup,
    type: 'string',
    placeholder: 'KEY',
    description: 'Show every layer that sets this key, with file and line',
  },
  origins: {
    group: inputGroup,
    type: 'boolean',
    description: 'Show every key that is set, without defaults, with the layers that set it',
  },
} as const
