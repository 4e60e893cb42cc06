/** Tests setup on hosts in service: restarts run in batches, as in configure. */
import t from 'tap'
import type { Phase } from '../../../../core/fleet/types.ts'
import { Simulation } from './simulated.ts'

const setup = { action: 'setup', strategy: 'parallel', restartsInTurn: true } as const
const known = (...online: readonly string[]) => ({
  online: new Set(online),
  behind: new Map<string, string>(),
  apps: { site: { commit: 'c'.repeat(40), revision: 'main' } },
})
const batches = ({ emitted: events }: Simulation, phase: Phase) =>
  events.flatMap((event) => (event.event === 'phase' && event.phase === phase ? event.hosts.join(' ') : []))
const announced = ({ emitted: events }: Simulation, phase: Phase) =>
  events.flatMap((event) => (event.event === 'restarts' && event.phase === phase ? event.hosts : []))
const client = { stage: 1, restarts: { deploy: 'restart site-client1' } }
const clients = { a: client, b: client, c: client }

t.test('new hosts and those without a restart deploy at once, then the others in turn', async (t) => {
  const hosts = { zeo: { apps: ['zeo'] }, ...clients, calm: { stage: 1 }, fresh: { ...client, history: [] } }
  const fleet = new Simulation(hosts)
  const { report } = await fleet.go(setup, { recorded: known('zeo', 'a', 'b', 'c', 'calm') })
  t.equal(report.outcome, 'changed')
  t.strictSame(batches(fleet, 'setup'), ['zeo a b c calm fresh'])
  t.strictSame(batches(fleet, 'switch'), ['zeo', 'calm fresh', 'a', 'b', 'c'])
  t.strictSame(
    announced(fleet, 'switch'),
    ['a', 'b', 'c'].map((host) => ({ host, what: ['site-client1'] })),
  )
  const order = fleet.emitted.map((event) => (event.event === 'phase' ? event.phase : event.event))
  t.ok(order.indexOf('restarts') < order.indexOf('build'), 'announced before anything is built')
  const two = new Simulation(hosts)
  await two.go({ ...setup, batchSize: { count: 2 } }, { recorded: known('zeo', 'a', 'b', 'c', 'calm') })
  t.strictSame(batches(two, 'switch'), ['zeo', 'calm fresh', 'a b', 'c'])
})

t.test('the migrating host deploys before those that restart nothing', async (t) => {
  const fleet = new Simulation({ calm: { migrating: [] }, ...clients })
  const more = { migration: 'all' as const, apps: [] }
  await fleet.go({ ...setup, ...more }, { recorded: known('calm', 'a', 'b', 'c') })
  t.strictSame(batches(fleet, 'switch'), ['calm', 'a', 'b', 'c'])
  const together = new Simulation({ calm: { stage: 1, migrating: [] }, ...clients })
  await together.go({ ...setup, ...more }, { recorded: known('calm', 'a', 'b', 'c') })
  t.strictSame(batches(together, 'switch'), ['a', 'calm', 'b', 'c'])
})

t.test('a restart in the setup event itself counts too', async (t) => {
  const frontend = { apps: [], restarts: { setup: 'restart varnish' } }
  const hosts = { lb1: frontend, lb2: frontend, web: { apps: [] } }
  const fleet = new Simulation(hosts)
  await fleet.go(setup, { recorded: known('lb1', 'lb2', 'web') })
  t.strictSame(batches(fleet, 'setup'), ['web', 'lb1', 'lb2'])
  t.match(announced(fleet, 'setup'), [
    { host: 'lb1', what: ['varnish'] },
    { host: 'lb2', what: ['varnish'] },
  ])
  const fresh = new Simulation(hosts)
  await fresh.go(setup, { recorded: known('web') })
  t.strictSame(batches(fresh, 'setup'), ['lb1 lb2 web'], 'no visitor reaches a new host yet')
  const rolling = new Simulation(hosts)
  await rolling.go({ action: 'setup' }, { recorded: known('lb1', 'lb2', 'web') })
  t.strictSame(batches(rolling, 'setup'), ['web', 'lb1', 'lb2'], 'also where the switch is rolling')
})

