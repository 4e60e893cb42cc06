/**
 * Tests that a rollback returns to the previously current release, and that a deploy does not return to one that failed
 * its smoke test.
 */
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { failureOf } from '../support/contract.ts'
import { deployed, FakeHost, set } from '../support/fake_host.ts'
import { nothingToDo, servedBy, succeeded } from '../support/lifecycle.ts'

const number = (id: string | undefined) => Number(id?.slice(0, 6))
const current = (host: FakeHost, app?: string) => number(host.currentRelease(app)?.id)
const previous = (host: FakeHost) => number(host.releases().find((one) => one.previous)?.id)

async function deployVersion(t: Test, host: FakeHost, version: number): Promise<void> {
  host.remote.push({ VERSION: `${version}\n` })
  succeeded(t, await host.run(['deploy']))
}

async function rollBack(t: Test, host: FakeHost, to?: string): Promise<number> {
  succeeded(t, await host.run(['rollback'], to === undefined ? {} : { to }))
  return current(host)
}

t.test('after two bad releases, rolls back to the good one', async (t) => {
  const host = await deployed()
  await deployVersion(t, host, 2)
  t.equal(await rollBack(t, host), 1)
  await deployVersion(t, host, 3)
  t.equal(previous(host), 1, 'the list of releases marks it as previous')
  t.equal(await rollBack(t, host), 1)
  servedBy(t, host, 2, { commit: host.releases()[0]?.commit ?? '' })
  await t.rejects(host.run(['rollback']), { code: 'NO_SUCH_RELEASE', message: /^site stays on 000001/ })
  host.machine.remove('/srv/www/site/current')
  host.machine.given('/srv/www/site/current', { other: true })
  const message = 'site stays as it is: /srv/www/site/current leads to no release'
  await t.rejects(host.run(['rollback']), { code: 'NO_SUCH_RELEASE', message })
})

t.test('rolls back several releases, and forward', async (t) => {
  const host = await deployed()
  for (const version of [2, 3, 4]) await deployVersion(t, host, version)
  t.equal(await rollBack(t, host), 3)
  t.equal(await rollBack(t, host), 2)
  t.equal(await rollBack(t, host, '000004'), 4)
  t.equal(await rollBack(t, host), 2, '3 was rolled back from')
  t.equal(await rollBack(t, host), 1)
  t.equal(await rollBack(t, host, '000003'), 3)
  await deployVersion(t, host, 5)
  t.equal(await rollBack(t, host), 3)
})

t.test('cleanup keeps the rollback target', async (t) => {
  const host = await deployed({}, { keep_releases: 2 })
  for (const version of [2, 3, 4, 5]) {
    await deployVersion(t, host, version)
    t.equal(await rollBack(t, host), 1)
  }
  await deployVersion(t, host, 6)
  t.strictSame(
    host.releases().map(({ id }) => number(id)),
    [1, 5, 6],
  )
  t.equal(await rollBack(t, host), 1)
})

t.test('a host of an earlier version without a history rolls back', async (t) => {
  const host = await deployed()
  await deployVersion(t, host, 2)
  await deployVersion(t, host, 3)
  const path = '/srv/www/site/releases/.history'
  host.machine.remove(path)
  await nothingToDo(t, host)
  t.equal(host.machine.lstat(path), null)
  await deployVersion(t, host, 4)
  t.equal(await rollBack(t, host), 3)
  t.equal(await rollBack(t, host), 2)
  host.machine.remove(path)
  t.equal(await rollBack(t, host), 1, 'the numbers decide')
  host.machine.given(path, '\0\0garbled')
  await deployVersion(t, host, 5)
  t.equal(await rollBack(t, host), 1)
})

