/** Tests a rollback to an earlier release and the way forward again: with its code, configuration and programs. */
import t, { type Test } from 'tap'
import { failureOf } from '../support/contract.ts'
import { deployed, FakeHost, set } from '../support/fake_host.ts'
import { changed, nothingToDo, servedBy, settled, succeeded } from '../support/lifecycle.ts'

const currentId = (host: FakeHost) => host.currentRelease()?.id.slice(0, 6)

/**
 * Makes three releases of three commits.
 * @returns the host and the commits
 */
async function threeReleases(t: Test): Promise<[FakeHost, ...string[]]> {
  const host = await deployed()
  const commits = [host.remote.tip()]
  for (const version of [2, 3]) {
    commits.push(host.remote.push({ VERSION: `${version}\n` }))
    succeeded(t, await host.run(['deploy']))
  }
  return [host, ...commits]
}

t.test('rolls back once, twice, and forward', async (t) => {
  const [host, first = '', second = '', third = ''] = await threeReleases(t)
  succeeded(t, await host.run(['rollback']))
  servedBy(t, host, 2, { commit: second })
  succeeded(t, await host.run(['rollback']))
  servedBy(t, host, 2, { commit: first })
  await t.rejects(host.run(['rollback']), { code: 'NO_SUCH_RELEASE' })
  servedBy(t, host, 2, { commit: first })
  for (const to of ['000003', third.slice(0, 7)]) {
    succeeded(t, await host.run(['rollback'], { to }))
    servedBy(t, host, 2, { commit: third })
    await nothingToDo(t, host, ['deploy'])
    succeeded(t, await host.run(['rollback'], { to: '000001' }))
    servedBy(t, host, 2, { commit: first })
  }
  await nothingToDo(t, host, ['configure'])
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host, 2, { commit: third })
  t.equal(host.releases().length, 3, 'a later deploy uses the existing release')
})

t.test('a rollback to the current release does nothing', async (t) => {
  const [host] = await threeReleases(t)
  const report = await host.run(['rollback'], { to: '000003' })
  succeeded(t, report)
  t.equal(host.events, 0)
})

t.test('refuses a rollback to a missing or incomplete release', async (t) => {
  const [host] = await threeReleases(t)
  host.remote.push({ broken: '' })
  t.match(failureOf(await host.run(['deploy'])), { code: 'BUILDOUT_FAILED' })
  const before = host.machine.changes.length
  await t.rejects(host.run(['rollback'], { to: '000004' }), { code: 'NOT_COMPLETE' })
  await t.rejects(host.run(['rollback'], { to: '000009' }), { code: 'NO_SUCH_RELEASE' })
  await t.rejects(host.run(['rollback'], { to: '00000' }), { code: 'AMBIGUOUS_RELEASE' })
  t.equal(host.machine.changes.length, before)
  succeeded(t, await host.run(['rollback']))
  t.equal(currentId(host), '000002', 'half releases do not count')
})

t.test('the commit that was rolled back stays away until the next deploy', async (t) => {
  const [host, , second = ''] = await threeReleases(t)
  succeeded(t, await host.run(['rollback']))
  await nothingToDo(t, host, ['configure'])
  set(host, { zodb_cache_size: 99 })
  succeeded(t, await host.run(['configure']))
  servedBy(t, host, 2, { commit: second })
  t.equal(currentId(host), '000004', 'the state of the stack may still change')
  succeeded(t, await host.run(['rollback']))
  t.equal(currentId(host), '000002', 'to the former current release, not to the one that was rolled back')
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host)
  await nothingToDo(t, host)
})

t.test('a rollback of a configuration restores the programs of that release', async (t) => {
  const host = await deployed()
  set(host, { instance_count: 3 })
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host, 3)
  succeeded(t, await host.run(['rollback']))
  servedBy(t, host, 2)
  t.equal(host.page(8083), null, 'client3 is stopped')
  t.equal(host.machine.lstat('/etc/supervisor/conf.d/site-client3.conf'), null, 'and its program is removed')
  for (const events of [['configure'], ['configure']]) {
    const report = await host.run(events)
    t.match(report.warnings, [/rolled back from the configuration/])
    t.equal(host.events, 0, 'configure does not deploy it again')
  }
  succeeded(t, await host.run(['stop']))
  succeeded(t, await host.run(['start']))
  servedBy(t, host, 2)
  succeeded(t, await host.run(['restart']))
  servedBy(t, host, 2)
  succeeded(t, await host.run(['rollback'], { to: '000002' }))
  servedBy(t, host, 3)
  await nothingToDo(t, host)
  succeeded(t, await host.run(['rollback']))
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host, 3)
  await nothingToDo(t, host)
})

