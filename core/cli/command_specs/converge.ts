/** Defines the commands that converge this host to the state that its roles declare. */
import {
  byOption,
  eventCommand,
  eventOption,
  exitCodeOption,
  explainOption,
  inputOptions,
  migrateOption,
  outputOptions,
  quietOrVerbose,
  retryFailedOption,
  revisionOption,
  runGroup,
  runOptions,
  selectionOptions,
} from './shared_options.ts'
import type { CommandSpec } from './types.ts'

/** Options of the commands that converge this host, or print what that would change. */
const convergeOptions = {
  ...inputOptions,
  ...eventOption,
  ...revisionOption,
  ...migrateOption,
  ...retryFailedOption,
  ...selectionOptions,
} as const

export const convergeCommands: readonly CommandSpec[] = [
  {
    name: 'apply',
    group: 'Converge this host',
    argument: { placeholder: 'FILE', description: 'Saved plan to apply' },
    description: 'Converge this host to the state that its roles declare; the default command',
    details:
      'Without --event it runs setup, deploy and configure. With FILE it makes the changes of a plan that converge plan --out has saved, with the options of that plan. It refuses if this host or the inputs have changed since. A second run finds nothing to do. Ctrl-C ends the run after the current step; a second Ctrl-C ends it at once, and the next run finishes the work.',
    options: {
      ...convergeOptions,
      ...runOptions,
      ...outputOptions,
    },
    examples: [
      ['converge --role zeo-client --json site.json', 'setup, deploy and configure'],
      ['converge --role zeo-server,zeo-client --json site.json', 'two roles on one host'],
      ['converge --role zeo-client --event deploy --dry-run', 'what would a deploy change?'],
      ['converge apply plan.json', 'exactly what a saved plan says'],
      ['converge apply plan.json --dry-run', 'does the saved plan still hold?'],
      ['converge --role web --recipes ./recipes', 'a role of your own'],
      ['converge --role zeo-client --json site.json --only user --only directory', 'accounts and directories only'],
      ['converge --role zeo-client --prefix ~/site --json site.json', 'as an ordinary user'],
    ],
    kind: 'run',
    conflicts: quietOrVerbose,
  },
  {
    name: 'plan',
    group: 'Converge this host',
    description: 'Print what a run would change; nothing is written',
    details:
      'Each resource is compared with the state after the resources before it. Values that only a run can compute are marked as unknown. The commands below accept --dry-run with the same effect.',
    options: {
      ...convergeOptions,
      out: {
        group: runGroup,
        type: 'string',
        placeholder: 'FILE',
        description: 'Save the plan, for converge apply FILE; secrets are stored as digests only',
      },
      ...byOption,
      ...explainOption,
      ...exitCodeOption,
      ...outputOptions,
    },
    examples: [
      ['converge plan --role zeo-client --json site.json', 'diffs of all that would change'],
      ['converge plan --role zeo-client --event deploy --revision v2.1', 'what would deploying v2.1 change?'],
      ['converge plan --role zeo-client --json site.json --explain', 'which attributes cause the changes?'],
      [
        'converge plan --role zeo-client --event deploy --out plan.json',
        'save it; converge apply plan.json makes it true',
      ],
      ['converge plan --role zeo-client --skip user --skip group', 'without accounts'],
      ['converge plan --role zeo-client --detailed-exit-code --quiet', 'exit status 3: this host has drifted'],
    ],
    kind: 'plan',
    conflicts: quietOrVerbose,
  },
  {
    name: 'verify',
    group: 'Converge this host',
    description: 'Converge a copy of this system twice, and require that the second run changes nothing',
    details:
      'The copy has its own files, processes, network, host name and kernel settings, and is discarded at the end: nothing of this system changes. It requires root and a kernel that permits mounts. systemd does not run in the copy: what needs it is left out with a warning. Exit status 1 if a run fails or the second run changes something.',
    options: {
      ...inputOptions,
      ...eventOption,
      ...revisionOption,
      ...migrateOption,
      ...selectionOptions,
      keep: {
        group: runGroup,
        type: 'boolean',
        description: 'Start a shell in the copy after the runs; the copy lasts until the shell ends',
      },
      'share-network': {
        group: runGroup,
        type: 'boolean',
        description:
          'Use the network of this system, such as for packages; servers in the copy then listen on its ports',
      },
      ...outputOptions,
    },
    examples: [
      ['converge verify --role web --recipes ./recipes', 'a role of your own'],
      ['converge verify --role web --recipes ./recipes --keep', 'look around in the copy'],
    ],
    kind: 'verify',
    conflicts: quietOrVerbose,
  },
  eventCommand('setup', 'Set up packages, accounts, directories and services of the roles', {
    options: selectionOptions,
    details: 'The first of the three default events. Run it once per host, and after its attributes have changed.',
    examples: [
      ['converge setup --role zeo-client --json site.json', 'prepare this host'],
      ['converge setup --role zeo-client --json site.json --dry-run', 'what is missing?'],
    ],
  }),
  eventCommand('configure', 'Adapt this host to the current hosts of the stack; no new code', {
    details:
      'For a scheduler, after hosts were added or removed. The current commit stays. If the configuration derived from the stack has changed, a new release is built for it.',
    options: selectionOptions,
    examples: [['converge configure --role zeo-client --node-json stack.json', 'the stack has changed']],
  }),
  eventCommand('build', 'Build the release for the next deploy, without a switch', {
    details:
      'The current release stays untouched: the new one is checked out, configured and built beside it. The next deploy only runs hooks and migration, switches and restarts. With always_build_on_deploy there is still one build for both. A role without releases does nothing.',
    options: { ...revisionOption, ...selectionOptions },
    examples: [
      ['converge build --role zeo-client --json site.json', 'ahead of a deploy, in working hours'],
      ['converge build --role zeo-client --json site.json --revision v2.1', 'another revision; deploy the same then'],
    ],
  }),
  eventCommand('deploy', 'Deploy new code or configuration: build, switch, restart', {
    details:
      'The release is checked out and built beside the current one. A complete release becomes current in one atomic step. Without a new commit or configuration, nothing happens. With --console URL, a console deploys a stack instead: converge deploy --console --help.',
    options: { ...revisionOption, ...migrateOption, ...retryFailedOption, ...selectionOptions },
    examples: [
      ['converge deploy --role zeo-client --json site.json', 'the revision named in the attributes'],
      ['converge deploy --role zeo-client --json site.json --revision v2.1', 'another one'],
    ],
  }),
  eventCommand('undeploy', 'Stop and remove the app of the roles; shared data stays unless --purge', {
    options: {
      purge: { group: runGroup, type: 'boolean', description: 'Remove shared data too: database, blobs, logs' },
    },
    examples: [
      ['converge undeploy --role zeo-client --json site.json', 'the data stays'],
      ['converge undeploy --role zeo-client --json site.json --purge --dry-run', 'what would be removed?'],
    ],
  }),
  eventCommand('shutdown', 'Stop the services of the roles, before the host goes down', {
    examples: [['converge shutdown --role zeo-client --json site.json', "from the host's own shutdown hook"]],
  }),
]
