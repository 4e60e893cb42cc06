/**
 * Tests a build before its deploy: what it creates, what it leaves unchanged, and what the following deploy still does.
 */
import t from 'tap'
import { failureOf } from '../support/contract.ts'
import { deployed, FakeHost, set } from '../support/fake_host.ts'
import { killEverywhere, type Scenario } from '../support/killing.ts'
import { changed, nothingToDo, servedBy, succeeded } from '../support/lifecycle.ts'

const ids = (host: FakeHost) => host.releases().map(({ id, complete }) => `${id.slice(0, 6)}${complete ? '' : '?'}`)
const pids = (host: FakeHost) => JSON.stringify(host.processes())
const hooks = { 'deploy/before_migrate': '#!/bin/sh\n', 'deploy/before_restart': '#!/bin/sh\n' }
const migrating = { migrate: true, migrate_command: 'migrate the data' }

/** Makes a host with a new commit to build. */
async function withNews(app: object = {}): Promise<FakeHost> {
  const host = await deployed({}, { ...app })
  host.remote.push({ VERSION: '2\n', ...hooks })
  host.done = []
  return host
}

/** Returns everything except the releases, and the files that git and buildout keep next to them. */
function outside(host: FakeHost): Record<string, unknown> {
  const own = /\/srv\/www\/site\/(releases\/000002|shared\/(repo\.git|eggs|downloads|extends|\.))/
  const kept = Object.entries(host.tree()).filter(([path]) => !own.test(path) && !/^\/(tmp|var\/lib)\//.test(path))
  return Object.fromEntries(kept)
}

t.test('a build without a switch changes nothing else', async (t) => {
  const host = await withNews(migrating)
  const [current, before, files] = [host.currentRelease()?.id, pids(host), outside(host)]
  succeeded(t, await host.run(['build']))
  t.strictSame(ids(host), ['000001', '000002?'])
  t.equal(host.currentRelease()?.id, current)
  t.equal(pids(host), before, 'nothing was restarted')
  t.strictSame(outside(host), files)
  t.strictSame(host.done, [], 'no hook, no migration')
  await nothingToDo(t, host, ['build'])
  await nothingToDo(t, host, ['configure'])

  const report = await host.run(['deploy'])
  succeeded(t, report)
  servedBy(t, host)
  t.strictSame(ids(host), ['000001', '000002'])
  t.strictSame(changed(report, 'git_release'), [])
  t.strictSame(changed(report, 'buildout'), [], 'it is not built again')
  t.strictSame(host.done, ['before_migrate 000002', 'migrate the data 000002', 'before_restart 000002'])
  await nothingToDo(t, host, ['build'])
  await nothingToDo(t, host, ['deploy'])
})

t.test('always_build_on_deploy: one build for both events', async (t) => {
  const host = await withNews({ always_build_on_deploy: true })
  for (const expected of [
    ['000001', '000002?'],
    ['000001', '000002?'],
    ['000001', '000002'],
  ]) {
    const report = await host.run([expected[1] === '000002' ? 'deploy' : 'build'])
    succeeded(t, report)
    t.strictSame(ids(host), expected)
  }
  servedBy(t, host)
  succeeded(t, await host.run(['build']))
  t.strictSame(ids(host), ['000001', '000002', '000003?'], 'the same commit, and a new build was requested')
  succeeded(t, await host.run(['deploy']))
  t.strictSame(ids(host), ['000001', '000002', '000003'])
  servedBy(t, host)
  await nothingToDo(t, host, ['configure'])
})

t.test('builds and deploys in one run', async (t) => {
  const host = await withNews({ always_build_on_deploy: true })
  const report = await host.run(['build', 'deploy'])
  succeeded(t, report)
  t.strictSame(ids(host), ['000001', '000002'])
  t.equal(changed(report, 'buildout').length, 1)
  servedBy(t, host)
  const roles = ['zeo-client', 'celerybeat']
  succeeded(t, await host.run(['build'], { roles }), 'two roles of one app')
})

t.test('a failed build leaves the site unchanged, and the next one completes it', async (t) => {
  const host = await withNews()
  const [current, before] = [host.currentRelease()?.id, pids(host)]
  host.buildFailure = 'no network'
  t.match(failureOf(await host.run(['build'])), { code: 'BUILDOUT_FAILED' })
  t.equal(host.currentRelease()?.id, current)
  t.equal(pids(host), before)
  host.buildFailure = null
  succeeded(t, await host.run(['build']))
  t.strictSame(ids(host), ['000001', '000002?'])
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host)
})

