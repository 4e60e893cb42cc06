/**
 * Tests services behind a balancer that are stopped on purpose: drained first, and made ready again when they start.
 */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { seconds } from '../../../core/model/units.ts'
import { service } from '../../../resources/services/service.ts'
import { contract, failureOf, planOf, run } from '../../support/contract.ts'
import { type FakeBalancer, FakeHaproxy } from '../../support/fake_haproxy.ts'
import { FakeSupervisor } from '../../support/fake_supervisor.ts'

const socket = '/run/haproxy.sock'
const common = { name: 'c1', provider: { kind: 'supervisor' as const }, server: 'site/c1', ready: { port: 8081 } }
const balanced = { ...common, balancers: [{ socket }] }
const stopping = { ...balanced, action: 'stopped' as const }

function machine(more: Partial<FakeBalancer> = {}, beforeChange?: (count: number, what: string) => void) {
  const supervisor = new FakeSupervisor({ running: ['c1'], programs: { c1: { port: 8081, stopAfter: 2 } } })
  const healthy = (server: string, host: VirtualHost) =>
    server !== 'site/c1' || supervisor.requests({ port: 8081, path: '/' }, host)?.status === 200
  const haproxy = new FakeHaproxy([{ at: socket, backends: { site: ['c1', 'c2'] }, busyFor: 3, healthy, ...more }])
  const options = { requests: supervisor.requests, exchanges: haproxy.exchanges, beforeChange }
  const state = (host: VirtualHost) => haproxy.state(host, socket, 'site/c1')
  return { haproxy, options, state }
}

const conf = (host: VirtualHost) => void host.given('/etc/supervisor/conf.d/c1.conf', '[program:c1]\nautostart=true\n')
const [plain, sticky, single, unchecked, low] = [
  machine(),
  machine({ sticky: true }),
  machine({ backends: { site: ['c1'] } }),
  machine({ tracking: true }),
  machine({ level: 'user' }),
]
const cases = [
  ['drained, then stopped', plain, 'ready down'],
  ['visitors are bound to it by a cookie', sticky, 'ready down'],
  ['the only one: those who are being answered get the end of it', single, 'ready down'],
  ['without a health check it stays drained', unchecked, 'drain down'],
  ['a balancer that takes no orders', low, 'ready down'],
] as const

contract(t, service, [
  ...cases.map(([name, { options, state }, after]) => ({
    name,
    props: stopping,
    given: conf,
    host: options,
    changes: ['replace /state = "stopped"'],
    then: (t: { equal(a: unknown, b: unknown): unknown }, host: VirtualHost) => void t.equal(state(host), after),
  })),
  {
    name: 'stops a service without a balancer',
    props: { ...stopping, balancers: [{ host: 'lb2', port: 9999 }] },
    given: conf,
    host: plain.options,
    changes: ['replace /state = "stopped"'],
  },
])

const plan = (props: object) => planOf((r) => void service(r, props as never))

t.test('waits for its last visitor until the deadline', async (t) => {
  for (const [busyFor, drainDeadline, warnings] of [
    [20, seconds(60), []],
    [1e6, seconds(10), [/site\/c1 still had 1 session at .*haproxy.sock after 10 s, and is stopped now \(raise /]],
  ] as const) {
    const { options } = machine({ busyFor })
    const host = new VirtualHost(options)
    conf(host)
    const began = host.clock
    const report = await run(plan({ ...stopping, drainDeadline }), host)
    t.strictSame(failureOf(report), undefined)
    t.match(report.warnings, warnings)
    t.equal(report.warnings.length, warnings.length)
    t.ok(host.clock - began >= 10)
  }
})

t.test('stops a server that its balancer has no entry for, without a warning', async (t) => {
  const { options } = machine({ backends: { site: ['c2'] } })
  const host = new VirtualHost(options)
  conf(host)
  const report = await run(plan(stopping), host)
  t.strictSame([failureOf(report), report.warnings, report.outcome], [undefined, [], 'changed'])
})

t.test('stops the server even if a balancer drops it or disappears meanwhile', async (t) => {
  for (const [change, warnings, recorded] of [
    ['forgets', [], ''],
    ['goes', [/cannot be queried: .*; the next run that reaches it sets the servers ready again/], 'taken out'],
  ] as const) {
    let stopped = false
    const { options } = machine({ listening: () => !(stopped && change === 'goes') })
    const { exchanges, requests } = options
    const host = new VirtualHost({
      exchanges: (options, on) =>
        stopped && change === 'forgets' && options.text.startsWith('set ')
          ? 'No such server.\n'
          : exchanges(options, on),
      requests: (options, on) => {
        stopped ||= options.body?.includes('stopProcess') === true
        return requests(options, on)
      },
    })
    conf(host)
    const report = await run(plan(stopping), host)
    t.strictSame(failureOf(report), undefined)
    t.match(report.warnings, warnings)
    t.equal(report.warnings.length, warnings.length)
    t.equal(host.recorded(`drained site/c1 in ${socket}`), recorded)
  }
})

t.test('a start sets ready what a stop drained, and nothing that an operator drained', async (t) => {
  for (const [more, killedBy, after] of [
    [{ tracking: true }, undefined, 'ready'],
    [{}, 'stopProcess', 'ready'],
    [{}, 'health down', 'ready'],
  ] as const) {
    let [armed, dead] = [killedBy !== undefined, false]
    const { options, state } = machine(more, (_, what) => {
      dead ||= armed && what.includes(killedBy ?? '')
      if (dead) throw new Error('killed')
    })
    const host = new VirtualHost(options)
    conf(host)
    await run(plan(stopping), host)
    t.match(state(host), 'drain')
    armed = dead = false
    const started = plan({ ...balanced, action: 'running' })
    t.strictSame(failureOf(await run(started, host)), undefined)
    t.equal(state(host), after)
    t.equal((await run(started, host)).outcome, 'unchanged')
  }
  const { options, state, haproxy } = machine()
  const host = new VirtualHost(options)
  conf(host)
  haproxy.set(host, socket, 'site/c1', 'drain')
  await run(plan(stopping), host)
  t.strictSame(failureOf(await run(plan(balanced), host)), undefined)
  t.equal(state(host), 'drain')
})
