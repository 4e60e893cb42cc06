/** Defines the commands that only read the host. */
import { formatOptions, inputGroup, inputOptions, originOptions, quietOption, stateOptions } from './shared_options.ts'
import type { CommandSpec } from './types.ts'

export const inspectCommands: readonly CommandSpec[] = [
  {
    name: 'status',
    group: 'Inspect',
    description: 'Show roles, current release, state of services, last run',
    details:
      'The exit status is 1 if a service is down, a scheduled backup or packing failed or is missing, or the disk is full. It is also 1 if an app was stopped by converge stop, or a site was closed by converge maintenance on.',
    options: { ...inputOptions, ...quietOption, ...formatOptions },
    examples: [
      ['converge status --role zeo-client --json site.json', 'state of this host'],
      ['converge status --role zeo-client --json site.json --quiet', 'only what is down, for cron'],
      ['converge status --role zeo-client --json site.json --json-output', 'for a monitor'],
    ],
    kind: 'status',
  },
  {
    name: 'report',
    group: 'Inspect',
    description: 'Render the journal of a run as an HTML page',
    details:
      'One file that opens from disk, without network: changes with diffs by role and event, failures with output and hint, warnings. Secrets are masked as in the journal. The last 30 runs have a journal.',
    options: {
      ...stateOptions,
      journal: {
        group: inputGroup,
        type: 'string',
        placeholder: 'RUN',
        description: 'Number of the run, with or without its zeros; default: the last run',
      },
      last: { group: inputGroup, type: 'boolean', description: 'The last run, which is the default' },
      out: {
        group: 'Output',
        type: 'string',
        placeholder: 'FILE',
        description: 'File to write; default: standard output',
      },
    },
    examples: [
      ['converge report --out report.html', 'the last run'],
      ['converge report --journal 42 --out report.html', 'run 42'],
    ],
    kind: 'report',
    conflicts: [['journal', 'last']],
  },
  {
    name: 'doctor',
    group: 'Inspect',
    description: 'Check this host for missing requirements of its roles, with the command that fixes each',
    details:
      'Nothing is changed, and all checks run. A check that cannot run is reported as unknown. The exit status is 1 if something is missing or unknown; warnings do not count.',
    options: { ...inputOptions, ...formatOptions },
    examples: [['converge doctor --role zeo-client --json site.json', 'before the first run']],
    kind: 'doctor',
  },
  {
    name: 'attributes',
    group: 'Inspect',
    description: 'Show the merged attributes, and the source of each',
    options: {
      ...inputOptions,
      ...originOptions,
      schema: {
        group: inputGroup,
        type: 'boolean',
        description: 'Print the JSON Schema of the attributes, for editors',
      },
      defaults: { group: inputGroup, type: 'boolean', description: 'Print the defaults only' },
      ...formatOptions,
    },
    examples: [
      ['converge attributes --json site.json', 'all values'],
      ['converge attributes --json site.json --explain plone_instances.per_cpu', 'who sets it?'],
      ['converge attributes --json site.json --origins', 'all values that are set, with file and line'],
      ['converge attributes --schema > converge.schema.json', 'completion in an editor'],
    ],
    kind: 'attributes',
    conflicts: [
      ['explain', 'schema'],
      ['explain', 'origins'],
      ['origins', 'schema'],
      ['origins', 'defaults'],
      ['schema', 'defaults'],
    ],
  },
  {
    name: 'render',
    group: 'Inspect',
    description: 'Print the files that the roles would write, as JSON; reads no host',
    details:
      'Placeholders such as releases/<release> stand for values that only a run can compute. The output contains passwords, as the files do.',
    options: {
      ...inputOptions,
      path: {
        group: inputGroup,
        type: 'string',
        placeholder: 'PATH',
        description: 'Print only the file with this path, or whose path ends in it',
      },
    },
    examples: [
      ['converge render --role zeo-client --node-json node.json', 'all files'],
      ['converge render --role zeo-client --node-json node.json --path deploy.cfg', 'one file, as text'],
    ],
    kind: 'render',
  },
]
