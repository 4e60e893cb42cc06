/**
 * Tests deploys and configures: the four cases of the documentation, failing builds and clients, and the restarts of
 * each.
 */
import t from 'tap'
import { failureOf } from '../support/contract.ts'
import { deployed, FakeHost, set } from '../support/fake_host.ts'
import { prefix } from '../support/fake_stack.ts'
import type { NodeJson } from '../support/golden.ts'
import { changed, nothingToDo, servedBy, succeeded } from '../support/lifecycle.ts'

const ids = (host: FakeHost) => host.releases().map(({ id }) => id.slice(0, 6))
const pids = (host: FakeHost) => Object.values(host.processes()).map(({ pid }) => pid)
/** Returns the calls to supervisord, with the names of programs. */
const calls = (host: FakeHost, from = 0) =>
  host.machine.changes.slice(from).flatMap((what) => {
    const [, method, name] = /supervisor\.((?:start|stop)Process)<.*?<string>([^<]*)</.exec(what) ?? []
    return method ? [`${method} ${name}`] : []
  })

t.test('a new revision creates a release, then the clients restart one after the other', async (t) => {
  const host = await deployed({ restart_delay: 30 })
  const [first, before, from, clock] = [
    host.currentRelease()?.id,
    pids(host),
    host.machine.changes.length,
    host.machine.clock,
  ]
  host.remote.push({ VERSION: '2\n' })
  const report = await host.run(['deploy'])
  succeeded(t, report)
  servedBy(t, host)
  t.strictSame(ids(host), ['000001', '000002'])
  t.not(host.currentRelease()?.id, first)
  t.equal(
    pids(host).some((pid) => before.includes(pid)),
    false,
    'each is another process',
  )
  const restarted = [
    'stopProcess site-client1',
    'startProcess site-client1',
    'stopProcess site-client2',
    'startProcess site-client2',
  ]
  t.strictSame(calls(host, from), restarted)
  t.ok(host.machine.clock - clock >= 30, 'it waited between them')
  t.ok(host.machine.clock - clock < 60, 'and only between them')
  await nothingToDo(t, host)
})

t.test('a changed configuration creates a release of the same commit', async (t) => {
  const host = await deployed()
  const before = host.currentRelease()
  set(host, { zodb_cache_size: 1234 })
  const report = await host.run(['deploy'])
  succeeded(t, report)
  servedBy(t, host)
  t.strictSame(ids(host), ['000001', '000002'])
  t.equal(host.currentRelease()?.commit, before?.commit)
  t.match(host.machine.readText(`${host.currentRelease()?.path}/deploy.cfg`), 'zodb-cache-size = 1234')
  t.notMatch(host.machine.readText(`${before?.path}/deploy.cfg`), '1234', 'the release before is as it was')
  t.ok(changed(report, 'service_restart').length > 0)
  await nothingToDo(t, host)
})

t.test('does nothing if neither has changed', async (t) => {
  const host = await deployed()
  await nothingToDo(t, host, ['deploy'])
  await nothingToDo(t, host, ['configure'])
})

for (const spelling of ['always_build_on_deploy', 'always_buildout_on_deploy'])
  t.test(`creates a release of the same commit with ${spelling}`, async (t) => {
    const host = await deployed({}, { [spelling]: true })
    const before = pids(host)
    succeeded(t, await host.run(['deploy']))
    servedBy(t, host)
    t.strictSame(ids(host), ['000001', '000002'])
    t.equal(
      pids(host).some((pid) => before.includes(pid)),
      false,
      'the clients restarted',
    )
    await nothingToDo(t, host, ['configure'])
    succeeded(t, await host.run())
    t.strictSame(ids(host), ['000001', '000002', '000003'], 'the whole way makes one more, not two')
    host.buildFailure = 'no network'
    await host.run(['deploy'])
    t.equal(host.currentRelease()?.id.slice(0, 6), '000003')
    host.buildFailure = null
    succeeded(t, await host.run(['deploy']))
    t.strictSame(ids(host).at(-1), '000004', 'completes the incomplete release instead of a new one')
    servedBy(t, host)
  })

t.test('configure keeps the current commit', async (t) => {
  const host = await deployed()
  const commit = host.currentRelease()?.commit ?? ''
  host.remote.push({ VERSION: '2\n' })
  host.remote.reachable = false
  await nothingToDo(t, host, ['configure'])
  set(host, { zeo: { address: '10.0.0.9:8001' } })
  succeeded(t, await host.run(['configure']))
  servedBy(t, host, 2, { commit })
  t.strictSame(ids(host), ['000001', '000002'], 'changed configuration makes a release of its own')
  t.match(host.machine.readText(`${host.currentRelease()?.path}/deploy.cfg`), '10.0.0.9:8001')
  host.remote.reachable = true
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host)
})

