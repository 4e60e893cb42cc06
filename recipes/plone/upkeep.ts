/**
 * Declares the program that runs and records the jobs of a database, in a ZEO server or through RelStorage, and the events
 * that back up, restore and pack it.
 */
import type { Recipe, RecipeFunction } from '../../core/compile/role.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { anyHost } from '../../core/model/query.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { minutes } from '../../core/model/units.ts'
import { shellWord } from '../../core/text/shell.ts'
import { execute } from '../../resources/commands/execute.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { currentReleaseOf } from '../../resources/releases/queries.ts'
import type { App } from '../app/app.ts'
import type { SiteNode } from '../node.ts'
import { requireBlobMount } from './blob_mounts.ts'
import { type BuildoutApp, buildoutApp } from './buildout_app.ts'
import { packsRelstorage, sqlBackupDirectory } from './relational_upkeep.ts'
import { restartAll, stopAll } from './start_stop.ts'
import { upkeepProgram } from './upkeep_program.ts'

/** A backup of a large site with its copy to another host. */
const longest = minutes(12 * 60)

/** Returns the directory of the program and of its records. */
export function upkeepDirectory({ shared }: Pick<App, 'shared'>): string {
  return `${shared}/upkeep`
}

/** Returns the command of the program. */
export function upkeepCommand(app: Pick<App, 'shared'>): readonly string[] {
  return ['python3', `${upkeepDirectory(app)}/upkeep.py`]
}

/** Returns the shell command that runs and records a job; the command of the job is its last argument. */
export function jobRunner(app: BuildoutApp, job: string): string {
  return `${upkeepCommand(app).map(shellWord).join(' ')} run ${job}`
}

export function upkeepFiles(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp, guard: CommonOptions = {}): void {
  const path = upkeepDirectory(app)
  const settings = settingsOf(node, app)
  r.unlessDeclared('directory', path, () => {
    directory(r, { path, mode: '0750', ...app.owner, ...guard })
    file(r, { path: `${path}/upkeep.py`, content: upkeepProgram, mode: '0640', ...app.owner, ...guard })
    const content = `${JSON.stringify(settings, null, 2)}\n`
    file(r, { path: `${path}/upkeep.json`, content, mode: '0640', ...app.owner, ...guard })
  })
}

function settingsOf(node: SiteNode, app: BuildoutApp) {
  const { current } = app
  if (app.role === 'zeo-server') {
    const { blobs, copy_to, keep } = node.plone_zeoserver.backup
    return { current, blobs, copy_to, keep }
  }
  const { blobs, copy_to, keep } = node.plone_instances.relstorage.backup
  return { kind: 'relstorage', current, blobs, copy_to, keep, location: sqlBackupDirectory(node, app) }
}

type UpkeepEvent = 'backup_now' | 'backup_restore' | 'pack'

/** Returns the events of the role zeo-server. */
export function upkeepEvents(): Readonly<Record<UpkeepEvent, RecipeFunction<SiteNode>>> {
  return {
    backup_now: (r, node) =>
      givenApp(r, node, 'backup', (app) => {
        const full = node.run.options.full === true ? ['--full'] : []
        upkeep(r, app, `backup of ${app.name}`, ['backup', ...full])
      }),
    backup_restore: (r, node) =>
      givenApp(r, node, 'restore', (app) => {
        const { to } = node.run.options
        upkeep(r, app, `prepared restore of ${app.name}`, ['prepare', ...(typeof to === 'string' ? [to] : [])])
        stopAll(r, node, app)
        upkeep(r, app, `restore of ${app.name}`, ['swap'])
        restartAll(r, node, app)
      }),
    pack: (r, node) =>
      givenApp(r, node, 'pack', (app) => upkeep(r, app, `packing of ${app.name}`, ['run', 'pack', 'bin/zeopack'])),
  }
}

/** Returns the events of the role relstorage-pack; its clients must be stopped before a restore, like those of other hosts. */
export function relstorageEvents(): Readonly<Record<UpkeepEvent, RecipeFunction<SiteNode>>> {
  return {
    backup_now: (r, node) =>
      givenApp(r, node, 'backup', (app) => upkeep(r, app, `backup of ${app.name}`, ['backup']), relstorage),
    backup_restore: (r, node) =>
      givenApp(
        r,
        node,
        'restore',
        (app) => {
          const { to } = node.run.options
          upkeep(r, app, `prepared restore of ${app.name}`, ['prepare', ...(typeof to === 'string' ? [to] : [])])
          upkeep(r, app, `restore of ${app.name}`, ['swap'])
        },
        relstorage,
      ),
    pack: (r, node) =>
      givenApp(r, node, 'pack', (app) => upkeep(r, app, `packing of ${app.name}`, ['pack']), relstorage),
  }
}

interface Database {
  readonly role: 'zeo-server' | 'zeo-client'
  /** Role that backs it up and packs it. */
  readonly keeper: string
}

const zeoServer: Database = { role: 'zeo-server', keeper: 'zeo-server' }
const relstorage: Database = { role: 'zeo-client', keeper: 'relstorage-pack' }

function givenApp(
  r: Recipe<SiteNode>,
  node: SiteNode,
  purpose: string,
  declare: (app: BuildoutApp) => void,
  database = zeoServer,
): void {
  const app = buildoutApp(node, database.role)
  if (database === relstorage && !packsRelstorage(node, app)) return r.leaveOut(purpose, withoutRelstorage(app))
  // Without a host there is no release, which is no mistake.
  r.given(anyHost, () =>
    r.given(currentReleaseOf(app), (current) => {
      if (current === undefined) return r.leaveOut(purpose, noRelease(app, database))
      r.takePart(purpose)
      requireBlobMount(r, node, app)
      upkeepFiles(r, node, app)
      declare(app)
    }),
  )
}

function withoutRelstorage({ name }: App): ConvergeError {
  return new ConvergeError(`${name} stores its objects in a ZEO server, not in a database of RelStorage`, {
    code: 'NO_RELSTORAGE',
    hint: 'set plone_instances.enable_relstorage, or name the role of the ZEO server: --role zeo-server',
    usage: true,
  })
}

function noRelease({ name, current }: App, { keeper }: Database): ConvergeError {
  return new ConvergeError(`${name} has no current release (${current})`, {
    code: 'NO_SUCH_RELEASE',
    hint: `deploy it first: converge deploy --role ${keeper}`,
  })
}

function upkeep(r: Recipe<SiteNode>, app: BuildoutApp, name: string, words: readonly string[]): void {
  execute(r, { name, command: [...upkeepCommand(app), ...words], cwd: '/', timeout: longest, ...app.account })
}
