/**
 * Tests a site in PostgreSQL and in MariaDB through RelStorage, as docs/relstorage.md describes: pages, packing, backups,
 * and data that outlive a second run and a restore.
 */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { converge } from '../../core/converge/engine.ts'
import { LocalHost } from '../../core/host/local.ts'
import type { JsonObject } from '../../core/node/merge.ts'
import { reportedVersion } from '../../recipes/relstorage_server/mariadb_version.ts'
import { mysql_database } from '../../resources/databases/mysql_database.ts'
import { mysql_user } from '../../resources/databases/mysql_user.ts'
import { postgresql_database } from '../../resources/databases/postgresql_database.ts'
import { postgresql_role } from '../../resources/databases/postgresql_role.ts'
import { failureOf, planOf } from '../support/contract.ts'
import { get, put } from '../support/deploy_pages.ts'
import { DeploySite } from '../support/deploy_site.ts'
import { offeredEggs } from '../support/eggs.ts'
import { freePort, needs, scratch } from '../support/machine.ts'
import { reservePorts } from '../support/wait_until.ts'
import { mariadbServer, postgresqlServer } from './support/database_servers.ts'

t.setTimeout(1_200_000)
const roles = ['zeo-client', 'relstorage-pack'] as const
const password = 'a "quoted" $ecret'

async function declared(t: Test, declare: Parameters<typeof planOf>[0]): Promise<void> {
  const report = await converge(planOf(declare), new LocalHost(`${scratch(t)}/state`), { id: 'x', mode: 'run' })
  t.strictSame(failureOf(report), undefined)
}

function relstorage(settings: JsonObject): JsonObject {
  const backup = { enabled: true, keep: 3 }
  const own = { enable_cache: false, pack_days: 0, backup, ...settings }
  return { plone_instances: { enable_relstorage: true, zeo: { address: null }, relstorage: own } }
}

interface Database {
  /** Number of rows of a table. */
  readonly rows: (table: string) => number
  /** Removes all objects. */
  readonly destroy: () => void
  /** Names of all databases. */
  readonly names: () => string[]
}

/** Writes values, packs, backs up, loses the data and restores them. */
async function outlives(t: Test, site: DeploySite, { rows, destroy, names }: Database): Promise<void> {
  const run = (...args: readonly string[]) => site.done(t, args, { roles })
  t.ok(await put(1, 'first', 'one'))
  t.ok(await put(1, 'blob', 'of the first day', true))
  t.equal(await get(2, 'first'), 'one', 'another client reads it')
  t.match((await run()).output, /nothing to do/)

  const before = names()
  await run('backup', 'now')
  t.ok(await put(2, 'second', 'two'))
  await run('backup', 'now')
  t.ok(await put(2, 'third', 'three'))
  t.match((await run('backup', 'list')).output, /full .* in the database\n.*full .* in the database/)
  t.match((await run('backup', 'verify')).output, /\d+ objects, 1 blobs/)
  t.strictSame(names(), before, 'nothing is left of the verification')
  const connected = await site.converge(['backup', 'restore'], { roles })
  t.equal(connected.status, 1)
  t.match(connected.output, /has connections of clients \(\d+\): run "converge stop"/)

  await run('pack')
  t.equal(rows('pack_object'), 0, 'nothing is left to pack')
  await run('stop')
  destroy()
  await run('backup', 'restore')
  await run('start')
  t.equal(await get(1, 'second'), 'two')
  t.equal(await get(2, 'blob'), 'of the first day')
  t.equal(await get(2, 'third'), null, 'what was written after the backup')
  t.match((await run('status')).output, /backup +succeeded/)

  const backups = `${site.directory()}/shared/var/backups`
  fs.chmodSync(backups, 0o555)
  const failed = await site.converge(['backup', 'now'], { roles })
  t.equal(failed.status, 1)
  const status = await site.converge(['status'], { roles })
  t.equal(status.status, 1)
  t.match(status.output, /backup +failed, \d{4}-.*ermission denied/)
  fs.chmodSync(backups, 0o755)
  await run('backup', 'now')
  const files = fs.readdirSync(backups)
  t.equal(files.length, 3, 'the oldest backup is removed when there are more than three')
  const left = fs.readdirSync(`${site.directory()}/shared/upkeep`).filter((name) => name.startsWith('.connection'))
  t.strictSame(left, [], 'the files with the password are removed')
}

