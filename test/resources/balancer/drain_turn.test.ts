/**
 * Tests servers of several hosts that restart at the same time: they are drained one after the other, and one always
 * stays up.
 */
import * as fc from 'fast-check'
import t from 'tap'
import { seconds } from '../../../core/model/units.ts'
import type { DrainRules } from '../../../resources/balancer/drain_turn.ts'
import { ServerDrainer } from '../../../resources/balancer/draining.ts'
import { type FakeBalancer, FakeHaproxy } from '../../support/fake_haproxy.ts'
import { Simulation } from '../../support/simulated_time.ts'

const sockets = ['/run/lb1.sock', '/run/lb2.sock']

interface Restart {
  readonly server: string
  /** Seconds until its run reaches the restart; default 0. */
  readonly begins?: number
  /** Seconds for which it is down; default 10. */
  readonly takes?: number
  /** Whether it comes up; default true. */
  readonly succeeds?: boolean
}

interface World {
  readonly servers: readonly string[]
  readonly balancers?: number
  readonly more?: Partial<FakeBalancer>
  /** Servers that have been down for a long time. */
  readonly dead?: readonly string[]
  readonly rules?: Partial<DrainRules>
  readonly latency?: () => number
}

function worldOf({ servers, balancers = 2, more = {}, dead = [], rules = {}, latency = () => 0.01 }: World) {
  const down = new Set(dead)
  const haproxy = new FakeHaproxy(
    sockets.slice(0, balancers).map((at) => ({
      at,
      backends: { site: servers },
      busyFor: 1,
      healthy: (name: string) => !down.has(name.split('/')[1] ?? ''),
      ...more,
    })),
    true,
  )
  const extremes = { fewest: servers.length, mostOut: 0 }
  const simulation = new Simulation(latency, () => {
    for (const { at } of haproxy.balancers) {
      const states = servers.map((name) => haproxy.state(first, at, `site/${name}`))
      extremes.fewest = Math.min(extremes.fewest, states.filter((state) => state === 'ready').length)
      extremes.mostOut = Math.max(extremes.mostOut, states.filter((state) => state.startsWith('drain')).length)
    }
  })
  const reported: string[] = []
  const hostOf = () => simulation.host({ exchanges: haproxy.exchanges })
  const first = hostOf()
  const at = sockets.slice(0, balancers).map((socket) => ({ socket }))
  const restart = async ({ server, begins = 0, takes = 10, succeeds = true }: Restart) => {
    await simulation.after(begins)
    const ownServers = new Set([`site/${server}`])
    const given = { ownServers, maxUnavailable: 1, waitLimit: seconds(60), restartLimit: seconds(180), ...rules }
    const tell = {
      progress: (text: string) => void reported.push(text),
      warn: (text: string) => void reported.push(text),
    }
    const draining = new ServerDrainer(hostOf(), at, seconds(60), tell, 'restart', given)
    const work = async () => {
      down.add(server)
      await simulation.after(takes)
      if (!succeeds) throw new Error(`${server} did not come up`)
      down.delete(server)
    }
    await draining.restartDrained(`site/${server}`, work, seconds(120), () => false)
  }
  const run = async (...restarts: readonly Restart[]) =>
    (await simulation.run(restarts.map(restart))).map((error) => error?.message ?? null)
  const states = () =>
    haproxy.balancers.map((one) => servers.map((name) => haproxy.state(first, one.at, `site/${name}`)).join(' '))
  const set = (name: string, state: 'ready' | 'drain' | 'maint') => {
    for (const { at } of haproxy.balancers) haproxy.set(first, at, `site/${name}`, state)
  }
  const tell = (text: string) => {
    for (const { at } of haproxy.balancers) haproxy.exchanges({ socketPath: at, text }, first)
  }
  return { run, seen: extremes, reported, states, set, tell, simulation, first }
}

t.test('two hosts at the same moment drain one after the other', async (t) => {
  const { run, seen: extremes, reported, states } = worldOf({ servers: ['a', 'b'] })
  t.strictSame(await run({ server: 'a' }, { server: 'b' }), [null, null])
  t.strictSame(extremes, { fewest: 1, mostOut: 1 })
  t.ok(reported.includes('site/b waits until site/a is back'), reported.join('\n'))
  t.strictSame(states(), ['ready ready', 'ready ready'])
})

