/** Lists and verifies the backups of a database, in a ZEO server or through RelStorage, for `converge backup`. */
import * as z from 'zod'
import type { BackupControl } from '../../core/cli/catalogue.ts'
import type { Host } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { excerpt } from '../../core/model/excerpt.ts'
import { minutes } from '../../core/model/units.ts'
import type { SiteNode } from '../node.ts'
import { buildoutApp } from './buildout_app.ts'
import { upkeepCommand, upkeepDirectory } from './upkeep.ts'

const listed = z.array(z.object({ id: z.string(), full: z.boolean(), bytes: z.number(), blobs: z.string().nullable() }))
const verified = z.object({ id: z.string(), objects: z.number(), blobs: z.number(), bytes: z.number() })

/** Verifying restores the whole database. */
const deadlines = { list: minutes(10), verify: minutes(12 * 60) }
type Action = keyof typeof deadlines

export function backupControl(node: SiteNode, host: Host, keeper: 'zeo-server' | 'relstorage-pack'): BackupControl {
  const app = buildoutApp(node, keeper === 'zeo-server' ? 'zeo-server' : 'zeo-client')
  async function ask<S extends z.ZodType>(schema: S, action: Action, words: readonly string[]): Promise<z.output<S>> {
    const program = `${upkeepDirectory(app)}/upkeep.py`
    // Refuses a named pipe, for which Python would wait.
    if (host.readText(program) === null)
      throw new ConvergeError(`${app.name} has no backups: nothing is deployed in ${app.deployTo}`, {
        code: 'NO_BACKUP',
        hint: `deploy it first, or make a backup: converge backup now --role ${keeper}`,
      })
    const argv = [...upkeepCommand(app), action, ...words]
    const { status, stdout, stderr } = await host.run(argv, {
      ...app.account,
      timeout: deadlines[action],
      accept: 'any',
    })
    if (status === 0) return answerOf(schema, stdout, program)
    throw new ConvergeError(
      `${app.name}: ${excerpt(stderr) ?? excerpt(stdout) ?? `${action} ended with status ${status}`}`,
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

/** The account of the app owns the program, and can replace it. */
function answerOf<S extends z.ZodType>(schema: S, stdout: string, program: string): z.output<S> {
  const answer = schema.safeParse(jsonOf(stdout.trim().split('\n').at(-1) ?? ''))
  if (answer.success) return answer.data
  throw new ConvergeError(`${program} gives no answer that converge understands`, {
    code: 'BACKUP_UNUSABLE',
    hint: 'restore the program, which makes a backup too: converge backup now',
  })
}

/** Returns undefined for text that is not JSON. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
