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
    describe: 'Bring this host to the state its roles declare; what converge does without a command',
    details:
      'Without --event it goes the whole way: setup, deploy, configure. Run again, it finds nothing to do. Interrupted by Ctrl-C it finishes the step at hand; a second Ctrl-C ends it at once, and the next run finishes the work.',
    options: { ...inputOptions, ...event, ...revision, ...migrate, ...retryFailed, ...runOptions, ...outputOptions },
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
  eventCommand('build', 'Build the release that a deploy would switch to, and switch nothing', {
    details:
      'What is live is not touched: the release is checked out, configured and built aside. The deploy that follows finds it so, and only runs its hooks and its migration, switches to it and restarts; also with always_build_on_deploy there is one build for both. A role without releases has no part in it.',
    options: revision,
    examples: [
      ['converge build --role zeo-client --json site.json', 'ahead of a deploy, in working hours'],
      ['converge build --role zeo-client --json site.json --revision v2.1', 'another revision; deploy the same then'],
    ],
  }),
  eventCommand('deploy', 'New code or configuration: build it, switch to it, restart', {
    details:
      'The release is checked out and built aside; only a complete one becomes current, by one atomic step. With nothing new it does nothing.',
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
      ['converge undeploy --role zeo-client --json site.json --purge --dry-run', 'what would be lost?'],
    ],
  }),
  eventCommand('shutdown', 'Stop the services of the roles, before the host goes down', {
    examples: [['converge shutdown --role zeo-client --json site.json', "from the host's own shutdown hook"]],
  }),
]
