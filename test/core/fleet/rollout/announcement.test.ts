/** Tests the forecast before a rollout: its duration, and whether it affects visitors. */
import * as fc from 'fast-check'
import t from 'tap'
import { type EarlierRun, estimateDuration } from '../../../../core/fleet/planning/estimate.ts'
import type { Action } from '../../../../core/fleet/types.ts'
import { type Behaviour, Simulation } from './simulated.ts'

const tip = 'c'.repeat(40)
const planned = { action: 'deploy', changes: true, apps: ['site'], hosts: 4, batches: 2, parallel: 25 } as const

function run(phases: readonly (Record<string, number> | undefined)[], more: Partial<EarlierRun> = {}): EarlierRun {
  return { action: 'deploy', outcome: 'changed', commits: { site: tip }, hosts: phases.map(host('site')), ...more }
}

const host =
  (...apps: readonly string[]) =>
  (phases: Record<string, number> | undefined): EarlierRun['hosts'][number] => ({
    host: 'a',
    outcome: 'changed',
    durationMs: 70_000,
    phases,
    ...(phases && { moves: apps.map((app) => ({ app, from: null, to: { release: '1', commit: tip } })) }),
  })

t.test('estimates medians by phase, times the batches', (t) => {
  const runs = [
    run([
      { build: 60_000, switch: 10_000 },
      { build: 80_000, switch: 20_000 },
    ]),
    run([{ switch: 30_000 }]),
  ]
  t.strictSame(estimateDuration(runs, planned), { durationMs: 70_000 + 2 * 20_000, runs: 2 })
  t.strictSame(estimateDuration(runs, { ...planned, batches: 4 }), { durationMs: 70_000 + 4 * 20_000, runs: 2 })
  t.strictSame(estimateDuration(runs, { ...planned, parallel: 2 }), { durationMs: 2 * 70_000 + 2 * 20_000, runs: 2 })
  t.strictSame(estimateDuration([run([undefined])], planned), { durationMs: 140_000, runs: 1 }, 'of an earlier version')
  for (const other of [[], [run([{}], { action: 'setup' })], [run([{}], { outcome: 'failed' })], [run([])]])
    t.equal(estimateDuration(other, planned), null)
  t.equal(estimateDuration(runs, { ...planned, changes: false }), null, 'none that changed nothing')
  t.end()
})

t.test('estimates from rollouts that changed the same apps', (t) => {
  const of = (...apps: string[]) => run([], { hosts: [{ build: 5000 }, { build: 5000 }].map(host(...apps)) })
  const earlier = [of(), of('shop'), of('site'), of('shop', 'site')]
  const one = { ...planned, batches: 1 }
  for (const apps of [['site'], ['site', 'shop'], [], ['site', 'site']])
    t.strictSame(estimateDuration(earlier, { ...one, apps }), { durationMs: 5000, runs: 1 }, apps.join())
  t.equal(estimateDuration(earlier, { ...one, apps: ['blog'] }), null)
  t.equal(estimateDuration([run([undefined], { commits: { shop: tip } })], one), null, 'of an earlier version')
  t.end()
})

t.test('any records give a whole number of milliseconds, or none', async (t) => {
  const phases = fc.dictionary(fc.constantFrom('connect', 'build', 'switch'), fc.nat(1e7), { maxKeys: 3 })
  const action = fc.constantFrom<Action[]>('deploy', 'setup')
  const any = fc.array(fc.tuple(fc.array(phases, { maxLength: 4 }), action), { maxLength: 15 })
  await fc.assert(
    fc.asyncProperty(any, fc.integer({ min: 1, max: 9 }), async (records, batches) => {
      const estimate = estimateDuration(
        records.map(([phases, action]) => run(phases, { action })),
        { ...planned, batches },
      )
      return (
        estimate === null || (Number.isInteger(estimate.durationMs) && estimate.durationMs >= 0 && estimate.runs <= 10)
      )
    }),
  )
  t.end()
})