t.test('hosts with a current release take turns also without a record', async (t) => {
  const fresh = { ...client, history: [] }
  const fleet = new Simulation({ ...clients, fresh, lb: { apps: [] } })
  const { report } = await fleet.go(setup, { recorded: { ...known(), apps: {} } })
  t.strictSame(batches(fleet, 'switch'), ['lb', 'fresh', 'a', 'b', 'c'])
  t.equal(report.strategy, 'restarts in turn')
  t.match(fleet.emitted[0], { event: 'start', strategy: 'restarts in turn' })
})

t.test('hosts in service install packages at once, with a warning, or in batches if requested', async (t) => {
  const hosts = {
    a: { installs: 'git openssl' },
    b: { installs: 'git' },
    c: {},
    fresh: { installs: 'git', history: [] },
  }
  const fleet = new Simulation(hosts)
  const { report } = await fleet.go(setup, { recorded: known('a', 'b', 'c') })
  t.strictSame(batches(fleet, 'setup'), ['a b c fresh'])
  t.match(report.warnings, [
    /^setup changes packages on a, b at the same time: git, openssl; .* --strategy rolling takes one batch/,
  ])
  t.strictSame(announced(fleet, 'setup'), [])
  const rolling = new Simulation(hosts)
  const { report: calm } = await rolling.go({ action: 'setup' }, { recorded: known('a', 'b', 'c') })
  t.strictSame(batches(rolling, 'setup'), ['c fresh', 'a', 'b'])
  t.strictSame(calm.warnings, [])
})

t.test('--strategy parallel deploys all at once, with a warning', async (t) => {
  const hosts = { a: { ...client, restarts: { setup: 'restart x', deploy: 'restart y' } }, b: client }
  const fleet = new Simulation(hosts)
  await fleet.go({ ...setup, restartsInTurn: false }, { recorded: known('a', 'b') })
  t.strictSame(batches(fleet, 'setup'), ['a b'])
  t.strictSame(batches(fleet, 'switch'), ['a b'])
})

t.test('a failed restart, or a failed health check after it, aborts the setup', async (t) => {
  const failing = new Simulation({ ...clients, a: { ...client, does: { deploy: 'fails' } } })
  const { report } = await failing.go(setup, { recorded: known('a', 'b', 'c') })
  t.strictSame(batches(failing, 'switch'), ['a'])
  t.match(report.stopped, /^one host failed/)
  let requestCount = 0
  const frontend = { apps: [], restarts: { setup: 'restart varnish' } }
  const sick = new Simulation({ lb1: frontend, lb2: frontend })
  const health = async () => ({ ok: ++requestCount < 2, what: 'http://site/', detail: '' })
  const stopped = await sick.go(setup, { recorded: known('lb1', 'lb2'), checkHealth: health })
  t.strictSame(batches(sick, 'setup'), ['lb1'])
  t.match(stopped.report.stopped, /the health check failed/)
})

t.test('hosts that take turns cause no warning about restarts at the same time', async (t) => {
  const fleet = new Simulation(clients)
  const { report } = await fleet.go(setup, { recorded: known('a', 'b', 'c') })
  t.strictSame(report.warnings, [])
  const all = new Simulation(clients)
  const large = await all.go({ ...setup, batchSize: { count: 3 } }, { recorded: known('a', 'b', 'c') })
  t.match(large.report.warnings, [/this --batch restarts site on a, b, c at the same time/])
})

t.test('automatic rollbacks take turns too', async (t) => {
  const hosts = { a: {}, b: {}, c: { does: { deploy: 'fails' } } } as const
  for (const [strategy, expected] of [
    ['rolling', ['a', 'b']],
    ['parallel', ['a b']],
  ] as const) {
    const fleet = new Simulation(hosts)
    await fleet.go({ strategy, rollbackOnFailure: true }, { recorded: known('a', 'b', 'c') })
    t.strictSame(batches(fleet, 'rollback'), expected, strategy)
  }
})