t.test('a rollback of a configuration lasts until the next deploy, whatever else changes', async (t) => {
  const host = await deployed()
  set(host, { instance_count: 3 })
  succeeded(t, await host.run(['deploy']))
  succeeded(t, await host.run(['rollback']))
  set(host, { instance_count: 4 })
  t.match((await host.run(['configure'])).warnings, [/rolled back from the configuration/])
  servedBy(t, host, 2)
  for (const event of ['deploy', 'rebuild']) {
    succeeded(t, await host.run(['rollback'], { to: '000001' }))
    set(host, { instance_count: event === 'deploy' ? 4 : 3 })
    succeeded(t, await host.run([event]))
    servedBy(t, host, event === 'deploy' ? 4 : 3)
    await nothingToDo(t, host, ['configure'])
    set(host, { instance_count: 2 })
    succeeded(t, await host.run(['configure']))
    servedBy(t, host, 2)
  }
})

t.test('ignores a record that names programs of others', async (t) => {
  const host = await deployed()
  host.remote.push({ VERSION: '2\n' })
  succeeded(t, await host.run(['deploy']))
  const file = `${host.releases()[0]?.path}/.converge/release.json`
  const text = host.machine.readText(file) ?? ''
  host.machine.given(file, text.replaceAll('"site-client1"', '"cron"'), '0600', 'deploy')
  const report = await host.run(['rollback'])
  succeeded(t, report)
  t.match(report.warnings, [
    /are not taken: converge did not write them \(check who can write there, and deploy again\)$/,
  ])
  servedBy(t, host, 2, { commit: host.releases()[0]?.commit ?? '' })
  t.equal(host.machine.lstat('/etc/supervisor/conf.d/cron.conf'), null)
})

t.test('a deploy may return to a release that was rolled back', async (t) => {
  const host = await deployed()
  set(host, { instance_count: 3 })
  succeeded(t, await host.run(['deploy']))
  succeeded(t, await host.run(['rollback']))
  succeeded(t, await host.run(['deploy']))
  for (const instance_count of [1, 3]) {
    set(host, { instance_count })
    succeeded(t, await host.run(['configure']))
    servedBy(t, host, instance_count)
  }
})

t.test('after a rollback between two builds of one commit, configure does not switch forward', async (t) => {
  const host = await deployed({}, { always_build_on_deploy: true })
  succeeded(t, await host.run(['deploy']))
  succeeded(t, await host.run(['rollback']))
  t.equal(currentId(host), '000001')
  await nothingToDo(t, host, ['configure'])
  t.equal(currentId(host), '000001')
  succeeded(t, await host.run(['deploy']))
  t.equal(currentId(host), '000003')
  servedBy(t, host)
})

t.test('a second rollback completes one whose client did not come up', async (t) => {
  const [host, first = '', second = ''] = await threeReleases(t)
  host.programs = { 'site-client2': { dies: { after: 0, as: 'FATAL' } } }
  t.match(failureOf(await host.run(['rollback'])), { code: 'SERVICE_DOWN' })
  host.programs = {}
  succeeded(t, await host.run(['rollback']))
  servedBy(t, host, 2, { commit: second })
  succeeded(t, await host.run(['rollback']))
  servedBy(t, host, 2, { commit: first })
})

t.test('rebuild builds the current commit again', async (t) => {
  const [host, , second = ''] = await threeReleases(t)
  succeeded(t, await host.run(['rollback']))
  const report = await host.run(['rebuild'])
  succeeded(t, report)
  servedBy(t, host, 2, { commit: second })
  t.equal(currentId(host), '000004')
  t.equal(changed(report, 'service_restart').length, 1)
  await nothingToDo(t, host, ['configure'])
  const fresh = await deployed()
  succeeded(t, await fresh.run(['undeploy']))
  const nothing = await fresh.run(['rebuild'])
  succeeded(t, nothing)
  t.equal(fresh.events, 0, 'without a deploy there is nothing to build again')
})

