/** Defines the commands that manage releases. */
import {
  byOption,
  eventCommand,
  formatOptions,
  inputGroup,
  inputOptions,
  lockReasonOption,
  quietOption,
  revisionOption,
  stateOptions,
} from './shared_options.ts'
import type { CommandSpec } from './types.ts'

export const releaseCommands: readonly CommandSpec[] = [
  eventCommand('rollback', 'Roll back to the previous release, or to a given one', {
    group: 'Releases',
    details:
      'Code and configuration are rolled back together. Nothing is built or removed, so rollback --to can return to a newer release. An app without an earlier release stays unchanged.',
    options: {
      to: {
        group: inputGroup,
        type: 'string',
        placeholder: 'ID',
        description:
          'Id of the release (or its beginning), older or newer; converge releases lists them. For several apps APP=ID, separated by commas; other apps stay unchanged',
      },
    },
    examples: [
      ['converge rollback --role zeo-client --json site.json', 'to the previous release'],
      ['converge rollback --role zeo-client --json site.json --to 000007', 'to a given release'],
    ],
  }),
  eventCommand('rebuild', 'Build the current commit into a new release and switch to it', {
    group: 'Releases',
    examples: [['converge rebuild --role zeo-client --json site.json', 'build the same commit again']],
  }),
  {
    name: 'releases',
    group: 'Releases',
    description: 'List the releases: id, commit, time, author, the current one, the target of a rollback',
    options: { ...inputOptions, ...formatOptions },
    examples: [['converge releases --role zeo-client --json site.json', 'what can be rolled back to']],
    kind: 'releases',
  },
  {
    name: 'revisions',
    group: 'Releases',
    description: 'Print the commit that each app of the roles would deploy',
    details:
      'The repository is queried with the credentials of the app, as in a deploy; nothing is written. Set deploy.APP.scm.commit to deploy the same commit to several hosts, even if the branch moves. --json-output prints a line for each app: {"app", "revision", "commit"}. commit is null if each host decides, as for a directory.',
    options: { ...inputOptions, ...revisionOption, ...formatOptions },
    examples: [
      ['converge revisions --role zeo-client --json site.json', 'current commit of the branch'],
      ['converge revisions --role zeo-client --json site.json --revision v2.1 --json-output', 'for a script'],
    ],
    kind: 'revisions',
  },
  {
    name: 'lock',
    group: 'Releases',
    description: 'Prevent deploys by other operators on this host, with a reason',
    details:
      'Until converge unlock, every build, deploy, rollback, rebuild or undeploy by another operator fails, and prints the holder, time and reason of the lock. Your own commands continue with a warning, and so do setup and configure, which deploy no new code.',
    options: {
      ...lockReasonOption,
      ...byOption,
      ...stateOptions,
      ...quietOption,
      ...formatOptions,
    },
    examples: [["converge lock -m 'release day: ask Ann first'", 'other operators see this reason']],
    kind: 'lock',
  },
  {
    name: 'unlock',
    group: 'Releases',
    description: 'Allow deploys again',
    options: { ...stateOptions, ...quietOption, ...formatOptions },
    examples: [['converge unlock', 'whatever its holder']],
    kind: 'unlock',
  },
]