t.test('hosts at the same moment wait for each other where a drain does not count as a change', async (t) => {
  const { run, seen: extremes, states } = worldOf({ servers: ['a', 'b', 'c', 'd'], more: { dates: 'health' } })
  const restarts = ['a', 'b', 'c', 'd'].map((server) => ({ server }))
  t.strictSame(await run(...restarts), [null, null, null, null])
  t.strictSame(extremes, { fewest: 3, mostOut: 1 })
  t.strictSame(states(), ['ready ready ready ready', 'ready ready ready ready'])
})

t.test('waits while another server starts, for longer than the drain limit', async (t) => {
  const { run, seen: extremes, reported } = worldOf({ servers: ['a', 'b'] })
  t.strictSame(await run({ server: 'b', takes: 150 }, { server: 'a', begins: 5 }), [null, null])
  t.strictSame(extremes, { fewest: 1, mostOut: 1 })
  t.notOk(reported.some((line) => line.includes('without draining')))
})

t.test('the last server that is up does not restart while a restart failed on another host', async (t) => {
  const { run, seen: extremes, states, simulation } = worldOf({ servers: ['a', 'b'] })
  const began = simulation.clock
  const [first, second] = await run({ server: 'a', succeeds: false }, { server: 'b', begins: 2 })
  t.equal(first, 'a did not come up')
  t.match(second, /^site\/b is the only server that is up at .*, and was not restarted: site\/a is drained there$/)
  t.equal(extremes.fewest, 1)
  t.strictSame(states(), ['drain down ready', 'drain down ready'])
  t.ok(simulation.clock - began >= 180, 'it waited for as long as a restart may take')
  const [third] = await run({ server: 'b' })
  t.match(third, /was not restarted/)
})

t.test('restarts at once without draining if the others were down for a long time, with a warning', async (t) => {
  const { run, reported, simulation } = worldOf({ servers: ['a', 'b', 'c'], dead: ['a', 'c'], balancers: 1 })
  const began = simulation.clock
  t.strictSame(await run({ server: 'b', takes: 1 }), [null])
  t.ok(
    reported.includes(
      `site/b is the only one up at ${sockets[0]}: visitors get errors while it restarts, since site/a, site/c are down (start them before the next restart)`,
    ),
  )
  t.ok(simulation.clock - began < 10)
})

t.test('stops waiting when an operator sets a server ready', async (t) => {
  const { run, seen: extremes, set, simulation } = worldOf({ servers: ['a', 'b'] })
  set('a', 'maint')
  const later = simulation.after(30).then(() => set('a', 'ready'))
  t.strictSame(await run({ server: 'b' }), [null])
  await later
  t.equal(extremes.fewest, 1)
})

t.test('drains its server if the others stay drained beyond the limit and enough servers are up', async (t) => {
  const { run, set, simulation, seen: extremes } = worldOf({ servers: ['a', 'b', 'c'] })
  set('a', 'drain')
  const began = simulation.clock
  t.strictSame(await run({ server: 'b' }), [null])
  const took = simulation.clock - began
  t.ok(took > 60 && took < 90, `${took} s`)
  t.equal(extremes.fewest, 1)
})

t.test('does not wait for a server that is down on a host that the rollout cannot reach', async (t) => {
  const rules = { absent: new Set(['site/c', 'site/d']) }
  const { run, set, seen: extremes, reported, simulation } = worldOf({ servers: ['a', 'b', 'c'], dead: ['c'], rules })
  set('c', 'drain')
  const began = simulation.clock
  t.strictSame(await run({ server: 'a' }, { server: 'b', begins: 1 }), [null, null])
  t.ok(simulation.clock - began < 60, `${simulation.clock - began} s`)
  t.strictSame(extremes, { fewest: 1, mostOut: 2 })
  t.ok(reported.includes('not waiting for site/c: the rollout cannot reach its host'), reported.join('\n'))
})