t.test('announces the estimate before the build, or that there is none', async (t) => {
  const at = (fleet: Simulation, phase: string) =>
    fleet.emitted.findIndex((event) => event.event === 'phase' && event.phase === phase)
  const fleet = new Simulation({ a: {}, b: {} })
  await fleet.go({}, { earlierRollouts: () => [run([{ build: 4000, switch: 1000 }])] })
  const reported = fleet.emitted.findIndex(({ event }) => event === 'estimate')
  t.match(fleet.emitted[reported], { durationMs: 6000, runs: 1, batches: 2 })
  t.ok(reported < at(fleet, 'build'))
  const first = new Simulation({ a: {}, b: {} })
  await first.go({ action: 'rollback', rollbackTo: 'a' }, { earlierRollouts: () => [] })
  t.match(first.emitted, [{ event: 'start' }, {}, {}])
  t.match(
    first.emitted.find(({ event }) => event === 'estimate'),
    { durationMs: null, runs: 0 },
  )
  const configure = new Simulation({ a: { restarts: 'restart x' }, b: { restarts: 'restart x' }, c: {} })
  await configure.go(
    { action: 'configure' },
    { earlierRollouts: () => [run([], { action: 'configure', hosts: [host()({ configure: 5000 })] })] },
  )
  t.match(
    configure.emitted.find(({ event }) => event === 'estimate'),
    { durationMs: 10_000, batches: 2 },
  )
})

t.test('estimates a configure from the hosts that restart, and not from those that only changed', (t) => {
  const changed = (...names: string[]) => ({
    ...run([], { action: 'configure' }),
    hosts: names.map((name) => ({ ...host()({ configure: name === 'lb' ? 1000 : 20_000 }), host: name })),
  })
  const configure = { ...planned, action: 'configure', apps: [], batches: 3, restarting: ['a', 'b', 'c'] } as const
  const moved = { ...run([], { action: 'configure' }), hosts: [host('site')({ configure: 30_000 })] }
  t.strictSame(estimateDuration([changed('lb'), changed('lb', 'a')], configure), { durationMs: 60_000, runs: 1 })
  t.strictSame(estimateDuration([changed('lb'), moved], configure), { durationMs: 90_000, runs: 1 })
  t.equal(estimateDuration([changed('lb')], configure), null)
  t.end()
})

t.test('corrects the estimate where the build changes a host whose commit stays', async (t) => {
  const of = (outcome: 'changed' | 'unchanged', ...apps: string[]) =>
    run([], { outcome, hosts: [{ ...host(...apps)({ build: 1000, switch: 9000 }), outcome }] })
  const estimates = async (hosts: Record<string, Behaviour>, ...changed: string[]) => {
    const fleet = new Simulation(hosts)
    await fleet.go({}, { earlierRollouts: () => [of('changed', ...changed), of('unchanged')] })
    return fleet.emitted.flatMap((event) => (event.event === 'estimate' ? event : []))
  }
  const stays = { history: [tip] }
  t.match(await estimates({ a: stays, b: { ...stays, does: { build: 'unchanged' } } }, 'site'), [
    { durationMs: 19_000, batches: 2 },
    { durationMs: 19_000, batches: 2, rebuilt: ['a'] },
  ])
  t.match(await estimates({ a: stays }, 'site', 'shop'), [{ runs: 1 }, { durationMs: null, rebuilt: ['a'] }])
  t.equal((await estimates({ a: { ...stays, does: { build: 'unchanged' } } }, 'site')).length, 1, 'nothing is built')
  t.equal((await estimates({ a: {} }, 'site')).length, 1, 'the new commit was announced')
  t.equal((await estimates({ a: { ...stays, does: { build: 'fails' } } }, 'site')).length, 1, 'it ends here')
})

t.test('configure names the commit that a host with a missing deployment gets', async (t) => {
  const fleet = new Simulation({ a: {}, b: {} })
  const apps = { site: { commit: tip, revision: 'main' } }
  await fleet.go(
    { action: 'configure' },
    { recorded: { online: new Set(['a', 'b']), behind: new Map([['b', '000004']]), apps } },
  )
  t.match(
    fleet.emitted.filter(({ event }) => event === 'moves'),
    [{ phase: 'configure', moves: [{ hosts: ['b'], from: { commit: 'a'.repeat(40) }, to: { commit: tip } }] }],
  )
})

const warnings = (fleet: Simulation) =>
  fleet.emitted.flatMap((event) =>
    event.event === 'warning' && / at the same time/.test(event.message) ? event.message : [],
  )

