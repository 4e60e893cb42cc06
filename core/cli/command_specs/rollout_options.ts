/** Defines the options of the commands that connect to the hosts of a stack: which hosts, in which order, at what risk. */
import { expectedRevision } from '../../model/git_source.ts'
import { exitCodeOption, inputGroup, inputOptions, retryFailedOption, runGroup } from './shared_options.ts'
import { stackOptions } from './stack.ts'
import type { Options } from './types.ts'

export const selectionOptions = {
  layer: {
    group: inputGroup,
    type: 'string',
    placeholder: 'LAYER',
    repeatable: true,
    commaSeparated: true,
    description: 'Only the hosts of this layer; several by commas or by repeating',
  },
  host: {
    group: inputGroup,
    type: 'string',
    placeholder: 'HOST',
    repeatable: true,
    commaSeparated: true,
    description: 'Only this host; several by commas or by repeating',
  },
  app: {
    group: inputGroup,
    type: 'string',
    placeholder: 'APP',
    repeatable: true,
    commaSeparated: true,
    description: 'Only the hosts that run this app; several by commas or by repeating',
  },
  limit: {
    group: inputGroup,
    type: 'string',
    placeholder: 'PATTERN',
    repeatable: true,
    commaSeparated: true,
    description: "Only the hosts whose names match, such as 'web*,!web3'",
  },
} as const satisfies Options

export const connectionOptions = {
  'accept-new': {
    group: runGroup,
    type: 'boolean',
    description:
      'Trust the key of an unknown host, print its fingerprint and store the key; a changed key is still refused',
  },
  parallel: {
    group: runGroup,
    type: 'string',
    placeholder: 'N',
    hostCount: { min: 1, allowsPercent: false },
    default: '25',
    description: 'Maximum number of hosts at once',
  },
  reconnect: {
    group: runGroup,
    type: 'number',
    placeholder: 'SECONDS',
    default: '120',
    description: 'How long to try to reconnect to a host; its run continues in the meantime',
  },
} as const satisfies Options

export const strategyOption = {
  group: runGroup,
  type: 'string',
  placeholder: 'HOW',
  choices: ['parallel', 'rolling', 'canary'],
  description:
    'Order of the hosts in a layer. parallel: all at once, which visitors notice; rolling: batch after batch; canary: some first, then the rest. Layers follow each other',
} as const

export const orderOptions = {
  strategy: { ...strategyOption, default: 'rolling' },
  batch: {
    group: runGroup,
    type: 'string',
    placeholder: 'N|N%',
    hostCount: { min: 1, allowsPercent: true },
    default: '1',
    description: 'How many hosts of a layer at once (rolling), or how many go first (canary)',
  },
  'max-failures': {
    group: runGroup,
    type: 'string',
    placeholder: 'N|N%',
    hostCount: { min: 0, allowsPercent: true },
    default: '0',
    description: 'How many hosts may fail before the rollout aborts',
  },
} as const satisfies Options

/** The options that a rollout passes to the deploy on each host. */
export const deployOptions = {
  revision: {
    group: inputGroup,
    type: 'string',
    expected: expectedRevision,
    placeholder: 'REV',
    description:
      'Branch, tag or commit of one app (--app names it if there are several), instead of the one in the stack file',
  },
  migrate: {
    group: inputGroup,
    type: 'boolean',
    description:
      'Migrate even if the stack already runs the commit (--no-migrate: never); default: one host migrates each new commit once, for apps with migrate',
  },
  ...retryFailedOption,
} as const satisfies Options

export const deploymentJsonOption = {
  json: {
    ...inputOptions.json,
    description:
      'Custom JSON of this deployment (or YAML, or - for standard input), above all attributes of the stack file; repeatable, the last one takes precedence',
  },
} as const satisfies Options

export const targetOption = {
  to: {
    group: inputGroup,
    type: 'string',
    placeholder: 'ID',
    description:
      'Commit (or its beginning) to roll back to, or the id of a release; default: the previous commit of most hosts',
  },
} as const satisfies Options

export const downOption = {
  down: {
    group: runGroup,
    type: 'string',
    placeholder: 'fail|skip',
    choices: ['fail', 'skip'],
    default: 'fail',
    description: 'If a host cannot be reached: do nothing, or continue without it and update it in the next run',
  },
} as const satisfies Options

export const commentOption = {
  comment: {
    group: runGroup,
    alias: 'm',
    type: 'string',
    placeholder: 'TEXT',
    description: 'Reason of the deployment, for the record',
  },
} as const satisfies Options

export const rollbackOption = {
  'rollback-on-failure': {
    group: runGroup,
    type: 'boolean',
    description: 'If the rollout aborts because of a failure, roll back the hosts that have switched',
  },
} as const satisfies Options

export const waitOption = {
  wait: {
    group: runGroup,
    type: 'string',
    placeholder: 'DURATION',
    optionalDuration: true,
    description:
      'If another rollout uses the hosts, wait until it has ended, or at most this long (--wait=10m); default: do nothing',
  },
} as const satisfies Options

export const rolloutOptions = {
  ...stackOptions,
  ...selectionOptions,
  ...downOption,
  ...connectionOptions,
  ...waitOption,
  ...commentOption,
  ...exitCodeOption,
} as const
