/** Tests what outlives a release: virtualenvs, caches, pinned releases and records. */
import t from 'tap'
import { packed } from '../support/commands.ts'
import { failureOf } from '../support/contract.ts'
import { deployed, FakeHost, set } from '../support/fake_host.ts'
import { nothingToDo, servedBy, succeeded } from '../support/lifecycle.ts'

const shared = '/srv/www/site/shared'
const environments = (host: FakeHost) => host.machine.list(shared).filter((name) => name.startsWith('env'))
const current = (host: FakeHost) => host.currentRelease()?.id.slice(0, 6)

t.test('another Python or other packages create an environment and a release, and keep the old ones', async (t) => {
  const host = await deployed()
  const first = host.remote.tip()
  const changes = [
    { python_major_version: '3.13' },
    { buildout_version: '5.1.0' },
    { packages: [{ name: 'wheel', version: '0.45.0' }] },
  ]
  for (const [index, change] of changes.entries()) {
    host.machine.given('/usr/bin/python3.13', '', '0755')
    set(host, {}, change)
    succeeded(t, await host.run([index === 1 ? 'configure' : 'deploy']), 'without setup')
    servedBy(t, host)
    t.equal(current(host), `00000${index + 2}`)
    t.equal(environments(host).length, index + 2)
    await nothingToDo(t, host)
  }
  t.ok(environments(host).some((name) => /^env-python3\.13-[0-9a-f]{8}$/.test(name)))
  succeeded(t, await host.run(['rollback'], { to: '000001' }))
  servedBy(t, host, 2, { commit: first })
  t.equal(environments(host).length, 4, 'those of older releases stay')
  succeeded(t, await host.run(['undeploy'], { purge: true }))
  t.strictSame(environments(host), [])
})

t.test('an upgrade of the host leaves the environment unchanged', async (t) => {
  const host = await deployed()
  const [name = ''] = environments(host)
  host.machine.given('/usr/bin/python3.13', '', '0755').given('/usr/bin/python3', { link: 'python3.13' })
  const mark = host.machine.readText(`${shared}/${name}/.converge.json`)
  const report = await host.run()
  succeeded(t, report)
  t.equal(report.outcome, 'unchanged')
  t.match(report.warnings, [/still uses \/usr\/bin\/python3, although python3 is \/usr\/bin\/python3\.13 now/])
  t.equal(host.machine.readText(`${shared}/${name}/.converge.json`), mark)
})

t.test('unpacks an archive for all shared directories', async (t) => {
  const url = 'https://eggs.example.com/caches.tar.gz'
  for (const purge of [false, true])
    await t.test(`replaces no data, with purge ${purge}`, async (t) => {
      const content = packed({ 'eggs/v5/cp311/old-1.0.egg/x.py': 'x', 'var/log/x': 'theirs', 'env-x/bin/python': 'x' })
      const host = new FakeHost({ downloads: { [url]: content } })
      host.machine.given(`${shared}/var/filestorage/Data.fs`, 'precious').given(`${shared}/media/mine`, 'precious')
      set(host, {}, { buildout_cache_archives: [{ url, path: 'shared', purge }] })
      succeeded(t, await host.run())
      servedBy(t, host)
      t.equal(host.machine.readText('/srv/www/site/current/eggs/v5/cp311/old-1.0.egg/x.py'), 'x')
      t.equal(host.machine.readText(`${shared}/var/filestorage/Data.fs`), 'precious')
      t.equal(host.machine.readText(`${shared}/media/mine`), 'precious')
      t.equal(host.machine.lstat(`${shared}/var/log/x`), null)
      t.equal(host.machine.lstat(`${shared}/env-x`), null)
      t.match(host.machine.stat(`${shared}/eggs`), { mode: '0770', uid: host.machine.account('deploy')?.uid })
      await nothingToDo(t, host)
    })
})

