/** Tests restarts of hosts that adapt to the stack: they are announced, and run in batches. */
import t from 'tap'
import { type Behaviour, Simulation } from './simulated.ts'

const client = { stage: 1, restarts: 'restart site-client1' }
const stack: Readonly<Record<string, Behaviour>> = {
  zeo: { stage: 0, apps: ['zeo'], restarts: 'restart zeo; start other' },
  a: client,
  b: client,
  c: client,
  calm: { stage: 1, restarts: 'start site-client1' },
  web: { stage: 2, apps: [] },
}

const batches = ({ told }: Simulation) =>
  told.flatMap((event) => (event.event === 'phase' && event.phase === 'configure' ? event.hosts.join(' ') : []))
const announced = ({ told }: Simulation) => told.flatMap((event) => (event.event === 'restarts' ? event.hosts : []))

t.test('configure: hosts without a restart at once, then the others one after the other, by layers', async (t) => {
  const fleet = new Simulation(stack)
  const { report } = await fleet.go({ action: 'configure' })
  t.equal(report.outcome, 'changed')
  t.strictSame(fleet.foreseen.sort(), ['a', 'b', 'c', 'calm', 'web', 'zeo'])
  t.strictSame(batches(fleet), ['calm web', 'zeo', 'a', 'b', 'c'])
  t.strictSame(announced(fleet), [
    { host: 'zeo', what: ['zeo'] },
    ...['a', 'b', 'c'].map((host) => ({ host, what: ['site-client1'] })),
  ])
  const order = fleet.told.map(({ event }) => event)
  t.ok(order.indexOf('restarts') < order.lastIndexOf('phase'), 'beforehand')
  const two = new Simulation(stack)
  await two.go({ action: 'configure', batch: { count: 2 } })
  t.strictSame(batches(two), ['calm web', 'zeo', 'a b', 'c'])
})

t.test('nothing to restart: all at once', async (t) => {
  const fleet = new Simulation({ a: {}, b: {}, web: { apps: [] } })
  await fleet.go({ action: 'configure' })
  t.strictSame(batches(fleet), ['a b web'])
  t.strictSame(announced(fleet), [])
})

t.test('what others have to restart after a deploy, a setup or a shutdown', async (t) => {
  for (const [action, only] of [
    ['deploy', ['zeo']],
    ['setup', ['zeo']],
    ['shutdown', ['c']],
  ] as const) {
    const fleet = new Simulation({ ...stack, calm: {} })
    await fleet.go({ action }, { only })
    t.strictSame(batches(fleet).slice(1), action === 'shutdown' ? ['zeo', 'a', 'b'] : ['a', 'b', 'c'], action)
  }
})

t.test('a host that missed a deployment goes alone, and in its turn', async (t) => {
  const fleet = new Simulation(stack)
  const known = { online: new Set(Object.keys(stack)), behind: new Map([['calm', '000007']]), apps: {} }
  const { changes } = await fleet.go({ action: 'configure' }, { known })
  t.strictSame(batches(fleet), ['web', 'zeo', 'a', 'b', 'c', 'calm'])
  t.strictSame(changes.upToDate, ['calm'])
  t.match(announced(fleet).at(-1), { host: 'calm', what: [/deployment 000007/] })
})

t.test('a restart that fails: no further host restarts', async (t) => {
  const broken = { ...stack, a: { ...client, does: { configure: 'fails' } } } as const
  const fleet = new Simulation(broken)
  const { report } = await fleet.go({ action: 'configure' })
  t.strictSame(batches(fleet), ['calm web', 'zeo', 'a'])
  t.match(report, { outcome: 'failed', stopped: /^one host failed/ })
  const others = new Simulation(broken)
  const { report: deployed, changes } = await others.go({}, { only: ['zeo'] })
  t.strictSame(batches(others), ['calm web', 'a'])
  t.match(
    deployed.hosts.find(({ host }) => host === 'b'),
    { outcome: 'skipped', reason: /another host failed/ },
  )
  t.match(deployed.warnings, [/^b, c were not restarted, because another host failed/])
  t.ok(changes.apps.zeo, 'the deploy itself went through')
  const allowed = new Simulation(broken)
  await allowed.go({ action: 'configure', maxFailures: { count: 1 } })
  t.strictSame(batches(allowed), ['calm web', 'zeo', 'a', 'b', 'c'])
})

t.test('a site that does not answer after a batch: no further host restarts', async (t) => {
  let asked = 0
  const health = async () => ({ ok: ++asked < 3, what: 'http://site/', detail: '' })
  const fleet = new Simulation(stack)
  const { report } = await fleet.go({ action: 'configure' }, { health })
  t.strictSame(batches(fleet), ['calm web', 'zeo', 'a'])
  t.match(report, { outcome: 'failed', stopped: /the health check failed/ })
})

t.test('a host whose dry run fails goes in its turn', async (t) => {
  const fleet = new Simulation({ a: { does: { configure: 'lost' } }, web: { apps: [] } })
  await fleet.go({ action: 'configure' })
  t.strictSame(batches(fleet), ['web', 'a'])
})

t.test('the first client of a new database goes alone', async (t) => {
  const sharing = { sharing: ['site'], stage: 1 }
  const clients = { zeo: { apps: ['zeo'] }, a: sharing, b: sharing, c: sharing, shop: { apps: ['shop'], stage: 1 } }
  const deploys = ({ told }: Simulation) =>
    told.flatMap((event) => (event.event === 'phase' && event.phase === 'switch' ? event.hosts.join(' ') : []))
  const nothing = { online: new Set<string>(), behind: new Map<string, string>(), apps: {} }
  const fresh = new Simulation(clients)
  const { report } = await fresh.go({ action: 'setup', strategy: 'parallel' }, { known: nothing })
  t.equal(report.outcome, 'changed')
  t.strictSame(deploys(fresh), ['zeo', 'a', 'b c shop'])
  t.notOk(
    fresh.requests.some(({ options }) => options.includes('--migrate')),
    'it migrates only where that is asked for',
  )
  const grown = new Simulation(clients)
  const known = { ...nothing, online: new Set(['zeo', 'a']) }
  await grown.go({ action: 'setup', strategy: 'parallel' }, { known })
  t.strictSame(deploys(grown), ['zeo', 'a b c shop'])
  const failing = new Simulation({ ...clients, a: { ...sharing, does: { deploy: 'fails' } } })
  const failed = await failing.go(
    { action: 'setup', strategy: 'parallel', maxFailures: { count: 3 } },
    { known: nothing },
  )
  t.match(failed.report.stopped, /^a must succeed before all other hosts, and failed$/)
})
