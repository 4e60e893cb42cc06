/** Defines the commands that only read the host. */
import { inputOptions, lookOutput, quiet, what } from './shared.ts'
import type { CommandSpec } from './types.ts'

export const lookCommands: readonly CommandSpec[] = [
  {
    name: 'status',
    group: 'Look, and change nothing',
    describe: 'Roles, current release, services up or down, last run',
    details: 'Exit status 1 when a service is down, or an app was stopped on purpose by converge stop.',
    options: { ...inputOptions, ...quiet, ...lookOutput },
    examples: [
      ['converge status --role zeo-client --json site.json', 'is all well?'],
      ['converge status --role zeo-client --json site.json --quiet', 'only what is down, for cron'],
      ['converge status --role zeo-client --json site.json --json-output', 'for a monitor'],
    ],
    kind: 'status',
  },
  {
    name: 'doctor',
    group: 'Look, and change nothing',
    describe: 'What this host lacks for its roles, with the command that fixes it',
    details:
      'It changes nothing, and never ends at the first problem: a check that cannot be done is reported as unknown. Exit status 1 when something is missing or unknown; warnings do not count.',
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
]
