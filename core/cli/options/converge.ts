/** Defines the commands that converge this host to the state that its roles declare. */
import {
  by,
  changedExit,
  event,
  eventCommand,
  how,
  inputOptions,
  migrate,
  outputOptions,
  retryFailed,
  revision,
  runOptions,
  talk,
} from './shared.ts'
import type { CommandSpec } from './types.ts'

export const convergeCommands: readonly CommandSpec[] = [
  {
    name: 'apply',
    group: 'Converge this host',
    describe: 'Converge this host to the state that its roles declare; the default command',
    details:
      'Without --event it runs setup, deploy and configure. A second run finds nothing to do. Ctrl-C ends the run after the current step; a second Ctrl-C ends it at once, and the next run finishes the work.',
    options: { ...inputOptions, ...event, ...revision, ...migrate, ...retryFailed, ...runOptions, ...outputOptions },
    examples: [
      ['converge --role zeo-client --json site.json', 'setup, deploy and configure'],
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
    describe: 'Print what a run would change; nothing is written',
    details:
      'Each resource is compared with the state after the resources before it. Values that only a run can compute are marked as unknown. The commands below accept --dry-run with the same effect.',
    options: {
      ...inputOptions,
      ...event,
      ...revision,
      ...migrate,
      ...retryFailed,
      ...by,
      ...changedExit,
      ...outputOptions,
    },
    examples: [
      ['converge plan --role zeo-client --json site.json', 'diffs of all that would change'],
      ['converge plan --role zeo-client --event deploy --revision v2.1', 'what would deploying v2.1 change?'],
      ['converge plan --role zeo-client --detailed-exit-code --quiet', 'exit status 3: this host has drifted'],
    ],
    kind: 'plan',
    either: talk,
  },
  eventCommand('setup', 'Set up packages, accounts, directories and services of the roles', {
    details: 'The first of the three default events. Run it once per host, and after its attributes have changed.',
    examples: [
      ['converge setup --role zeo-client --json site.json', 'prepare this host'],
      ['converge setup --role zeo-client --json site.json --dry-run', 'what is missing?'],
    ],
  }),
  eventCommand('configure', 'Adapt this host to the current hosts of the stack; no new code', {
    details:
      'For a scheduler, after hosts were added or removed. The current commit stays. If the configuration derived from the stack has changed, a new release is built for it.',
    examples: [['converge configure --role zeo-client --node-json stack.json', 'the stack has changed']],
  }),
  eventCommand('build', 'Build the release for the next deploy, without a switch', {
    details:
      'The current release stays untouched: the new one is checked out, configured and built beside it. The next deploy only runs hooks and migration, switches and restarts. With always_build_on_deploy there is still one build for both. A role without releases does nothing.',
    options: revision,
    examples: [
      ['converge build --role zeo-client --json site.json', 'ahead of a deploy, in working hours'],
      ['converge build --role zeo-client --json site.json --revision v2.1', 'another revision; deploy the same then'],
    ],
  }),
  eventCommand('deploy', 'Deploy new code or configuration: build, switch, restart', {
    details:
      'The release is checked out and built beside the current one. A complete release becomes current in one atomic step. Without a new commit or configuration, nothing happens.',
    options: { ...revision, ...migrate, ...retryFailed },
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
      ['converge undeploy --role zeo-client --json site.json --purge --dry-run', 'what would be removed?'],
    ],
  }),
  eventCommand('shutdown', 'Stop the services of the roles, before the host goes down', {
    examples: [['converge shutdown --role zeo-client --json site.json', "from the host's own shutdown hook"]],
  }),
]
