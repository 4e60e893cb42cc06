/** Migrates an app's data, once for each deployed commit. */
import * as z from 'zod'
import { digestOf } from '../../core/model/json.ts'
import { defineResource } from '../../core/model/resource.ts'
import { reachOfAccount } from '../reach.ts'
import { withOwnCache } from '../zope/temporary_cache.ts'
import {
  appCommandProps,
  commandProp,
  currentProp,
  deployVariables,
  isCurrentRelease,
  refuseRoot,
  runAppCommand,
  withHint,
} from './app_command.ts'

const props = z.strictObject({
  command: commandProp.describe(
    'Program and arguments as a list, or one string for /bin/sh -c. OpsWorks: migrate_command',
  ),
  commit: z.string().min(1).describe('The commit that is deployed: each is migrated to once'),
  current: currentProp,
  zope: z
    .boolean()
    .default(false)
    .describe(
      'A Zope release: its configurations name no persistent cache meanwhile, which a running client has locked',
    ),
  ...appCommandProps,
})
type Props = z.output<typeof props>

const state = z.strictObject({
  migratedFor: z.string().nullable(),
  /** Whether it is too late: the release is current, such as after a rollback to it. */
  current: z.boolean(),
})

const failureHint =
  'correct migrate_command or the program that it runs, and deploy again: the current release stays until a migration succeeds'

const recordKey = ({ app }: Props) => `migration ${app}`

export const migration = defineResource(
  {
    type: 'migration',
    doc: 'Migrates data with a command of the app before its release becomes current, once for each commit. If the command fails, the current release stays, and the next run retries.',
    mirrors: "OpsWorks: node['deploy'][<app>]['migrate']",
    examples: [
      {
        app: 'site',
        command: 'bin/client1 run scripts/migrate.py',
        commit: '1a2b3c4d5e6f',
        directory: '/srv/www/site/releases/000042-1a2b3c4d',
        user: 'deploy',
      },
    ],
    reach: reachOfAccount,
    key: ({ app }) => app,
    props,
    state,
  },
  {
    read: (host, props) => ({
      migratedFor: host.recorded(recordKey(props)),
      current: isCurrentRelease(host, props.current, props.directory),
    }),
    desired: ({ commit, command }, now) => (now.current ? now : { ...now, migratedFor: digestOf([commit, command]) }),
    async apply(host, props, { desired }, context) {
      refuseRoot(host, props, 'the migration')
      const { directory, user: owner, group, zope } = props
      const environment = deployVariables(props, 'migrate')
      const migrate = () =>
        withHint(failureHint, () =>
          runAppCommand(host, props, props.command, { onLine: context.progress, environment }),
        )
      if (zope) await withOwnCache(host, directory, { owner, group }, migrate)
      else await migrate()
      host.record(recordKey(props), desired.migratedFor ?? '')
    },
    words: ({ commit }) => `migrate to ${commit.slice(0, 12)}`,
    predict(host, props, { desired }) {
      refuseRoot(host, props, 'the migration')
      host.record(recordKey(props), desired.migratedFor ?? '')
    },
  },
)