t.test('a built release is neither a rollback target nor subject to cleanup', async (t) => {
  const host = await withNews()
  host.remote.push({ VERSION: '3\n' })
  succeeded(t, await host.run(['deploy']))
  const third = host.remote.push({ VERSION: '4\n' })
  succeeded(t, await host.run(['build']))
  t.strictSame(ids(host), ['000001', '000002', '000003?'])
  await t.rejects(host.run(['rollback'], { to: '000003' }), { code: 'NOT_COMPLETE' })
  succeeded(t, await host.run(['rollback']))
  t.equal(host.currentRelease()?.id.slice(0, 6), '000001')
  succeeded(t, await host.run(['build']))
  t.strictSame(ids(host), ['000001', '000002', '000003?'], 'still there, and still the one')
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host, 2, { commit: third })
  t.strictSame(ids(host), ['000001', '000002', '000003'])
})

t.test('builds again if commit or configuration have changed since the build', async (t) => {
  const host = await withNews()
  succeeded(t, await host.run(['build']))
  host.remote.push({ VERSION: '3\n' })
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host)
  t.strictSame(ids(host), ['000001', '000003'], 'the unused build is removed')
  succeeded(t, await host.run(['build']))
  host.remote.push({ VERSION: '4\n' })
  succeeded(t, await host.run(['build']))
  set(host, { zodb_cache_size: 77 })
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host)
  t.match(host.machine.readText(`${host.currentRelease()?.path}/deploy.cfg`), 'zodb-cache-size = 77')
})

t.test('a new host has only the release after a build', async (t) => {
  const host = new FakeHost()
  succeeded(t, await host.run(['setup']))
  succeeded(t, await host.run(['build']))
  t.strictSame(ids(host), ['000001?'])
  t.equal(host.currentRelease(), undefined)
  t.strictSame(Object.keys(host.processes()), [])
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host)
})

t.test('build does nothing for a role without builds', async (t) => {
  const host = await withNews()
  const report = await host.run(['build'], { roles: ['frontend'] })
  succeeded(t, report)
  t.strictSame(report.resources, [])
  t.strictSame(ids(host), ['000001'])
})

const scenarios: readonly Scenario[] = [
  {
    name: 'a build of a new revision',
    prepare: () => withNews(),
    events: ['build'],
    checkSite: (t, host) => servedBy(t, host, 2, { commit: host.releases()[0]?.commit ?? '' }),
    keepsClientsUp: true,
  },
  {
    name: 'a deploy of the built release',
    prepare: async () => {
      const host = await withNews()
      await host.run(['build'])
      return host
    },
    events: ['deploy'],
    after: ['configure'],
    checkSite: servedBy,
    keepsClientsUp: true,
  },
]
for (const scenario of scenarios) killEverywhere(scenario)

t.test('a deploy shows deploy.cfg of the new release as a diff of that of the current one', async (t) => {
  const host = await withNews()
  set(host, {}, { environment_variables: { COLOUR: 'blue' } })
  const report = await host.run(['deploy'])
  succeeded(t, report)
  const config = report.resources.find(({ key }) => key.endsWith('/deploy.cfg'))
  t.strictSame(config?.comparedWith, { path: `${host.root}/srv/www/site/current/deploy.cfg`, isSame: false })
})
