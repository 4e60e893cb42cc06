/**
 * Tests restarts behind a balancer: drained before the stop, ready after it, and repaired by the next run after any
 * failure.
 */
import t, { type Test } from 'tap'
import { converge } from '../../../core/converge/engine.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { minutes, seconds } from '../../../core/model/units.ts'
import { file } from '../../../resources/files/file.ts'
import { countUnavailable } from '../../../resources/services/restart/max_unavailable.ts'
import { service_restart } from '../../../resources/services/service_restart.ts'
import { contract, failureOf, patchOf, planOf } from '../../support/contract.ts'
import { type FakeBalancer, FakeHaproxy } from '../../support/fake_haproxy.ts'
import { type Behaviour, FakeSupervisor } from '../../support/fake_supervisor.ts'

const provider = { kind: 'supervisor' as const }
const names = ['c1', 'c2', 'c3']
const ports: Readonly<Record<string, number>> = { c1: 8081, c2: 8082, c3: 8083 }
const services = names.map((name) => ({ name, ready: { port: ports[name] ?? 0 }, server: `site/${name}` }))
const socket = '/run/haproxy.sock'
const remote = { host: 'lb2', port: 9999 }
const both = [{ socket }, remote]
const endpoints = [socket, 'lb2:9999']

function conf(host: VirtualHost): void {
  for (const name of names) host.given(`/etc/supervisor/conf.d/${name}.conf`, `[program:${name}]\nautostart=true\n`)
}

interface Options {
  readonly programs?: Record<string, Behaviour>
  readonly balancers?: readonly Partial<FakeBalancer>[]
  readonly running?: readonly string[]
  readonly stopped?: readonly string[]
}

interface Fakes {
  readonly supervisor: FakeSupervisor
  readonly haproxy: FakeHaproxy
}

function fakes({ programs = {}, balancers = [{}, {}], running = names, stopped = [] }: Options = {}): Fakes {
  const usual = { startsecs: 1, readyAfter: 3, stopAfter: 2 }
  const supervisor = new FakeSupervisor({
    running,
    stopped,
    programs: (name) => ({ port: ports[name] ?? 0, ...usual, ...programs[name] }),
  })
  const healthy = (server: string, host: VirtualHost) =>
    supervisor.requests({ port: ports[server.split('/')[1] ?? ''] ?? 0, path: '/' }, host)?.status === 200
  const haproxy = new FakeHaproxy(
    balancers.map((more, index) => ({
      at: endpoints[index] ?? '',
      backends: { site: names, other: ['x'] },
      busyFor: 2,
      healthy,
      ...more,
    })),
  )
  return { supervisor, haproxy }
}

const hostOf = ({ supervisor, haproxy }: Fakes, beforeChange?: (count: number, what: string) => void) => ({
  requests: supervisor.requests,
  exchanges: haproxy.exchanges,
  beforeChange,
})

function statesOf({ haproxy }: Fakes, host: VirtualHost): Record<string, string> {
  const of = (at: string) => names.map((name) => haproxy.state(host, at, `site/${name}`)).join(', ')
  return Object.fromEntries(haproxy.balancers.map(({ at }) => [at, of(at)]))
}

const allReady = Object.fromEntries(endpoints.map((at) => [at, 'ready, ready, ready']))

function harness(options: Options = {}, kill?: (what: string) => boolean) {
  const all = fakes(options)
  const printed: string[] = []
  let dead = false
  const host = new VirtualHost(
    hostOf(all, (_, what) => {
      if (kill?.(short(what))) dead = true
      if (dead) throw new Error('killed')
    }),
  )
  conf(host)
  const roll = async (more: object = {}, when = 'one', mode: 'run' | 'plan' = 'run') => {
    printed.length = 0
    const plan = planOf((r) => {
      const cause = file(r, { path: '/srv/cause', content: when })
      service_restart(r, { services, provider, balancers: both, when: [cause], ...more } as never)
    })
    const on = mode === 'plan' ? new VirtualHost({ base: host }) : host
    return converge(plan, on, { id: 'test', mode, handlers: [{ progress: (_, line) => void printed.push(line) }] })
  }
  const revive = () => {
    dead = false
    kill = undefined
  }
  return { ...all, host, printed, roll, revive, states: () => statesOf(all, host) }
}

