/** Defines the commands that manage releases. */
import { by, eventCommand, inputOptions, lookOutput, quiet, revision, stateOptions, what } from './shared.ts'
import type { CommandSpec } from './types.ts'

export const releaseCommands: readonly CommandSpec[] = [
  eventCommand('rollback', 'Go back to the release that was current before, or to the one named', {
    group: 'Releases',
    details:
      'Code and configuration go back together. Nothing is built or removed, so a later rollback --to can go forward again. An app without an earlier release stays.',
    options: {
      to: {
        group: what,
        type: 'string',
        value: 'ID',
        describe:
          'Id of the release (or its beginning), older or newer; converge releases lists them. Of several apps APP=ID, by commas: those that are not named stay',
      },
    },
    examples: [
      ['converge rollback --role zeo-client --json site.json', 'to the one that was current before'],
      ['converge rollback --role zeo-client --json site.json --to 000007', 'to a given one, back or forward'],
    ],
  }),
  eventCommand('rebuild', 'Build the current commit into a new release and switch to it', {
    group: 'Releases',
    examples: [['converge rebuild --role zeo-client --json site.json', 'the same commit, built anew']],
  }),
  {
    name: 'releases',
    group: 'Releases',
    describe: 'List the releases: id, commit, when, by whom, which is current, where a rollback goes',
    options: { ...inputOptions, ...lookOutput },
    examples: [['converge releases --role zeo-client --json site.json', 'what can be rolled back to']],
    kind: 'releases',
  },
  {
    name: 'revisions',
    group: 'Releases',
    describe: 'Say which commit each app of the roles would deploy',
    details:
      'The repository is asked with the credentials of the app, as a deploy does; nothing is written. Several hosts get the same commit by deploy.APP.scm.commit, also where the branch moves meanwhile. With --json-output a line for each app: {"app", "revision", "commit"}; commit is null where each host finds out by itself, as for a directory. If the repository cannot be asked, commit is the last known one, and "unconfirmed" says why.',
    options: { ...inputOptions, ...revision, ...lookOutput },
    examples: [
      ['converge revisions --role zeo-client --json site.json', 'what is main now?'],
      ['converge revisions --role zeo-client --json site.json --revision v2.1 --json-output', 'for a script'],
    ],
    kind: 'revisions',
  },
  {
    name: 'lock',
    group: 'Releases',
    describe: 'Stop deploys by others on this host, and say why',
    details:
      'Until converge unlock, a build, deploy, rollback, rebuild or undeploy by anybody else ends with who holds the lock, since when and why. Those by you go on with a warning; so do setup and configure, which bring no new code.',
    options: {
      message: { group: what, alias: 'm', type: 'string', value: 'TEXT', describe: 'Why, for those who are stopped' },
      ...by,
      ...stateOptions,
      ...quiet,
      ...lookOutput,
    },
    examples: [["converge lock -m 'release day: ask Ann first'", 'others are told this']],
    kind: 'lock',
  },
  {
    name: 'unlock',
    group: 'Releases',
    describe: 'Let deploys go on',
    options: { ...stateOptions, ...quiet, ...lookOutput },
    examples: [['converge unlock', 'whoever had put the lock on']],
    kind: 'unlock',
  },
]