t.test('rolls back if only one of two apps has an earlier release', async (t) => {
  const host = new FakeHost({ roles: ['zeo-server', 'zeo-client'] })
  succeeded(t, await host.run())
  await t.rejects(host.run(['rollback']), {
    code: 'NO_SUCH_RELEASE',
    message: /^zeo stays on 000001-.*; site stays on 000001/,
  })
  host.remote.push({ VERSION: '2\n' })
  succeeded(t, await host.run(['deploy'], { roles: ['zeo-client'] }))
  const report = await host.run(['rollback'])
  succeeded(t, report)
  t.match(report.warnings, [/^zeo stays on 000001-.*: there is no complete release before/])
  t.equal(current(host), 1)
  t.equal(current(host, 'zeo'), 1)
  await t.rejects(host.run(['rollback'], { to: 'zeo=000002' }), { code: 'NO_SUCH_RELEASE' })
})

const smoke = (more: object = {}) => ({ smoke_test: { http: [], command: 'fail', rollback_on_failure: true, ...more } })

/** Makes a host on which a release failed its smoke test, so that it is back on the previous one. */
async function hostWithFailedRelease(t: Test): Promise<FakeHost> {
  const host = await deployed()
  set(host, {}, smoke())
  host.remote.push({ VERSION: '2\n' })
  t.match(failureOf(await host.run(['deploy'])), { code: 'SMOKE_TEST_FAILED', recovery: 'rollback' })
  set(host, {}, smoke({ command: 'smoke' }))
  succeeded(t, await host.run(['rollback']))
  t.equal(current(host), 1)
  set(host, {}, smoke())
  return host
}

t.test('does not switch again to a release that failed its smoke test', async (t) => {
  const host = await hostWithFailedRelease(t)
  const pids = JSON.stringify(host.processes())
  for (const mode of ['run', 'plan', 'run'] as const) {
    const failure = failureOf(await host.run(['deploy'], { mode }))
    t.match(failure, {
      code: 'RELEASE_FAILED_BEFORE',
      message: /^site: release 000002-.* failed .*(fail said no|status 1)/,
    })
    t.match(failure, { hint: /--retry-failed/ })
    t.equal(current(host), 1)
    t.equal(JSON.stringify(host.processes()), pids, 'nothing was restarted')
  }
  t.match(
    host.releases().map(({ failed }) => failed !== null),
    [false, true],
  )
  succeeded(t, await host.run(['build']), 'a build')
  set(host, {}, smoke({ command: 'smoke' }))
  succeeded(t, await host.run(['configure']), 'a configure')
  t.equal(current(host), 1)
})

t.test('switches to a failed release again on request, and after another smoke test or configuration', async (t) => {
  const host = await hostWithFailedRelease(t)
  t.match(failureOf(await host.run(['deploy'], { retryFailed: true })), { code: 'SMOKE_TEST_FAILED' })
  t.equal(current(host), 2, 'the operator requested it')
  set(host, {}, smoke({ command: 'smoke' }))
  succeeded(t, await host.run(['rollback']))
  succeeded(t, await host.run(['deploy']), 'another test')
  t.equal(current(host), 2)
  t.strictSame(
    host.releases().map(({ failed }) => failed),
    [null, null],
    'it has passed',
  )

  const other = await hostWithFailedRelease(t)
  set(other, { zodb_cache_size: 7 }, smoke({ command: 'smoke' }))
  succeeded(t, await other.run(['deploy']), 'another configuration')
  t.equal(current(other), 3)
  t.equal(await rollBack(t, other), 1)
})

t.test('after any deploys and rollbacks, killed anywhere, a rollback is one step back', async (t) => {
  const step = fc.record({
    event: fc.constantFrom('deploy', 'deploy', 'rollback'),
    killAt: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 8 }), async (steps) => {
      const host = await deployed()
      const path = [1]
      for (const [n, { event, killAt }] of steps.entries()) {
        if (event === 'rollback' && path.length === 1) continue
        if (event === 'deploy') host.remote.push({ VERSION: `${n + 2}\n` })
        if (killAt !== undefined) await host.run([event], { killAt })
        if (killAt === undefined || host.killedBefore !== null) await host.run([event])
        if (event === 'rollback') path.pop()
        else path.push(current(host))
        if (current(host) !== path.at(-1)) return false
        if (path.length > 1 && previous(host) !== path.at(-2)) return false
      }
      return true
    }),
    { numRuns: 40, seed: 8 },
  )
  t.pass('40 sequences')
})