t.test('configure does nothing on a host without a deploy', async (t) => {
  const host = new FakeHost()
  succeeded(t, await host.run(['setup']))
  const report = await host.run(['configure'])
  succeeded(t, report)
  t.equal(report.counts.changed, 0)
  t.ok(report.counts.skipped > 0)
  t.match(report.resources[0]?.reason, /was deployed before/)
  t.equal(host.events, 0)
})

t.test('a failed build leaves the site unchanged, and the next run retries', async (t) => {
  const host = await deployed()
  const [current, before] = [host.currentRelease()?.id, JSON.stringify(host.processes())]
  const untouched = (what: string) => {
    t.equal(host.currentRelease()?.id, current, `${what}: current is what it was`)
    t.equal(JSON.stringify(host.processes()), before, `${what}: nothing was restarted`)
  }
  const good = host.remote.tip()
  host.remote.push({ VERSION: '2\n', broken: '' })
  for (const what of ['first', 'again']) {
    const report = await host.run(['deploy'])
    t.match(failureOf(report), { code: 'BUILDOUT_FAILED', output: /Picked a broken version/ }, what)
    untouched(what)
    t.strictSame(ids(host), ['000001', '000002'], 'the run continues the same release')
  }
  await nothingToDo(t, host, ['configure'])
  host.remote.push({ VERSION: '3\n', broken: null })
  host.buildFailure = 'Error: no network'
  t.match(failureOf(await host.run(['deploy'])), { code: 'BUILDOUT_FAILED', output: /no network/ })
  untouched('no network')
  host.buildFailure = null
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host)
  t.strictSame(ids(host), ['000001', '000003'], 'an incomplete release is removed')
  host.remote.move(good)
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host)
})

t.test('switches between revisions in both directions', async (t) => {
  const host = await deployed()
  const first = host.remote.tip()
  const second = host.remote.push({ VERSION: '2\n' })
  for (const commit of [second, first, second, first]) {
    host.remote.move(commit)
    succeeded(t, await host.run(['deploy']))
    servedBy(t, host, 2, { commit })
    await nothingToDo(t, host, ['deploy'])
  }
  succeeded(t, await host.run(['deploy'], { revision: second }))
  servedBy(t, host, 2, { commit: second })
})

t.test('deploys the last known commit without network', async (t) => {
  const host = await deployed()
  host.remote.reachable = false
  const report = await host.run(['deploy'])
  succeeded(t, report)
  t.match(report.warnings.join(), /Could not resolve host; using /)
  t.equal(host.events, 0)
  set(host, {}, { scm: { scm_type: 'git', repository: host.remote.url, revision: 'other' } })
  t.match(failureOf(await host.run(['deploy'])), { code: 'GIT_FAILED' })
  servedBy(t, host)
})

t.test('a client that does not come up stops the restarts', async (t) => {
  const host = await deployed({ instance_count: 3 })
  const before = host.processes()
  host.remote.push({ VERSION: '2\n', 'dies-2': '' })
  const report = await host.run(['deploy'])
  t.match(failureOf(report), { code: 'SERVICE_DOWN', message: /site-client2.*left on the old process: site-client3/ })
  const after = host.processes()
  t.equal(after['site-client1']?.startedIn, host.currentRelease()?.path)
  t.equal(after['site-client2']?.state, 'FATAL')
  t.strictSame(after['site-client3'], before['site-client3'], 'the third was left alone')
  host.remote.push({ VERSION: '3\n', 'dies-2': null })
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host, 3)
})

t.test('only running clients wait for each other', async (t) => {
  const host = await deployed({ restart_delay: 60 })
  const clock = host.machine.clock
  succeeded(t, await host.run(['stop']))
  t.ok(Object.values(host.processes()).every(({ state }) => state === 'STOPPED'))
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host)
  t.ok(host.machine.clock - clock < 60, 'those that were stopped are started without delay')
})

t.test('each program has its own delay', async (t) => {
  const worker = { name: 'worker', cmd: 'bin/client1', args: 'run worker.py', delay: 100 }
  const host = await deployed({ restart_delay: 7 }, { buildout_init_commands: [worker] })
  const clock = host.machine.clock
  host.remote.push({ VERSION: '2\n' })
  succeeded(t, await host.run(['deploy']))
  const passed = Math.round(host.machine.clock - clock)
  t.equal(passed, 5 + 14, 'the worker came first and stayed up for five seconds; before each client seven seconds')
})

t.test('another program is another configuration', async (t) => {
  const host = await deployed()
  const worker = { name: 'worker', cmd: 'bin/client1', args: 'run worker.py' }
  set(host, {}, { buildout_init_commands: [worker] })
  succeeded(t, await host.run(['deploy']))
  const programs = ['worker', 'client1', 'client2']
  servedBy(t, host, 2, { programs })
  succeeded(t, await host.run(['restart']))
  servedBy(t, host, 2, { programs })
  succeeded(t, await host.run(['stop']))
  t.strictSame(
    [...new Set(Object.values(host.processes()).map(({ state }) => state))],
    ['STOPPED'],
    'it is stopped with the others',
  )
  succeeded(t, await host.run(['rollback']))
  servedBy(t, host, 2)
})