t.test('a site in PostgreSQL, and then in MariaDB', async (t) => {
  const programs = ['git', 'crontab', 'python3 venv', 'pip registry', 'postgresql', 'libpq headers'] as const
  if (!needs(t, ['root', ...programs, 'mariadbd', 'libmariadb headers'])) return
  await reservePorts(t)
  const site = await DeploySite.make(t)
  const eggs = await offeredEggs(t)

  await t.test('PostgreSQL, which keeps the history, packed in two stages', async (t) => {
    const { socket } = await postgresqlServer(t)
    const sql = (statement: string, name = 'site') =>
      execFileSync('runuser', ['-u', 'postgres', '--', 'psql', '-XAtqw', '-h', socket, '-c', statement, name], {
        encoding: 'utf8',
      })
    await declared(t, (r) => {
      postgresql_role(r, { name: 'zope', socket, password, createDatabase: true })
      postgresql_database(r, { name: 'site', socket, owner: 'zope' })
    })
    const db = { name: 'site', host: socket, user: 'zope', password }
    site.json = { ...eggs, ...relstorage({ two_stage_pack: true, db }) }
    await site.done(t, [], { roles })
    if (!t.passing()) return
    const jobs = site.crontab().match(/^[^#].*zodbpack.*$/gm) ?? []
    t.match(jobs, [/^0 23 \* \* 6 .*upkeep\.py run prepack .*--prepack /, /^0 23 \* \* 7 .*--use-prepack-state /])
    t.equal(jobs.length, 2, 'the packing in one stage, to which the stages refer, is not scheduled')
    await outlives(t, site, {
      rows: (table) => Number(sql(`SELECT count(*) FROM ${table}`)),
      destroy: () => void sql('TRUNCATE object_state, transaction CASCADE'),
      names: () => sql('SELECT datname FROM pg_database ORDER BY 1').trim().split('\n'),
    })
    await site.done(t, ['stop'], { roles })
  })
  if (!t.passing()) return

  await t.test('MariaDB without history, packed in one stage', async (t) => {
    const port = await freePort()
    const { socket } = await mariadbServer(t, port, [`--version=${reportedVersion}`])
    const sql = (statement: string) =>
      execFileSync('mariadb', ['--no-defaults', `--socket=${socket}`, '-BN', '-u', 'root', '-e', statement, 'site'], {
        encoding: 'utf8',
      })
    const own = ['site', 'site_verify', 'site_restoring', 'site_before_restore']
    await declared(t, (r) => {
      mysql_database(r, { name: 'site', socket, characterSet: 'utf8mb4' })
      mysql_user(r, {
        ...{ name: 'zope', host: '127.0.0.1', socket, password },
        grants: Object.fromEntries(own.map((name) => [`${name}.*`, ['ALL']])),
      })
    })
    const db = { type: 'mysql', name: 'site', host: '127.0.0.1', port, user: 'zope', password }
    site.json = { ...eggs, ...relstorage({ config: 'cfg/relstorage-mysql.cfg', keep_history: false, db }) }
    await site.done(t, [], { roles })
    if (!t.passing()) return
    t.match(site.crontab().match(/^[^#].*zodbpack.*$/gm), [/^0 23 \* \* 7 .*upkeep\.py run pack .*zodbpack -d 0 /])
    await outlives(t, site, {
      rows: (table) => Number(sql(`SELECT count(*) FROM ${table}`)),
      destroy: () => void sql('SET foreign_key_checks = 0; TRUNCATE object_state; TRUNCATE blob_chunk'),
      names: () => sql('SHOW DATABASES').trim().split('\n'),
    })
  })
})
