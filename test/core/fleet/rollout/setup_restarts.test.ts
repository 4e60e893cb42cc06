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
const batches = ({ told }: Simulation, phase: Phase) =>
  told.flatMap((event) => (event.event === 'phase' && event.phase === phase ? event.hosts.join(' ') : []))
const announced = ({ told }: Simulation, phase: Phase) =>
  told.flatMap((event) => (event.event === 'restarts' && event.phase === phase ? event.hosts : []))
const client = { stage: 1, restarts: { deploy: 'restart site-client1' } }
const clients = { a: client, b: client, c: client }

t.test('the switch: new hosts and those without a restart at once, then the others in turn', async (t) => {
  const hosts = { zeo: { apps: ['zeo'] }, ...clients, calm: { stage: 1 }, fresh: { ...client, history: [] } }
  const fleet = new Simulation(hosts)
  const { report } = await fleet.go(setup, { known: known('zeo', 'a', 'b', 'c', 'calm') })
  t.equal(report.outcome, 'changed')
  t.strictSame(batches(fleet, 'setup'), ['zeo a b c calm fresh'])
  t.strictSame(batches(fleet, 'switch'), ['zeo', 'calm fresh', 'a', 'b', 'c'])
  t.strictSame(
    announced(fleet, 'switch'),
    ['a', 'b', 'c'].map((host) => ({ host, what: ['site-client1'] })),
  )
  const order = fleet.told.map((event) => (event.event === 'phase' ? event.phase : event.event))
  t.ok(order.indexOf('restarts') < order.indexOf('build'), 'announced before anything is built')
  const two = new Simulation(hosts)
  await two.go({ ...setup, batch: { count: 2 } }, { known: known('zeo', 'a', 'b', 'c', 'calm') })
  t.strictSame(batches(two, 'switch'), ['zeo', 'calm fresh', 'a b', 'c'])
})

t.test('a host that migrates goes before those that restart nothing', async (t) => {
  const fleet = new Simulation({ calm: { migrating: [] }, ...clients })
  const more = { migrates: true, apps: [] }
  await fleet.go({ ...setup, ...more }, { known: known('calm', 'a', 'b', 'c') })
  t.strictSame(batches(fleet, 'switch'), ['calm', 'a', 'b', 'c'])
  const together = new Simulation({ calm: { stage: 1, migrating: [] }, ...clients })
  await together.go({ ...setup, ...more }, { known: known('calm', 'a', 'b', 'c') })
  t.strictSame(batches(together, 'switch'), ['a', 'calm', 'b', 'c'])
})

t.test('the setup event itself restarts something', async (t) => {
  const frontend = { apps: [], restarts: { setup: 'restart varnish' } }
  const hosts = { lb1: frontend, lb2: frontend, web: { apps: [] } }
  const fleet = new Simulation(hosts)
  await fleet.go(setup, { known: known('lb1', 'lb2', 'web') })
  t.strictSame(batches(fleet, 'setup'), ['web', 'lb1', 'lb2'])
  t.match(announced(fleet, 'setup'), [
    { host: 'lb1', what: ['varnish'] },
    { host: 'lb2', what: ['varnish'] },
  ])
  const fresh = new Simulation(hosts)
  await fresh.go(setup, { known: known('web') })
  t.strictSame(batches(fresh, 'setup'), ['lb1 lb2 web'], 'nobody uses a new host yet')
  const rolling = new Simulation(hosts)
  await rolling.go({ action: 'setup' }, { known: known('lb1', 'lb2', 'web') })
  t.strictSame(batches(rolling, 'setup'), ['web', 'lb1', 'lb2'], 'also where the switch is rolling')
})

t.test('hosts with a current release take turns also without a record of them', async (t) => {
  const fresh = { ...client, history: [] }
  const fleet = new Simulation({ ...clients, fresh, lb: { apps: [] } })
  const { report } = await fleet.go(setup, { known: { ...known(), apps: {} } })
  t.strictSame(batches(fleet, 'switch'), ['lb', 'fresh', 'a', 'b', 'c'])
  t.equal(report.strategy, 'restarts in turn')
  t.match(fleet.told[0], { event: 'start', strategy: 'restarts in turn' })
})

t.test(
  'packages: hosts in service install them at once, with a warning, or in batches where that is asked for',
  async (t) => {
    const hosts = {
      a: { installs: 'git openssl' },
      b: { installs: 'git' },
      c: {},
      fresh: { installs: 'git', history: [] },
    }
    const fleet = new Simulation(hosts)
    const { report } = await fleet.go(setup, { known: known('a', 'b', 'c') })
    t.strictSame(batches(fleet, 'setup'), ['a b c fresh'])
    t.match(report.warnings, [
      /^setup changes packages on a, b at the same time: git, openssl; .* --strategy rolling takes one batch/,
    ])
    t.strictSame(announced(fleet, 'setup'), [])
    const rolling = new Simulation(hosts)
    const { report: calm } = await rolling.go({ action: 'setup' }, { known: known('a', 'b', 'c') })
    t.strictSame(batches(rolling, 'setup'), ['c fresh', 'a', 'b'])
    t.strictSame(calm.warnings, [])
  },
)

t.test('--strategy parallel: all at once, with a warning', async (t) => {
  const hosts = { a: { ...client, restarts: { setup: 'restart x', deploy: 'restart y' } }, b: client }
  const fleet = new Simulation(hosts)
  await fleet.go({ ...setup, restartsInTurn: false }, { known: known('a', 'b') })
  t.strictSame(batches(fleet, 'setup'), ['a b'])
  t.strictSame(batches(fleet, 'switch'), ['a b'])
})

t.test('a restart that fails, or a site that does not answer after it, stops the setup', async (t) => {
  const failing = new Simulation({ ...clients, a: { ...client, does: { deploy: 'fails' } } })
  const { report } = await failing.go(setup, { known: known('a', 'b', 'c') })
  t.strictSame(batches(failing, 'switch'), ['a'])
  t.match(report.stopped, /^one host failed/)
  let asked = 0
  const frontend = { apps: [], restarts: { setup: 'restart varnish' } }
  const sick = new Simulation({ lb1: frontend, lb2: frontend })
  const health = async () => ({ ok: ++asked < 2, what: 'http://site/', detail: '' })
  const stopped = await sick.go(setup, { known: known('lb1', 'lb2'), health })
  t.strictSame(batches(sick, 'setup'), ['lb1'])
  t.match(stopped.report.stopped, /the health check failed/)
})

t.test('no warning of restarts at the same time where hosts take turns', async (t) => {
  const fleet = new Simulation(clients)
  const { report } = await fleet.go(setup, { known: known('a', 'b', 'c') })
  t.strictSame(report.warnings, [])
  const all = new Simulation(clients)
  const large = await all.go({ ...setup, batch: { count: 3 } }, { known: known('a', 'b', 'c') })
  t.match(large.report.warnings, [/this --batch restarts site on a, b, c at the same time/])
})

t.test('hosts that go back after a failure take turns as well', async (t) => {
  const hosts = { a: {}, b: {}, c: { does: { deploy: 'fails' } } } as const
  for (const [strategy, expected] of [
    ['rolling', ['a', 'b']],
    ['parallel', ['a b']],
  ] as const) {
    const fleet = new Simulation(hosts)
    await fleet.go({ strategy, rollbackOnFailure: true }, { known: known('a', 'b', 'c') })
    t.strictSame(batches(fleet, 'rollback'), expected, strategy)
  }
})
