/**
 * Tests hooks of the repository, the migration and the smoke test: their order, their number, and the state after a
 * failing one.
 */
import t from 'tap'
import { failureOf } from '../support/contract.ts'
import { deployed, type FakeHost, set } from '../support/fake_host.ts'
import type { NodeJson } from '../support/golden.ts'
import { killEverywhere } from '../support/killing.ts'
import { nothingToDo, servedBy, succeeded } from '../support/lifecycle.ts'

const names = ['before_migrate', 'before_symlink', 'before_restart', 'after_restart']
const hooks = Object.fromEntries(names.map((name) => [`deploy/${name}`, '#!/bin/sh\n']))
const migrating = { migrate: true, migrate_command: 'migrate the data' }
const smoke = (more: NodeJson = {}) => ({ smoke_test: { http: [{ path: '/' }], command: 'smoke', ...more } })

/** Returns the hooks and commands that have run since the last call. */
function takeCommands(host: FakeHost): string[] {
  return host.done.splice(0)
}

async function withHooks(app: NodeJson = {}): Promise<FakeHost> {
  const host = await deployed({}, { ...migrating, ...smoke(), ...app })
  host.remote.push({ VERSION: '2\n', ...hooks })
  return host
}

const all = (release: string) => [
  `before_migrate ${release}`,
  `migrate the data ${release}`,
  `before_symlink ${release}`,
  `before_restart ${release}`,
  `after_restart ${release}`,
  `smoke ${release}`,
]

t.test('each hook runs once, at its moment and in its order', async (t) => {
  const host = await withHooks()
  t.strictSame(takeCommands(host), ['migrate the data 000001', 'smoke 000001'])
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host)
  t.strictSame(takeCommands(host), all('000002'))
  await nothingToDo(t, host, ['deploy'])
  await nothingToDo(t, host, ['configure'])
})

t.test('a changed configuration runs all hooks but the migration', async (t) => {
  const host = await withHooks()
  await host.run(['deploy'])
  takeCommands(host)
  set(host, { zodb_cache_size: 1234 }, { ...migrating, ...smoke() })
  succeeded(t, await host.run(['configure']))
  t.strictSame(
    takeCommands(host),
    all('000003').filter((line) => !line.startsWith('migrate')),
  )
})

t.test('a rollback restarts with the hooks of its target, and runs the smoke test', async (t) => {
  const host = await withHooks()
  await host.run(['deploy'])
  host.remote.push({ VERSION: '3\n' })
  await host.run(['deploy'])
  takeCommands(host)
  succeeded(t, await host.run(['rollback']))
  t.strictSame(takeCommands(host), ['before_restart 000002', 'after_restart 000002', 'smoke 000002'])
  await nothingToDo(t, host, ['configure'])
})

for (const hook of ['before_migrate', 'before_symlink'])
  t.test(`a failing ${hook} keeps the current release, and the next run retries`, async (t) => {
    const host = await withHooks()
    host.remote.push({ VERSION: '2\n', [`deploy/${hook}`]: '#!/bin/sh\nfail' })
    const [current, pids] = [host.currentRelease()?.id, JSON.stringify(host.processes())]
    const failure = failureOf(await host.run(['deploy']))
    t.match(failure, { code: 'COMMAND_FAILED', output: `${hook} said no`, resource: `deploy_hook site ${hook}` })
    t.equal(host.currentRelease()?.id, current)
    t.equal(JSON.stringify(host.processes()), pids)
    t.equal(failureOf(await host.run(['deploy'])) === undefined, false)
    host.remote.push({ [`deploy/${hook}`]: '#!/bin/sh\n' })
    succeeded(t, await host.run(['deploy']))
    servedBy(t, host)
  })

t.test('a failing migration keeps the current release', async (t) => {
  const host = await withHooks({ migrate_command: 'fail' })
  t.equal(host.currentRelease(), undefined, 'no release is current')
  set(host, {}, { ...migrating, ...smoke() })
  succeeded(t, await host.run())
  servedBy(t, host)
})

t.test('one host of the stack migrates', async (t) => {
  const layers = (...online: string[]) => ({
    plone_instances: {
      instances: Object.fromEntries(
        ['plone0', 'plone1'].map((name) => [
          name,
          { hostname: name, private_ip: '10.0.0.1', status: online.includes(name) ? 'online' : 'stopped' },
        ]),
      ),
    },
  })
  const migrated = async (online: string[], migrate?: boolean) => {
    const host = await deployed({}, { migrate: false })
    set(host, {}, migrating)
    const json = host.attributes as { opsworks?: NodeJson }
    host.attributes = {
      ...json,
      opsworks: { ...json.opsworks, instance: { hostname: 'plone1' }, layers: layers(...online) },
    }
    host.remote.push({ VERSION: '2\n' })
    succeeded(t, await host.run(['deploy'], migrate === undefined ? {} : { migrate }))
    return takeCommands(host).length === 1
  }
  t.equal(await migrated(['plone0', 'plone1']), false, 'the host with the first name migrates')
  t.equal(await migrated(['plone1']), true, 'this host has the first name of those online')
  t.equal(await migrated([]), true, 'no other host runs it')
  t.equal(await migrated(['plone0', 'plone1'], true), true, '--migrate')
  t.equal(await migrated(['plone1'], false), false, '--no-migrate')
})

t.test('refuses to migrate without a command before any change', async (t) => {
  const host = await deployed()
  set(host, {}, { migrate: true })
  await t.rejects(host.run(['deploy']), { code: 'INVALID_ATTRIBUTE', message: /migrate_command/ })
})

t.test('a release that fails its smoke test rolls back if the attribute requests it', async (t) => {
  const host = await withHooks(smoke({ http: [{ path: '/', contains: 'not there' }], rollback_on_failure: true }))
  t.equal(host.currentRelease()?.id.slice(0, 6), '000001')
  const failure = failureOf(await host.run(['deploy']))
  t.match(failure, { code: 'SMOKE_TEST_FAILED', message: /does not contain 'not there'/, recovery: 'rollback' })
  t.match(failureOf(await host.run(['configure'])), { recovery: 'rollback' }, 'configure retries until it passes')
  succeeded(
    t,
    await host.run(['deploy']).then(async () => {
      set(host, {}, { ...migrating, ...smoke() })
      return host.run(['deploy'])
    }),
  )
  await nothingToDo(t, host, ['deploy'])
})

t.test('a new smoke test does not remove an earlier release', async (t) => {
  const host = await deployed()
  host.remote.push({ VERSION: '2\n' })
  await host.run(['deploy'])
  set(host, {}, smoke({ command: 'fail', rollback_on_failure: true }))
  const failure = failureOf(await host.run(['deploy'])) as { recovery?: string; hint?: string }
  t.match(failure, { code: 'SMOKE_TEST_FAILED', output: 'fail said no' })
  t.equal(failure.recovery, undefined)
})

killEverywhere({
  name: 'a deploy with hooks, a migration and a smoke test',
  prepare: async () => {
    const host = await withHooks()
    takeCommands(host)
    return host
  },
  events: ['deploy'],
  checkSite: (t, host) => {
    servedBy(t, host)
    t.strictSame([...new Set(takeCommands(host))], all('000002'), 'each ran in its order, some of them twice')
  },
  keepsClientsUp: true,
})