/** Shortens the description of a change. */
function short(change: string): string {
  const method = /<methodName>supervisor\.(\w+)/.exec(change)?.[1]
  const name = /<string>(\w+)</.exec(change)?.[1]
  if (method !== undefined) return [method, name].filter((part) => part !== undefined).join(' ')
  return change.replace(/ set server site\//, ' ').replace(/record restart (\w+) .*/, 'record restart $1')
}

const one = fakes({ programs: { c2: { readyAfter: 8 } } })
const sticky = fakes({ balancers: [{ sticky: true }, {}] })
const crashed = fakes({ running: ['c1', 'c3'], stopped: ['c2'] })
const busy = fakes({ balancers: [{ busyFor: 1e6 }, {}] })

contract(t, service_restart, [
  {
    name: 'restarts all services behind two balancers',
    props: { services, provider, balancers: both },
    given: conf,
    host: hostOf(one),
    then: (t, host) => t.strictSame(statesOf(one, host), allReady),
    changes: ['replace /c3/restartedFor', 'replace /c2/restartedFor', 'replace /c1/restartedFor'],
  },
  {
    name: 'restarts two at once',
    props: { services, provider, balancers: both, maxUnavailable: 2 },
    given: conf,
    host: hostOf(one),
    then: (t, host) => t.strictSame(statesOf(one, host), allReady),
  },
  {
    name: 'drains sessions that a cookie binds',
    props: { services, provider, balancers: both },
    given: conf,
    host: hostOf(sticky),
    then: (t, host) => t.strictSame(statesOf(sticky, host), allReady),
  },
  {
    name: 'starts a service that did not run',
    props: { services, provider, balancers: both },
    given: conf,
    host: hostOf(crashed),
    then: (t, host) => t.strictSame(statesOf(crashed, host), allReady),
  },
  {
    name: 'restarts despite sessions that never end',
    props: { services, provider, balancers: [{ socket }], drainDeadline: seconds(10) },
    given: conf,
    host: hostOf(busy),
    then: (t, host) => t.equal(statesOf(busy, host)[socket], 'ready, ready, ready'),
  },
])

t.test('drains, restarts and sets ready, in this order', async (t) => {
  const { host, printed, roll, states } = harness({ balancers: [{}] })
  const report = await roll({ balancers: [{ socket }], services: services.slice(0, 2) })
  t.strictSame(failureOf(report), undefined)
  t.strictSame(report.warnings, [])
  const steps = (name: string) => [
    `record drained site/${name} in ${socket}`,
    `tell ${socket} disable health site/${name}`,
    `tell ${socket} ${name} state drain; set server site/${name} health stopping; enable health site/${name}`,
    `record restart ${name}`,
    `stopProcess ${name}`,
    `startProcess ${name}`,
    `record restart ${name}`,
    `tell ${socket} ${name} health up`,
    `tell ${socket} ${name} state ready`,
    `record drained site/${name} in ${socket}`,
  ]
  const before = ['record changes of file /srv/cause', 'write /srv/cause', 'reloadConfig']
  t.strictSame(host.changes.map(short), [...before, ...steps('c1'), ...steps('c2')])
  t.strictSame(printed, [
    'restarting c1 (1 of 2)',
    `draining site/c1 at ${socket}`,
    'waiting for http://127.0.0.1:8081/',
    `setting site/c1 ready at ${socket}`,
    'restarting c2 (2 of 2)',
    `draining site/c2 at ${socket}`,
    'waiting for http://127.0.0.1:8082/',
    `setting site/c2 ready at ${socket}`,
  ])
  t.equal(states()[socket], 'ready, ready, ready')
})

/** Records stops of a server that could still receive visitors, or still had sessions. */
function watch(all: Fakes): { readonly options: ReturnType<typeof hostOf>; readonly bad: string[]; fewest: number } {
  const record = { options: hostOf(all), bad: [] as string[], fewest: names.length }
  let host: VirtualHost | undefined
  record.options = {
    ...hostOf(all, (_, what) => {
      const name = /^stopProcess (\w+)/.exec(short(what))?.[1]
      if (name === undefined || host === undefined) return
      for (const { at } of all.haproxy.balancers)
        if (all.haproxy.state(host, at, `site/${name}`).startsWith('ready')) record.bad.push(`${name} at ${at}`)
    }),
    exchanges: (options, machine) => {
      host = machine
      const answer = all.haproxy.exchanges(options, machine)
      for (const { at } of all.haproxy.balancers) {
        const ready = names.filter((name) => all.haproxy.state(machine, at, `site/${name}`) === 'ready').length
        record.fewest = Math.min(record.fewest, ready)
      }
      return answer
    },
  }
  return record
}

t.test('stops no service with sessions, and keeps enough services up', async (t) => {
  for (const [maxUnavailable, stay] of [
    [1, 2],
    ['50%', 2],
    [2, 1],
    ['100%', 1],
    [7, 1],
  ] as const) {
    const all = fakes()
    const record = watch(all)
    const host = new VirtualHost(record.options)
    conf(host)
    const plan = planOf((r) => void service_restart(r, { services, provider, balancers: both, maxUnavailable }))
    const report = await converge(plan, host, { id: 'test', mode: 'run' })
    t.strictSame(failureOf(report), undefined)
    t.strictSame(record.bad, [], `${maxUnavailable}`)
    t.equal(record.fewest, stay, `${maxUnavailable}`)
    t.strictSame(statesOf(all, host), allReady)
  }
})

t.test('several restarts wait for each other while the other servers are down', async (t) => {
  const { printed, roll, states } = harness({ balancers: [{ backends: { site: ['c1', 'c2'] } }] })
  const report = await roll({
    balancers: [{ socket }],
    services: [...services.slice(0, 2), { name: 'c3' }],
    maxUnavailable: 2,
  })
  t.strictSame(failureOf(report), undefined)
  t.ok(printed.includes('site/c2 waits until another one is back'))
  t.notOk(printed.some((line) => line.includes('without draining')))
  t.match(states()[socket], /^ready, ready/)
})

t.test('computes how many restart at once', (t) => {
  const cases: [number | string, number, number][] = [
    [1, 4, 1],
    [3, 4, 3],
    [4, 4, 3],
    [9, 4, 3],
    ['25%', 4, 1],
    ['49%', 4, 1],
    ['50%', 4, 2],
    ['100%', 4, 3],
    ['10%', 4, 1],
    [1, 1, 1],
    ['100%', 1, 1],
  ]
  for (const [requested, all, count] of cases)
    t.equal(countUnavailable(requested, all), count, `${requested} of ${all}`)
  t.end()
})

t.test('an unchanged second run queries no balancer', async (t) => {
  const { roll, haproxy } = harness()
  await roll()
  const before = haproxy.calls
  t.ok(before > 0)
  t.equal((await roll()).outcome, 'unchanged')
  t.equal(haproxy.calls, before)
})

t.test('a dry run predicts the restart, and commands no balancer', async (t) => {
  const { roll, haproxy, host } = harness()
  await roll()
  const calls = haproxy.calls
  const planned = await roll({}, 'two', 'plan')
  t.equal(haproxy.calls, calls)
  const changes = host.changes.length
  t.strictSame(patchOf(planned), patchOf(await roll({}, 'two')))
  t.ok(host.changes.length > changes)
})

t.test('leaves a service that does not come up drained, and the next successful run sets it ready', async (t) => {
  const programs: Record<string, Behaviour> = { c2: { dies: { after: 1, as: 'FATAL' } } }
  const { printed, roll, states, supervisor, host } = harness({ programs })
  const failure = failureOf(await roll())
  t.match(failure, {
    code: 'SERVICE_DOWN',
    message: /^c2 did not come up.*; restarted before it: c1; left on the old process: c3$/,
    output: 'log of c2',
    hint: 'correct the cause, then run again: it continues with c2, which stays drained at /run/haproxy.sock and lb2:9999 until then',
  })
  const stays = Object.fromEntries(endpoints.map((at) => [at, 'ready, drain down, ready']))
  t.strictSame(states(), stays)
  t.equal(supervisor.states(host).c3, 'RUNNING')
  t.match(failureOf(await roll()), { message: /^c2 did not come up/ }, 'still')
  t.equal(printed[0], 'starting c2 (1 of 2)')
  t.strictSame(states(), stays)
  delete programs.c2
  t.strictSame(failureOf(await roll()), undefined)
  t.strictSame(states(), allReady)
})

async function killedThen(t: Test, at: string, expected: readonly RegExp[]): Promise<void> {
  const { roll, revive, states, printed } = harness({}, (what) => what === at)
  t.match(failureOf(await roll()), { message: 'killed' }, `killed at ${at}`)
  revive()
  t.strictSame(failureOf(await roll()), undefined)
  t.strictSame(states(), allReady)
  for (const line of expected)
    t.ok(
      printed.some((one) => line.test(one)),
      `${line}: ${printed.join('; ')}`,
    )
  t.equal((await roll()).outcome, 'unchanged')
}

t.test('sets a server ready without a restart after a kill between both', async (t) => {
  await killedThen(t, `tell ${socket} c2 state ready`, [/^setting ready c2 \(1 of 2\)$/, /^setting site\/c2 ready/])
  await killedThen(t, 'tell lb2:9999 c1 health up', [/^setting ready c1 \(1 of 3\)$/, /^restarting c2 \(2 of 3\)$/])
  await killedThen(t, 'stopProcess c1', [/^restarting c1 \(1 of 3\)$/, /^setting site\/c1 ready at lb2/])
})

t.test('sets a server ready only when its service is ready', async (t) => {
  const { roll, revive, states, host, printed } = harness(
    { programs: { c1: { readyAfter: 3 } } },
    (what) => what === `tell ${socket} c1 health up`,
  )
  await roll()
  revive()
  host.clock -= 3
  const planned = await roll({}, 'one', 'plan')
  t.match(
    planned.resources.find(({ type }) => type === 'service_restart')?.words,
    'restart c2, c3; set ready c1',
    'a dry run predicts it',
  )
  t.strictSame(
    patchOf(planned).filter((line) => line.includes('/c1/')),
    ['remove /c1/drained/1', 'remove /c1/drained/0'],
  )
  t.strictSame(failureOf(await roll()), undefined)
  t.ok(printed.includes('waiting for http://127.0.0.1:8081/'))
  t.strictSame(states(), allReady)
})

t.test('warns that other hosts may restart at the same time if no balancer can be queried', async (t) => {
  const { roll } = harness({ balancers: [{ listening: () => false }, { listening: () => false }] })
  const report = await roll()
  t.strictSame(failureOf(report), undefined)
  t.match(report.warnings, [/without it \(/, /without it, and other hosts may restart theirs at the same time/])
})

t.test('names the hosts that may restart at the same time if no balancer is known', async (t) => {
  const apart = { services: services.map(({ server: _, ...one }) => one), balancers: [] }
  const { roll } = harness()
  t.strictSame((await roll(apart)).warnings, [], 'no other host has such services')
  const more = { ...apart, neighbours: ['web2', 'web3'] }
  t.match((await roll(more, 'two')).warnings, [
    /: no balancer is known here: web2, web3 may restart at the same time; set converge\.balancer\.port/,
  ])
  t.strictSame((await roll(more, 'two')).warnings, [], 'nothing restarts')
  t.strictSame((await harness().roll({ neighbours: ['web2'] })).warnings, [], 'the balancers are known')
})

t.test('warns about an unreachable balancer, and continues the restart', async (t) => {
  const { roll, host, states } = harness({ balancers: [{ listening: () => false }, {}] })
  const report = await roll()
  t.strictSame(failureOf(report), undefined)
  t.match(report.warnings, [
    /the balancer at \/run\/haproxy.sock cannot be queried: no process listens there; the restart continues without it \(/,
  ])
  t.equal(report.warnings.length, 1)
  t.notOk(host.changes.some((what) => what.startsWith(`tell ${socket}`)))
  t.equal(states()['lb2:9999'], 'ready, ready, ready')
  t.equal((await roll()).outcome, 'unchanged')
})

t.test('does not warn about the balancers of a client that is down', async (t) => {
  const balancers = [{ listening: () => false }, { backends: { site: ['c1'] } }]
  const first = await harness({ balancers, running: [] }).roll()
  t.strictSame([failureOf(first), first.warnings], [undefined, []])
  const one = await harness({ balancers, running: ['c1'], stopped: ['c2', 'c3'] }).roll()
  t.strictSame(failureOf(one), undefined)
  t.match(one.warnings, [/the balancer at \/run\/haproxy.sock cannot be queried: no process listens there/])
  t.equal(one.warnings.length, 1)
  const other = await harness({ balancers, running: ['c3'], stopped: ['c1', 'c2'] }).roll()
  t.match(other.warnings, [/haproxy.sock cannot be queried/, /lb2:9999 has no server site\/c3/])
  t.equal(other.warnings.length, 2)
})

t.test(
  'reports a balancer that disappears during a restart, and the run that reaches it again repairs it',
  async (t) => {
    let up = true
    const { roll, states, host } = harness({ balancers: [{}, { listening: () => up }] }, (what) => {
      if (what === 'startProcess c1') up = false
      return false
    })
    const report = await roll()
    t.strictSame(failureOf(report), undefined)
    t.match(report.warnings, [/lb2:9999 cannot be queried.*the next run that reaches it sets the servers ready again/])
    t.equal(states()['lb2:9999'], 'drain, ready, ready')
    const quiet = await roll()
    t.equal(quiet.outcome, 'unchanged')
    t.match(quiet.warnings, [/lb2:9999 cannot be queried.*the next run that reaches it sets the servers ready again/])
    up = true
    host.record('x', '')
    const back = await roll()
    t.strictSame(patchOf(back), ['remove /c1/drained/0'])
    t.strictSame(states(), allReady)
  },
)

t.test('reports a socket whose level forbids to drain, and a server unknown to the balancer', async (t) => {
  const { roll, host } = harness({ balancers: [{ level: 'operator' }, { backends: { site: ['c1', 'c2'] } }] })
  const report = await roll()
  t.strictSame(failureOf(report), undefined)
  t.match(report.warnings, [
    /Permission denied; what it balances is restarted without draining \(.*level admin/,
    /the balancer at lb2:9999 has no server site\/c3/,
  ])
  t.equal(report.warnings.length, 2)
  t.notOk(host.changes.some((what) => what.includes(`${socket} set server site/c1 state ready`)))
  t.equal((await roll()).outcome, 'unchanged', 'without a drained server, nothing is recorded')
})

t.test('leaves a server that an operator drained or put in maintenance', async (t) => {
  const { roll, host, haproxy, states, printed } = harness({ balancers: [{}] })
  haproxy.set(host, socket, 'site/c2', 'drain')
  haproxy.set(host, socket, 'site/c3', 'maint')
  const before = host.changes.length
  t.strictSame(failureOf(await roll({ balancers: [{ socket }] })), undefined)
  t.equal(states()[socket], 'ready, drain, maint')
  t.notOk(host.changes.slice(before).some((what) => /tell .* c[23] /.test(short(what))))
  t.ok(printed.includes(`site/c2 is in drain at ${socket} already, and stays in it`))
})

t.test('does not drain the only server that is up', async (t) => {
  const { roll, host, states, printed } = harness({ balancers: [{ backends: { site: ['c1'], other: ['x', 'y'] } }] })
  t.strictSame(failureOf(await roll({ balancers: [{ socket }], services: services.slice(0, 1) })), undefined)
  t.ok(printed.includes(`site/c1 is the only one up at ${socket}: restarted without draining`))
  t.notOk(host.changes.some((what) => /state (drain|maint)/.test(what)))
  t.match(states()[socket], /^ready/)
})

t.test('warns about sessions that never end, and continues the restart', async (t) => {
  const { roll, host } = harness({ balancers: [{ busyFor: 1e6 }] })
  const began = host.clock
  const report = await roll({ balancers: [{ socket }], services: services.slice(0, 1), drainDeadline: seconds(30) })
  t.strictSame(failureOf(report), undefined)
  t.match(report.warnings, [
    /site\/c1 still had 1 session at \/run\/haproxy.sock after 30 s, and is restarted now \(raise /,
  ])
  t.ok(host.clock - began > 29 && host.clock - began < 60)
})

t.test('ends the sequence if a balancer does not report the server up, and the next run checks again', async (t) => {
  let well = false
  const healthy = (name: string) => well || name !== 'site/c1'
  const { roll, states, host } = harness({ balancers: [{ healthy, tracking: true }] })
  const given = { balancers: [{ socket }], deadline: seconds(20) }
  t.match(failureOf(await roll(given)), {
    code: 'SERVER_NOT_UP',
    message: `site/c1 is ready, but ${socket} does not report it up after 20 s; left on the old process: c2, c3`,
    output: 'DOWN L7STS/500',
    hint: /option httpchk/,
  })
  well = true
  host.record('x', '')
  const report = await roll(given)
  t.strictSame(failureOf(report), undefined)
  t.ok(patchOf(report).includes('remove /c1/drained/0'))
  t.equal(states()[socket], 'ready, ready, ready')
})

t.test('warns if a service that was down before is not reported up', async (t) => {
  const healthy = (name: string) => name !== 'site/c2'
  const { roll } = harness({ balancers: [{ healthy, tracking: true }], running: ['c1', 'c3'], stopped: ['c2'] })
  const report = await roll({ balancers: [{ socket }], deadline: seconds(20) })
  t.strictSame(failureOf(report), undefined)
  t.match(report.warnings, [/site\/c2 is ready, but .* does not report it up after 20 s/])
})

t.test('begins no further restart after a failure of several at once, and completes current ones', async (t) => {
  const { roll, supervisor, host, states } = harness({
    programs: { c1: { dies: { after: 1, as: 'FATAL' } }, c2: { readyAfter: 20 } },
  })
  const failure = failureOf(await roll({ maxUnavailable: 2, deadline: minutes(1) }))
  t.match(failure, { message: /^c1 did not come up.*; restarted before it: c2; left on the old process: c3$/ })
  t.equal(supervisor.states(host).c2, 'RUNNING')
  t.equal(states()[socket], 'drain down, ready, ready')
})

t.test('refuses invalid properties', async (t) => {
  const bad = (given: object, message: RegExp) =>
    t.throws(() => planOf((r) => void service_restart(r, { services, provider, ...given } as never)), { message })
  bad({ balancers: [{ socket: 'haproxy.sock' }] }, /an absolute path/)
  bad({ balancers: [{ host: 'lb1' }] }, /a balancer as/)
  bad({ services: [{ name: 'a', server: 'client1' }] }, /backend\/name/)
  bad({ services: [{ name: 'a', server: 'site/c1; shutdown sessions' }] }, /backend\/name/)
  bad({ maxUnavailable: 0 }, /a count from 1 up/)
  bad({ maxUnavailable: '0%' }, /a count from 1 up/)
  bad({ maxUnavailable: '110%' }, /a count from 1 up/)
})
