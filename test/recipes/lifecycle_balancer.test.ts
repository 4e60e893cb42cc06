/**
 * Tests deploys behind a balancer: each client is drained and made ready again, and a run killed anywhere leaves none
 * drained.
 */
import t from 'tap'
import { FakeHaproxy } from '../support/fake_haproxy.ts'
import type { FakeHost } from '../support/fake_host.ts'
import { deployed, set } from '../support/fake_host.ts'
import { nothingToDo, servedBy, succeeded } from '../support/lifecycle.ts'

const socket = '/var/lib/haproxy/stats'
const backends = { plone_instances: ['plone1-1', 'plone1-2', 'plone2-1'] }
const inStack = { opsworks: { instance: { hostname: 'plone1', layers: ['plone_instances', 'lb'] } } }

/** Makes a balancer that checks the clients of this host; the other host's client is always up. */
const balancerOf = (host: FakeHost) => {
  const healthy = (server: string) => server.includes('plone2') || host.page(8080 + Number(server.at(-1))) !== null
  return new FakeHaproxy([{ at: socket, backends, busyFor: 1, healthy }])
}

async function balanced(): Promise<FakeHost> {
  const host = await deployed()
  host.attributes = { ...host.attributes, ...inStack }
  host.balancers = balancerOf(host)
  return host
}

const states = ({ balancers, machine }: FakeHost) =>
  ['1', '2'].map((n) => balancers?.state(machine, socket, `plone_instances/plone1-${n}`))

const reported = ({ machine }: FakeHost, from = 0) =>
  machine.changes
    .slice(from)
    .flatMap((what) => (what.startsWith('tell ') ? [...what.matchAll(/set server (\S+ \w+ \w+)/g)] : []))
    .map(([, command = '']) => command)

t.test('a deploy drains one client after the other', async (t) => {
  const host = await balanced()
  host.remote.push({ VERSION: '2\n' })
  const before = host.machine.changes.length
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host)
  t.strictSame(
    reported(host, before),
    ['plone1-1', 'plone1-2'].flatMap((name) =>
      ['state drain', 'health stopping', 'health up', 'state ready'].map((what) => `plone_instances/${name} ${what}`),
    ),
  )
  t.strictSame(states(host), ['ready', 'ready'])
  const calls = host.balancers?.calls
  await nothingToDo(t, host)
  t.equal(host.balancers?.calls, calls, 'with nothing to do no balancer is asked')
})

t.test('with drain off, clients restart without draining', async (t) => {
  const host = await balanced()
  host.attributes = { ...host.attributes, converge: { balancer: { drain: false } } }
  host.remote.push({ VERSION: '2\n' })
  succeeded(t, await host.run(['deploy']))
  t.strictSame(reported(host), [])
})

t.test('converge restart drains too', async (t) => {
  const host = await balanced()
  succeeded(t, await host.run(['restart']))
  t.equal(reported(host).filter((what) => what.endsWith('state drain')).length, 2)
})

t.test('killed anywhere, the next run leaves no client drained', async (t) => {
  const base = await balanced()
  base.remote.push({ VERSION: '2\n' })
  const undisturbed = base.clone()
  undisturbed.balancers = balancerOf(undisturbed)
  succeeded(t, await undisturbed.run(['deploy']))
  for (let killAt = 1; killAt <= undisturbed.events; killAt++) {
    const host = base.clone()
    host.balancers = balancerOf(host)
    await host.run(['deploy'], { killAt })
    const drained = states(host).filter((state) => state !== 'ready').length
    if (drained > 1) t.fail(`killed before ${host.killedBefore}: ${drained} are drained`)
    const next = await host.run(['deploy'])
    if (next.outcome === 'failed') t.fail(`killed before ${host.killedBefore}: the next run fails`)
    if (states(host).join() !== 'ready,ready') t.fail(`killed before ${host.killedBefore}: ${states(host).join()}`)
    if ((await host.run(['deploy'])).outcome !== 'unchanged') t.fail(`killed before ${host.killedBefore}: never done`)
  }
  t.ok(undisturbed.events > 20)
})

t.test('after drain is turned off, a run still sets ready what an earlier run drained', async (t) => {
  const base = await balanced()
  base.remote.push({ VERSION: '2\n' })
  let host = base
  for (let killAt = 1; states(host)[0] !== 'drain'; killAt++) {
    host = base.clone()
    host.balancers = balancerOf(host)
    await host.run(['deploy'], { killAt })
  }
  host.attributes = { ...host.attributes, converge: { balancer: { drain: false } } }
  succeeded(t, await host.run(['deploy']))
  t.strictSame(states(host), ['ready', 'ready'])
  const calls = host.balancers?.calls
  host.remote.push({ VERSION: '3\n' })
  succeeded(t, await host.run(['deploy']))
  t.equal(host.balancers?.calls, calls, 'and afterwards queries no balancer')
})

t.test('a stop drains first, and a start sets the server ready', async (t) => {
  for (const event of ['stop', 'shutdown', 'undeploy']) {
    const host = await balanced()
    succeeded(t, await host.run([event]))
    const steps = ['state drain', 'health stopping', 'health down', 'state ready', 'health down']
    t.strictSame(
      reported(host),
      ['plone1-2', 'plone1-1'].flatMap((name) => steps.map((what) => `plone_instances/${name} ${what}`)),
      event,
    )
    t.strictSame(states(host), ['ready down', 'ready down'])
    t.equal((await host.run([event])).outcome, 'unchanged')
    if (event === 'undeploy') continue
    succeeded(t, await host.run(['start']))
    t.strictSame(states(host), ['ready', 'ready'])
    t.equal((await host.run(['start'])).outcome, 'unchanged')
  }
  const host = await balanced()
  host.attributes = { ...host.attributes, converge: { balancer: { drain: false } } }
  succeeded(t, await host.run(['stop']))
  t.strictSame(reported(host), [], 'not where that is switched off')
})

t.test('after a stop that was killed anywhere, a start sets all servers ready', async (t) => {
  const base = await balanced()
  const undisturbed = base.clone()
  undisturbed.balancers = balancerOf(undisturbed)
  succeeded(t, await undisturbed.run(['stop']))
  for (let killAt = 1; killAt <= undisturbed.events; killAt++) {
    const host = base.clone()
    host.balancers = balancerOf(host)
    await host.run(['stop'], { killAt })
    const next = await host.run([killAt % 2 ? 'start' : 'deploy'])
    if (next.outcome === 'failed') t.fail(`killed before ${host.killedBefore}: the next run fails`)
    if (states(host).join() !== 'ready,ready') t.fail(`killed before ${host.killedBefore}: ${states(host).join()}`)
  }
  t.ok(undisturbed.events > 10)
})

t.test('a program without a port is not a server of the balancer', async (t) => {
  const host = await balanced()
  set(host, {}, { buildout_init_commands: [{ name: 'worker', cmd: 'bin/client1', args: 'run x' }] })
  host.attributes = { ...host.attributes, ...inStack }
  succeeded(t, await host.run(['deploy']))
  t.notOk(reported(host).some((what) => what.includes('worker')))
})
