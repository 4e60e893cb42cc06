/** Tests the events that back up, restore and pack the database of a ZEO server, and what `status` reports of its jobs. */
import t from 'tap'
import { FakeHost } from '../support/fake_host.ts'
import { succeeded } from '../support/lifecycle.ts'

const records = '/srv/www/zeo/shared/upkeep'

function zeoHost(settings: object = {}): FakeHost {
  const host = new FakeHost({ roles: ['zeo-server'] })
  const own = host.attributes.plone_zeoserver as object
  host.attributes = { ...host.attributes, plone_zeoserver: { ...own, enable_backup: true, ...settings } }
  return host
}

const isUp = (host: FakeHost) => Object.values(host.processes()).every(({ state }) => state === 'RUNNING')

t.test('makes a backup, an incremental or a full one, and packs', async (t) => {
  const host = zeoHost()
  succeeded(t, await host.run())
  succeeded(t, await host.run(['backup_now']))
  succeeded(t, await host.run(['backup_now'], { full: true }))
  succeeded(t, await host.run(['pack']))
  t.strictSame(host.done, ['backup', 'backup --full', 'run pack bin/zeopack'])
  host.failingUpkeep = 'backup'
  const report = await host.run(['backup_now'])
  t.equal(report.outcome, 'failed')
  t.match(JSON.stringify(report), 'backup failed: disk full')
})

t.test('restores: opens the backup first, then stops the server, and starts it again', async (t) => {
  const host = zeoHost()
  succeeded(t, await host.run())
  const to = '2026-11-29-21-00-04'
  t.not((await host.run(['backup_restore'], { to, mode: 'plan' })).outcome, 'failed')
  t.strictSame(host.done, [])
  succeeded(t, await host.run(['backup_restore'], { to }))
  t.strictSame(host.done, [`prepare ${to}`, 'swap, server stopped'])
  t.ok(isUp(host))
})

t.test('a backup that does not open leaves the server running', async (t) => {
  const host = zeoHost()
  succeeded(t, await host.run())
  host.failingUpkeep = 'prepare'
  t.equal((await host.run(['backup_restore'])).outcome, 'failed')
  t.strictSame(host.done, ['prepare'])
  t.ok(isUp(host))
})

t.test('a restore that was killed at any moment is finished by the next one', async (t) => {
  const host = zeoHost()
  succeeded(t, await host.run())
  for (let killAt = 1; ; killAt += 2) {
    await host.run(['backup_restore'], { killAt })
    if (host.killedBefore === null) break
    succeeded(t, await host.run(['backup_restore']))
    t.ok(isUp(host), `killed at ${killAt}`)
  }
})

t.test('refuses a host without a release', async (t) => {
  const host = zeoHost()
  await t.rejects(host.run(['backup_now']), { message: /zeo has no current release/ })
})

t.test('the settings of backups reach the program', async (t) => {
  const host = zeoHost({ backup: { keep: 3, copy_to: 'backup@10.0.0.9:/srv/backups', blobs: false } })
  succeeded(t, await host.run())
  t.strictSame(JSON.parse(host.machine.readText(`${records}/upkeep.json`) ?? ''), {
    current: '/srv/www/zeo/current',
    blobs: false,
    copy_to: 'backup@10.0.0.9:/srv/backups',
    keep: 3,
  })
})

t.test('status reports a failed, a missing and an old backup', async (t) => {
  const host = zeoHost()
  succeeded(t, await host.run())
  const jobs = async () => (await host.inspect()).apps[0]?.jobs
  const now = host.machine.now()
  const hoursAgo = (hours: number) => new Date((now - hours * 3600) * 1000).toISOString()
  const given = (name: string, record: object | string) =>
    host.machine.given(`${records}/${name}.json`, typeof record === 'string' ? record : JSON.stringify(record))
  t.strictSame(await jobs(), [], 'a new site has time until its first backup')

  given('backup', { ended: hoursAgo(1), status: 0, error: '' })
  given('pack', { ended: hoursAgo(200), status: 0, error: '' })
  t.match(await jobs(), [
    { name: 'backup', ok: true, detail: /^succeeded, / },
    { name: 'pack', ok: true },
  ])

  given('backup', { ended: hoursAgo(27), status: 0, error: '' })
  given('pack', { ended: hoursAgo(1), status: 1, error: 'bin/zeopack ended with status 1\nconnection refused\n' })
  t.match(await jobs(), [
    { name: 'backup', ok: false, detail: /^too old: the last one ended .*, more than 26 hours ago$/ },
    { name: 'pack', ok: false, detail: /^failed, .*: connection refused$/ },
  ])

  for (const damaged of ['{', '[]', '{"ended": "soon", "status": 0, "error": ""}']) {
    given('backup', damaged)
    t.strictSame((await jobs())?.[0]?.name, 'pack', damaged)
  }
})

t.test('status reports a backup that has never been made once the site is older than a day', async (t) => {
  const host = zeoHost({ backup: { max_age_hours: 1 } })
  succeeded(t, await host.run())
  await host.machine.sleep({ ms: 2 * 3600 * 1000 } as never)
  t.match((await host.inspect()).apps[0]?.jobs, [{ name: 'backup', ok: false, detail: /^missing: no backup/ }])
})