t.test('an event listener runs as root, like the socket of supervisor', async (t) => {
  const listener = {
    name: 'events',
    cmd: 'bin/client1',
    args: 'run x',
    eventlistener: true,
    eventlistener_events: ['TICK_60', 'PROCESS_STATE'],
  }
  const host = await deployed()
  set(host, {}, { buildout_init_commands: [listener] })
  succeeded(t, await host.run(['deploy']))
  const file = '/etc/supervisor/conf.d/site-events.conf'
  const written = () => host.machine.readText(file)
  t.match(
    written(),
    /\[eventlistener:site-events\][\s\S]*\nuser=root\nevents=TICK_60,PROCESS_STATE\nenvironment=HOME="\/root"/,
  )
  await nothingToDo(t, host)
  set(host, {}, { buildout_init_commands: [{ ...listener, user: 'deploy' }] })
  succeeded(t, await host.run(['deploy']))
  t.equal(host.releases().length, 2, 'its account is no part of the release')
  t.match(written(), /\nuser=deploy\n[\s\S]*HOME="\/home\/deploy"/)
  set(host, {}, { buildout_init_commands: [] })
  succeeded(t, await host.run(['deploy']))
  succeeded(t, await host.run(['rollback']))
  t.match(
    written(),
    /\nuser=deploy\n/,
    'the record of a release, which the account can write, makes nothing run as root',
  )

  const jane = new FakeHost({ user: 'jane' })
  set(jane, {}, { buildout_init_commands: [listener] })
  succeeded(t, await jane.run())
  t.notMatch(jane.machine.readText(`${prefix}${file}`), /^user=/m)
})

t.test('every input of a build creates a release, and the current one is never built again', async (t) => {
  // The fake buildout refuses to run in the current release.
  const changes: NodeJson[] = [
    { buildout_flags: '-v' },
    { buildout_bootstrap_params: '-v' },
    { buildout_config: 'site.cfg' },
    { buildout_version: '5.0.0' },
    { python_major_version: '3.13' },
    { environment: { A: 'b' } },
    { symlink_before_migrate: { media: 'media' } },
    { purge_before_symlink: ['cfg/base.cfg'] },
    { enable_submodules: false },
    { buildout_extends: ['cfg/other.cfg'] },
    { packages: [['setuptools', '80.1']] },
  ]
  for (const change of changes)
    await t.test(Object.keys(change).join(), async (t) => {
      const host = await deployed()
      host.machine.given('/usr/bin/python3.13', '', '0755')
      set(host, {}, change)
      succeeded(t, await host.run())
      servedBy(t, host)
      t.strictSame(ids(host), ['000001', '000002'])
      await nothingToDo(t, host)
    })
})

t.test('restart_delay and log locations create no release', async (t) => {
  const host = await deployed()
  set(host, { restart_delay: 5 })
  await nothingToDo(t, host)
  host.attributes = { ...host.attributes, converge: { supervisor: { log_dir: '/var/log/site' } } }
  host.machine.given('/var/log/site', null)
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host)
  t.strictSame(ids(host), ['000001'])
})

t.test('keeps keep_releases releases', async (t) => {
  const host = await deployed({}, { keep_releases: 2 })
  for (const version of [2, 3, 4]) {
    host.remote.push({ VERSION: `${version}\n` })
    succeeded(t, await host.run(['deploy']))
  }
  t.strictSame(ids(host), ['000003', '000004'])
  set(host, {}, { keep_releases: 1 })
  succeeded(t, await host.run(['deploy']))
  t.strictSame(ids(host), ['000003', '000004'], 'a rollback target always stays')
  servedBy(t, host)
})

t.test('starts supervisord again after it has ended', async (t) => {
  for (const user of ['root', 'jane'] as const)
    await t.test(user, async (t) => {
      const host = await deployed({}, {}, { user })
      for (const event of ['deploy', 'start', 'restart', 'configure']) {
        host.supervisor.endSupervisord(host.machine)
        succeeded(t, await host.run([event]), event)
        servedBy(t, host)
      }
      host.supervisor.endSupervisord(host.machine)
      succeeded(t, await host.run(['shutdown']))
      t.equal(host.events, 0, 'a service that is down is not stopped')
      succeeded(t, await host.run(['stop']), 'that it is to stay down is recorded')
      await nothingToDo(t, host, ['stop'])
      succeeded(t, await host.run(['undeploy']))
      t.equal(host.currentRelease(), undefined)
    })
})

t.test('refuses an app of root before the first change', async (t) => {
  const host = new FakeHost()
  set(host, {}, { user: 'root' })
  await t.rejects(host.run(), { code: 'APP_AS_ROOT', usage: true })
  t.equal(host.machine.changes.length, 0)
})