t.test('warns once about hosts that restart at the same time', async (t) => {
  const three: Record<string, Behaviour> = { a: {}, b: {}, c: {}, web: { stage: 1, apps: [] } }
  const noticed: readonly (readonly [object, RegExp])[] = [
    [
      { strategy: 'parallel' },
      /^--strategy parallel restarts site on a, b, c .* visitors get errors .*--strategy rolling/,
    ],
    [{ batchSize: { percent: 100 } }, /^this --batch restarts site on a, b, c .*smaller --batch/],
    [{ action: 'rollback', rollbackTo: 'a', strategy: 'parallel' }, /--strategy parallel/],
    [{ action: 'run', events: ['restart'], strategy: 'parallel' }, /--strategy parallel/],
    [{ action: 'setup', strategy: 'parallel' }, /--strategy parallel/],
    [{ strategy: 'parallel', migration: 'new' }, /restarts site on b, c at the same time/],
  ]
  for (const [request, text] of noticed) {
    const fleet = new Simulation(three)
    const { report } = await fleet.go(request)
    t.match(warnings(fleet), [text], JSON.stringify(request))
    t.equal(warnings(fleet).length, 1)
    t.match(report.warnings, [text], 'recorded')
    const at = fleet.emitted.findIndex(({ event }) => event === 'warning')
    t.notOk(
      fleet.emitted
        .slice(0, at)
        .some((event) => event.event === 'phase' && !['connect', 'setup'].includes(event.phase)),
    )
  }
})

t.test('does not warn if other hosts answer, or if the app is not in service', async (t) => {
  const three: Record<string, Behaviour> = { a: {}, b: {}, c: {} }
  const none = { online: new Set<string>(), behind: new Map(), apps: {} }
  const cases: readonly (readonly [object, object?, Record<string, Behaviour>?])[] = [
    [{ strategy: 'rolling' }],
    [{ strategy: 'canary' }],
    [{ batchSize: { count: 2 } }],
    [{ action: 'setup', strategy: 'parallel' }, { recorded: none }],
    [{ strategy: 'parallel' }, {}, { a: {}, web: { apps: [] } }],
    [{ action: 'run', events: ['audit'], strategy: 'parallel' }],
    [{ action: 'setup', strategy: 'parallel' }, {}, { a: { history: [tip] }, b: { history: [tip] } }],
    [{ action: 'shutdown', strategy: 'parallel' }],
  ]
  for (const [request, more, hosts] of cases) {
    const fleet = new Simulation(hosts ?? three)
    await fleet.go(request, more)
    t.strictSame(warnings(fleet), [], JSON.stringify(request))
  }
})

t.test('the last host of an app that is up: a warning before it restarts', async (t) => {
  const warnings = async (hosts: Readonly<Record<string, Behaviour>>, request = {}, only?: readonly string[]) => {
    const { report } = await new Simulation(hosts).go(
      { onUnreachable: 'skip', ...request },
      only === undefined ? {} : { only },
    )
    return report.warnings.filter((text) => /only host/.test(text))
  }
  const down = { connects: 'refused' } as const
  const expected = [
    'a is the only host of site that is up (not reached: b): visitors get errors while it restarts; start another host first',
  ]
  t.strictSame(await warnings({ a: {}, b: down, web: { apps: [] } }), expected)
  t.strictSame(await warnings({ a: {}, b: down }, {}, ['a']), expected, 'a bystander')
  const client = { restarts: 'restart site-client1' }
  t.strictSame(await warnings({ a: client, b: down }, { action: 'configure' }), expected)
  t.strictSame(await warnings({ a: client, b: down, lb: { apps: [] } }, { apps: ['shop'] }, ['lb']), expected)
  t.strictSame(await warnings({ a: {}, b: down }, { action: 'configure' }), [], 'nothing restarts')
  t.strictSame(await warnings({ a: client, b: down }, { action: 'setup' }, ['a']), expected)
  t.strictSame(await warnings({ a: {}, b: down }, { action: 'run', events: ['restart'] }), expected)
  t.strictSame(await warnings({ a: {}, b: down }, { action: 'plan', events: ['configure'] }), expected, 'a plan')
  const history = ['a', 'b'].map((digit) => digit.repeat(40))
  t.strictSame(await warnings({ a: { history }, b: down }, { action: 'rollback' }), expected)
  for (const action of ['shutdown', 'undeploy'] as const)
    t.match(await warnings({ a: {}, b: down }, { action }, ['a']), [/: visitors get errors once it is stopped;/])
  t.strictSame(await warnings({ a: {}, b: down, c: {} }), [], 'another one serves')
  t.strictSame(await warnings({ a: { history: [tip] }, b: down }), [], 'it stays on its release')
  t.strictSame(await warnings({ a: {}, web: { ...down, apps: [] } }), [], 'an app of one host')
  t.strictSame(await warnings({ a: {}, b: { ...down, apps: ['shop'] } }), [])
})
