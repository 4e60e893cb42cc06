/** Defines the commands that only read the host. */
import { inputOptions, lookOutput, quiet, what } from './shared.ts'
import type { CommandSpec } from './types.ts'

export const lookCommands: readonly CommandSpec[] = [
  {
    name: 'status',
    group: 'Inspect',
    describe: 'Show roles, current release, state of services, last run',
    details: 'Exit status 1 when a service is down, or an app was stopped on purpose by converge stop.',
    options: { ...inputOptions, ...quiet, ...lookOutput },
    examples: [
      ['converge status --role zeo-client --json site.json', 'state of this host'],
      ['converge status --role zeo-client --json site.json --quiet', 'only what is down, for cron'],
      ['converge status --role zeo-client --json site.json --json-output', 'for a monitor'],
    ],
    kind: 'status',
  },
  {
    name: 'doctor',
    group: 'Inspect',
    describe: 'Check this host for missing requirements of its roles, with the command that fixes each',
    details:
      'Nothing is changed, and all checks run. A check that cannot run is reported as unknown. Exit status 1 when something is missing or unknown; warnings do not count.',
    options: { ...inputOptions, ...lookOutput },
    examples: [['converge doctor --role zeo-client --json site.json', 'before the first run']],
    kind: 'doctor',
  },
  {
    name: 'attributes',
    group: 'Inspect',
    describe: 'Show the merged attributes, and the source of each',
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
    group: 'Inspect',
    describe: 'Print the files that the roles would write, as JSON; reads no host',
    details:
      'Placeholders such as releases/<release> stand for values that only a run can compute. The output contains passwords, as the files do.',
    options: {
      ...inputOptions,
      path: {
        group: what,
        type: 'string',
        value: 'PATH',
        describe: 'Print only the file with this path, or whose path ends in it',
      },
    },
    examples: [
      ['converge render --role zeo-client --node-json node.json', 'all files'],
      ['converge render --role zeo-client --node-json node.json --path deploy.cfg', 'one file, as text'],
    ],
    kind: 'render',
  },
]