t.test('rolls back the ZEO server', async (t) => {
  const host = await deployed({}, {}, { roles: ['zeo-server'] })
  const first = host.remote.tip()
  host.remote.push({ VERSION: '2\n' })
  succeeded(t, await host.run(['deploy']))
  succeeded(t, await host.run(['rollback']))
  settled(t, host, { app: 'zeo', programs: ['zeoserver'], commit: first })
})

t.test('rolls back two apps to releases of their own, and leaves others unchanged', async (t) => {
  const host = new FakeHost({ roles: ['zeo-server', 'zeo-client'] })
  succeeded(t, await host.run())
  for (const version of [2, 3]) {
    host.remote.push({ VERSION: `${version}\n` })
    succeeded(t, await host.run(['deploy']))
  }
  const current = () => ['site', 'zeo'].map((app) => host.machine.readLink(`/srv/www/${app}/current`)?.slice(-15, -9))
  t.strictSame(current(), ['000003', '000003'])
  succeeded(t, await host.run(['rollback'], { to: 'site=000002' }))
  t.strictSame(current(), ['000002', '000003'], 'the server is not asked for')
  succeeded(t, await host.run(['rollback'], { to: 'site=000001,zeo=000002' }))
  t.strictSame(current(), ['000001', '000002'])
  await t.rejects(host.run(['rollback'], { to: 'site=000009' }), { code: 'NO_SUCH_RELEASE' })
  for (const to of ['stie=000001', 'site=', 'site=000002,', 'site=000002,000001'])
    await t.rejects(host.run(['rollback'], { to }), { code: 'NO_SUCH_APP', usage: true }, to)
  t.strictSame(current(), ['000001', '000002'])
})

t.test('a host that missed a rollback switches to its complete release, and builds nothing', async (t) => {
  for (const reuses of [true, false]) {
    const host = await deployed()
    const { attributes } = host
    set(host, { instance_count: 3 })
    succeeded(t, await host.run(['deploy']))
    const newer = host.attributes
    host.attributes = { ...attributes, converge: { reuse_releases: reuses } }
    succeeded(t, await host.run(['setup', 'deploy', 'configure']))
    servedBy(t, host, 2)
    t.equal(host.releases().length, reuses ? 2 : 3)
    if (!reuses) continue
    const again = await host.run(['setup', 'deploy', 'configure'])
    succeeded(t, again)
    t.equal(again.counts.changed, 0)
    host.attributes = newer
    succeeded(t, await host.run(['deploy']))
    servedBy(t, host, 3)
    t.equal(host.releases().length, 2, 'the newer release is used again')
  }
})

t.test('a rollback of a configuration lasts while another app on the host is deployed', async (t) => {
  const host = await deployed()
  set(host, { instance_count: 3 })
  succeeded(t, await host.run(['deploy']))
  succeeded(t, await host.run(['rollback']))
  t.match(await host.inspect(), { apps: [{ name: 'site', pinnedFrom: /^000002-/ }] })
  const { attributes } = host
  host.attributes = { ...attributes, converge: { deployed_apps: ['other'] } }
  for (const events of [['build'], ['deploy'], ['setup', 'deploy', 'configure'], ['configure']]) {
    const report = await host.run(events)
    succeeded(t, report)
    t.equal(report.counts.changed, 0, events.join())
    servedBy(t, host, 2)
    if (events[0] !== 'build') t.match(report.warnings, [/rolled back from the configuration/])
  }
  t.equal(host.releases().length, 2)
  host.attributes = { ...attributes, converge: { deployed_apps: ['site'] } }
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host, 3)
  t.match(await host.inspect(), { apps: [{ pinnedFrom: null }] })
})

t.test('status names the release that a rollback left, until a deploy', async (t) => {
  const [host, first = ''] = await threeReleases(t)
  const pin = async (pinnedFrom: string | RegExp | null, why: string) =>
    t.match(await host.inspect(), { apps: [{ pinnedFrom }] }, why)
  await pin(null, 'three deploys')
  succeeded(t, await host.run(['rollback']))
  await pin(/^000003-/, 'the configuration is the same, the commit is not')
  succeeded(t, await host.run(['deploy']))
  await pin(null, 'a deploy of the branch')
  succeeded(t, await host.run(['deploy'], { revision: first }))
  servedBy(t, host, 2, { commit: first })
  await pin(null, 'an older commit is deployed on purpose')
})