t.test('waits for a drained server that is up on a host that the rollout cannot reach', async (t) => {
  const { run, set, simulation } = worldOf({ servers: ['a', 'b', 'c'], rules: { absent: new Set(['site/c']) } })
  set('c', 'drain')
  const began = simulation.clock
  t.strictSame(await run({ server: 'a' }), [null])
  t.ok(simulation.clock - began > 60, 'a run of its own host may be about to set it ready')
})

t.test('the last server that is up waits for a server of a host that the rollout cannot reach', async (t) => {
  const rules = { absent: new Set(['site/b']) }
  const { run, set, seen: extremes, simulation } = worldOf({ servers: ['a', 'b'], dead: ['b'], rules })
  set('b', 'drain')
  const began = simulation.clock
  t.match(await run({ server: 'a' }), [/was not restarted: site\/b is drained there$/])
  t.ok(simulation.clock - began >= 180)
  t.equal(extremes.fewest, 1)
})

t.test('drains several at once if the rules allow it', async (t) => {
  const servers = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  const { run, seen: extremes } = worldOf({ servers, rules: { maxUnavailable: '25%' } })
  t.strictSame(new Set(await run(...servers.map((server) => ({ server })))), new Set([null]))
  t.equal(extremes.mostOut, 2)
})

t.test('the claim of a killed run expires', async (t) => {
  const { run, tell, simulation, seen: extremes } = worldOf({ servers: ['a', 'b'] })
  tell('disable health site/a\n')
  const began = simulation.clock
  t.strictSame(await run({ server: 'b' }), [null])
  t.ok(simulation.clock - began < 40)
  t.equal(extremes.fewest, 1)
})

t.test('drains both servers without health checks, and one returns', async (t) => {
  const { run, reported, states } = worldOf({ servers: ['a', 'b'], more: { tracking: true } })
  t.strictSame(await run({ server: 'a' }, { server: 'b' }), [null, null])
  t.notOk(reported.some((line) => line.includes('without draining')))
  t.strictSame(states(), ['ready ready', 'ready ready'])
})

const names = ['a', 'b', 'c', 'd', 'e']
const restarts = fc.record({
  begins: fc.constantFrom(0, 0, 0.001, 0.02, 1, 7),
  takes: fc.integer({ min: 0, max: 30 }),
  succeeds: fc.constantFrom(true, true, true, false),
})
const random = fc.record({
  count: fc.integer({ min: 2, max: 5 }),
  balancers: fc.constantFrom(1, 2),
  restarts: fc.array(restarts, { minLength: 5, maxLength: 5 }),
  latencies: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 20, maxLength: 60 }),
  maxUnavailable: fc.constantFrom(1, 2, '50%'),
  claimed: fc.option(fc.constantFrom(...names)),
})

t.test('one server always takes visitors, in any order of restarts', async (t) => {
  await fc.assert(
    fc.asyncProperty(random, async ({ count, balancers, restarts, latencies, maxUnavailable, claimed }) => {
      let at = 0
      const latency = () => (latencies[at++ % latencies.length] ?? 1) / 1000
      const servers = names.slice(0, count)
      const world = worldOf({ servers, balancers, latency, rules: { maxUnavailable } })
      if (claimed !== null && servers.includes(claimed)) world.tell(`disable health site/${claimed}\n`)
      const expected = servers.map((server, index) => ({ server, ...restarts[index] }))
      const errors = await world.run(...expected)
      if (world.seen.fewest < 1) throw new Error('no server took visitors')
      const allSucceed = expected.every(({ succeeds }) => succeeds)
      if (allSucceed && errors.some((error) => error !== null)) throw new Error(errors.join('; '))
      const most = maxUnavailable === 1 ? 1 : maxUnavailable === 2 ? 2 : Math.max(1, Math.floor(count / 2))
      if (allSucceed && world.seen.mostOut > most) throw new Error(`${world.seen.mostOut} were out`)
      for (const [index, { server, succeeds }] of expected.entries())
        if (succeeds && errors[index] !== null && !/was not restarted/.test(errors[index] ?? ''))
          throw new Error(`${server}: ${errors[index]}`)
      const left = world.states().join(' ')
      if (allSucceed && /drain|down/.test(left)) throw new Error(left)
    }),
    { numRuns: 100 },
  )
  t.pass('100 worlds')
})
