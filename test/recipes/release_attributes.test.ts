/** Tests that changed attributes are named, without their values, where configure builds and where a rollback restores. */
import t from 'tap'
import { deployed, FakeHost, set } from '../support/fake_host.ts'
import { nothingToDo, succeeded } from '../support/lifecycle.ts'

t.test('a changed password: configure and rollback name the variable, and never the value', async (t) => {
  const host = await deployed({}, { environment: { DB_PASSWORD: 'old-value-1' } })
  await nothingToDo(t, host, ['configure'])
  set(host, {}, { environment: { DB_PASSWORD: 'new-value-2' } })
  for (const mode of ['plan', 'run'] as const) {
    const report = await host.run(['configure'], { mode })
    t.match(report.warnings, [/configure builds a release of site .*: variable DB_PASSWORD \(/], mode)
    t.notMatch(JSON.stringify(report.warnings), /value-/)
  }
  t.strictSame((await host.run(['configure'])).warnings, [], 'the release has the new value')
  const report = await host.run(['rollback'])
  succeeded(t, report)
  t.match(report.warnings, [/site rolls back to 000001-.*: variable DB_PASSWORD \(deploy again/])
  t.notMatch(JSON.stringify(report.warnings), /value-/)
  const ahead = await host.run(['rollback'], { to: '000002' })
  t.strictSame(ahead.warnings, [], 'a rollback to a release with the values of today')
})

t.test('a changed deploy.cfg: rollback names the option', async (t) => {
  const host = await deployed()
  set(host, { zodb_cache_size: 99 })
  succeeded(t, await host.run(['deploy']))
  t.match((await host.run(['rollback'])).warnings, [/site rolls back to .*\[\S+\] \S*cache\S* \(/])
})

t.test('other accounts cannot read what buildout copied from deploy.cfg', async (t) => {
  const host = new FakeHost({ roles: ['zeo-server', 'zeo-client'] })
  host.remote.push({ 'shared-blob': '' })
  host.attributes = { ...host.attributes, plone_blobs: { blob_dir: '/srv/blobs' } }
  succeeded(t, await host.run())
  const paths = [
    `${host.currentRelease('site')?.path}/.installed.cfg`,
    `${host.currentRelease('site')?.path}/parts/client1/etc/zope.conf`,
    `${host.currentRelease('zeo')?.path}/parts/zeoserver/etc/zeo.conf`,
  ]
  for (const path of paths) t.match(host.machine.lstat(path)?.mode, /0$/, path)
  await nothingToDo(t, host)
})
