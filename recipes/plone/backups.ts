/** Lists and verifies the backups of a database, in a ZEO server or through RelStorage, for `converge backup`. */
import * as z from 'zod'
import type { BackupControl } from '../../core/cli/catalogue.ts'
import type { Host } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { minutes } from '../../core/model/units.ts'
import type { SiteNode } from '../node.ts'
import { buildoutApp } from './buildout_app.ts'
import { upkeepCommand, upkeepDirectory } from './upkeep.ts'

const listed = z.array(z.object({ id: z.string(), full: z.boolean(), bytes: z.number(), blobs: z.string().nullable() }))
const verified = z.object({ id: z.string(), objects: z.number(), blobs: z.number(), bytes: z.number() })

export function backupControl(node: SiteNode, host: Host, keeper: 'zeo-server' | 'relstorage-pack'): BackupControl {
  const app = buildoutApp(node, keeper === 'zeo-server' ? 'zeo-server' : 'zeo-client')
  async function ask<S extends z.ZodType>(schema: S, action: string, words: readonly string[]): Promise<z.output<S>> {
    if (host.lstat(`${upkeepDirectory(app)}/upkeep.py`) === null)
      throw new ConvergeError(`${app.name} has no backups: nothing is deployed in ${app.deployTo}`, {
        code: 'NO_BACKUP',
        hint: `deploy it first, or make a backup: converge backup now --role ${keeper}`,
      })
    const argv = [...upkeepCommand(app), action, ...words]
    const { status, stdout, stderr } = await host.run(argv, {
      ...app.account,
      timeout: minutes(12 * 60),
      accept: 'any',
    })
    if (status === 0) return schema.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''))
    throw new ConvergeError(
      `${app.name}: ${stderr.trim() || stdout.trim() || `${action} ended with status ${status}`}`,
      {
        code: action === 'verify' ? 'BACKUP_UNUSABLE' : 'NO_BACKUP',
        hint: 'see which backups there are: converge backup list; make another one: converge backup now',
      },
    )
  }
  return {
    app: app.name,
    list: () => ask(listed, 'list', []),
    verify: (id) => ask(verified, 'verify', id === undefined ? [] : [id]),
  }
}