t.test('refuses archives over releases and data', async (t) => {
  const paths = ['releases', 'releases/x', 'current', './current/', 'shared/var', 'shared/var/log', 'shared/./env-1']
  for (const path of paths) {
    const tidy = path.replace(/\.\/(?=.)|(?<=.)\/$/g, '')
    const host = new FakeHost()
    set(host, {}, { buildout_cache_archives: [{ url: 'https://eggs.example.com/x.tgz', path }] })
    await t.rejects(host.run(), { code: 'PROTECTED_PATH', message: tidy }, path)
    t.equal(host.machine.changes.length, 0)
  }
})

t.test('after a rollback of the configuration, no change of the stack undoes it', async (t) => {
  const host = await deployed()
  host.remote.push({ VERSION: '2\n' })
  succeeded(t, await host.run(['deploy']))
  set(host, { instance_count: 3 })
  succeeded(t, await host.run(['deploy']))
  succeeded(t, await host.run(['rollback']))
  const stays = async (count: number) => {
    set(host, { instance_count: count })
    const report = await host.run(['configure'])
    succeeded(t, report)
    t.match(report.warnings, [/rolled back from the configuration/])
    t.equal(host.events, 0)
    t.equal(Object.keys(host.processes()).length, 2)
  }
  await stays(4)
  succeeded(t, await host.run(['rollback']))
  t.equal(current(host), '000001')
  await stays(3)
  succeeded(t, await host.run(['rollback'], { to: '000002' }))
  await stays(4)
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host, 4)
  t.equal(host.machine.lstat('/srv/www/site/releases/.held'), null)
})

t.test('configure completes a rollback', async (t) => {
  for (const configuration of [false, true])
    await t.test(configuration ? 'of the configuration' : 'of the code', async (t) => {
      const host = await deployed()
      host.remote.push({ VERSION: '2\n' })
      if (configuration) set(host, { zodb_cache_size: 77 })
      succeeded(t, await host.run(['deploy']))
      host.programs = { 'site-client2': { dies: { after: 0, as: 'FATAL' } } }
      t.match(failureOf(await host.run(['rollback'])), { code: 'SERVICE_DOWN' })
      t.ok(host.machine.lstat('/srv/www/site/releases/.rolling-back'))
      host.programs = {}
      succeeded(t, await host.run(['configure']))
      t.equal(current(host), '000001')
      t.equal(host.machine.lstat('/srv/www/site/releases/.rolling-back'), null)
    })
})

t.test('a release record that the account of the app changes names no program of others', async (t) => {
  const host = await deployed()
  const file = `${host.currentRelease()?.path}/.converge/release.json`
  const written = JSON.parse(host.machine.readText(file) ?? '') as { record: { programs: object[] } }
  const [first] = written.record.programs
  for (const programs of [
    [{ ...first, name: 'zeo-zeoserver' }],
    [{ ...first, name: 'cron' }],
    [{ name: 'site-x' }],
    'x',
  ]) {
    host.machine.given(file, JSON.stringify({ ...written, record: { ...written.record, programs } }), '0600')
    const report = await host.run(['restart'])
    succeeded(t, report)
    t.match(report.warnings, [/programs recorded with .* are not taken/])
    servedBy(t, host)
  }
})

t.test('a killed undeploy leaves no incomplete release', async (t) => {
  for (let killAt = 1; ; killAt++) {
    const host = await deployed()
    await host.run(['undeploy'], { killAt }).catch(() => undefined)
    if (host.killedBefore === null) break
    const revived = host.clone()
    succeeded(t, await revived.run(['deploy']))
    servedBy(t, revived)
    t.equal(revived.machine.lstat('/srv/www/site/.releases.removing'), null)
  }
})

t.test('releases display nothing of their programs', async (t) => {
  const host = await deployed({}, { environment: { API_KEY: 'hunter2hunter2' } })
  const inspection = await host.inspect()
  t.match(inspection.apps, [
    { name: 'site', releases: [{ id: host.currentRelease()?.id, complete: true, current: true }] },
  ])
  t.notMatch(JSON.stringify(inspection), 'hunter2')
})
