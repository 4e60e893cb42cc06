/** Tests that the balancer and the clients use the same names. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { neutralFacts } from '../../../core/node/facts.ts'
import { balancedServers } from '../../../recipes/frontend/haproxy.ts'
import type { SiteNode } from '../../../recipes/node.ts'
import {
  absentServers,
  backendName,
  balancersOf,
  clientHosts,
  clientPrograms,
  localBalancer,
  ownHostName,
  serverAt,
  serverName,
  uncoordinatedHosts,
  withClients,
} from '../../../recipes/plone/balancing.ts'
import { clientCount, clientPort } from '../../../recipes/plone/site.ts'
import type { NodeJson } from '../../support/golden.ts'
import { layer, online, site, stack } from '../../support/plone_stack.ts'

t.test('the backend has the name of the layer', async (t) => {
  t.equal(backendName(stack()), 'plone_instances')
  t.equal(
    backendName(stack(layer('plone_instances', online('plone1')), site({ app_name: 'intranet' }))),
    'plone_instances',
  )
  t.equal(backendName(stack(layer('intranet', online('plone1')), site({ app_name: 'intranet' }))), 'intranet')
  t.equal(backendName(stack(layer('lb'), site({ app_name: 'intranet' }))), 'plone_instances')
})

t.test('a server has the name of its host in the stack', async (t) => {
  t.equal(serverName('plone1', 2), 'plone1-2')
  const clients = (instances: object) => ({ opsworks: { layers: { plone_instances: { instances } } } })
  t.equal(ownHostName(stack()), 'plone1', 'a stack without this host')
  t.equal(ownHostName(stack(clients({ a: online('plone1') }))), 'a')
  t.equal(ownHostName(stack(clients({ b: online('b') }))), 'plone1')
  const some = stack(clients({ b: online('b'), c: online('c', { status: 'stopped' }) }))
  t.strictSame(
    clientHosts(some).map(({ name }) => name),
    ['b'],
  )
})

t.test('clients drain the servers that the frontend writes', async (t) => {
  const clients = { plone1: online('plone1', { backends: 8 }), plone2: online('plone2', { backends: 16 }) }
  const attributes = stack({ opsworks: { layers: { plone_instances: { instances: clients } } } })
  const written = balancedServers(attributes).map(({ name }) => `${backendName(attributes)}/${name}`)
  t.equal(written.length, 6)
  const count = clientCount(attributes, attributes.opsworks.instance)
  const own = Array.from({ length: count }, (_, index) => serverAt(attributes, clientPort(index + 1)))
  t.strictSame(own, written.slice(0, count))
})

t.test('balances the clients of this run, whatever the layers contain', (t) => {
  const settingsOf = (layers: object, run: object, instance: object = {}, host = new VirtualHost()) => {
    const attributes = stack({
      opsworks: { instance: { hostname: 'plone1', private_ip: '10.0.0.1', backends: 8, ...instance }, layers },
    })
    const node = { ...attributes, converge: { prefix: '/', supervisor: { conf_dir: '/conf.d' } }, run }
    const site = node as unknown as SiteNode
    return balancedServers(withClients(site, clientPrograms(site).read(host))).map(
      ({ name, address }) => `${name} ${address}`,
    )
  }
  const [together, alone] = [{ roles: ['zeo-server', 'zeo-client', 'frontend'] }, { roles: ['frontend'] }]
  const clients = (instances: object) => ({ plone_instances: { instances } })
  const own = ['plone1-1 127.0.0.1:8081', 'plone1-2 127.0.0.1:8082']
  const other = online('plone2', { backends: 4, private_dns_name: 'p2' })
  t.strictSame(settingsOf({}, together), own, 'no layer at all')
  t.strictSame(
    settingsOf({}, together, { hostname: '' }),
    own.map((one) => one.replace('plone1', 'localhost')),
  )
  t.strictSame(
    settingsOf(clients({ plone2: other }), together),
    ['plone2-1 p2:8081', ...own],
    'a layer without this host',
  )
  t.strictSame(
    settingsOf(clients({ plone2: { ...other, status: 'stopped' } }), together),
    own,
    'a layer of stopped hosts',
  )
  const listed = online('plone1', { backends: 8, private_dns_name: 'p1' })
  t.strictSame(settingsOf(clients({ plone2: other, plone1: { ...listed, status: 'booting' } }), together), [
    'plone2-1 p2:8081',
    'plone1-1 p1:8081',
    'plone1-2 p1:8082',
  ])
  const renamed = { status: 'online', backends: 8, private_ip: '10.0.0.1' }
  const byAddress = ['app-1 10.0.0.1:8081', 'app-2 10.0.0.1:8082']
  t.strictSame(settingsOf(clients({ app: renamed }), together), byAddress, 'under another name')
  t.strictSame(settingsOf(clients({ app: { ...renamed, status: 'stopped' } }), together), byAddress)

  t.strictSame(settingsOf({}, alone), [], 'a frontend alone balances no clients outside the layers')
  const installed = new VirtualHost().given('/conf.d/plone_instances-client1.conf', '')
  t.strictSame(settingsOf({}, alone, {}, installed), own, 'except clients that an earlier run has installed')
  t.strictSame(settingsOf(clients({ plone2: other }), alone, {}, installed), ['plone2-1 p2:8081'])
  t.end()
})

t.test('finds the server of a port', async (t) => {
  t.equal(serverAt(stack(), 8081), 'plone_instances/plone1-1')
  t.equal(
    serverAt(stack(layer('intranet', online('plone1')), site({ app_name: 'intranet' })), 8083),
    'intranet/plone1-3',
  )
})

const socket = '/var/lib/haproxy/stats'

function balancers(json: readonly NodeJson[], host: VirtualHost | null = new VirtualHost()) {
  const node = { ...stack(...json), facts: neutralFacts } as unknown as SiteNode
  const run = { id: '', events: [], options: {}, by: '' }
  return balancersOf({ ...node, run }, host && localBalancer(node).read(host))
}

/** @param options options of the command */
function uncoordinated(json: readonly NodeJson[], options: { readonly coordinated?: boolean } = {}) {
  const node = { ...stack(...json), facts: { uid: 0 } } as unknown as SiteNode
  const local = localBalancer(node).read(new VirtualHost())
  return uncoordinatedHosts({ ...node, run: { id: '', events: [], options, by: '' } }, local)
}

const settings = (balancer: NodeJson): NodeJson => ({ converge: { balancer } })
const layersOfThis = (...layers: string[]): NodeJson => ({ opsworks: { instance: { layers } } })

t.test('the former socket of HAProxy counts only where no other account can replace it', (t) => {
  const lb = layersOfThis('lb')
  const former = '/tmp/haproxy.sock'
  const balancersOn = (host: VirtualHost) => balancers([lb, settings({ layers: ['lb'] })], host)
  t.strictSame(balancersOn(new VirtualHost().given(former, { other: true })), [{ socket: former }])
  const linked = new VirtualHost()
    .given('/run/others.sock', { other: true })
    .given(former, { link: '/run/others.sock' })
  t.strictSame(balancersOn(linked), [{ socket }], 'a link leads to a socket of another program')
  const foreign = new VirtualHost().given('/etc/passwd', 'root:x:0:0::/:/bin/sh\nann:x:1000:1000::/:/bin/sh\n')
  foreign.given(former, { other: true }, '0755', 'ann')
  t.strictSame(balancersOn(foreign), [{ socket }])
  t.end()
})

t.test('finds hosts that may restart their clients at the same time', async (t) => {
  const clients = layer('plone_instances', online('plone1'), online('plone2'), online('plone3', { status: 'stopped' }))
  t.strictSame(uncoordinated([clients]), ['plone2'])
  t.strictSame(uncoordinated([clients], { coordinated: true }), [], 'a rollout decides')
  t.strictSame(uncoordinated([clients, settings({ drain: false })]), [], 'no warning where draining is off')
  t.strictSame(uncoordinated([clients, settings({ sockets: ['lb:9999'] })]), [])
  t.strictSame(uncoordinated([clients, layer('lb', online('lb1')), settings({ port: 8099 })]), [])
  t.strictSame(uncoordinated([clients, layer('lb', online('lb1'))]), ['plone2'], 'the port is not set')
  t.strictSame(uncoordinated([layer('plone_instances', online('plone1'))]), [], 'no other host')
})

t.test('finds the balancers of the stack', async (t) => {
  t.strictSame(balancers([]), [], 'no frontend')
  for (const name of ['lb', 'frontend', 'haproxy']) t.strictSame(balancers([layersOfThis(name)]), [{ socket }], name)
  t.strictSame(balancers([layer('lb', online('plone1'))]), [{ socket }], 'the layer has this host')
  t.strictSame(balancers([layersOfThis('plone_instances')]), [])
  t.strictSame(balancers([layersOfThis('edge'), settings({ layers: ['edge'] })]), [{ socket }])
  t.strictSame(balancers([], new VirtualHost().given(socket, '')), [{ socket }], 'a socket without a layer')
  t.strictSame(balancers([], null), [], 'where nothing may be looked up')
  t.strictSame(balancers([layersOfThis('lb'), { converge: { prefix: '/home/jane' } }]), [
    { socket: `/home/jane${socket}` },
  ])

  const two = layer(
    'lb',
    online('lb1', { private_ip: '10.0.0.8' }),
    online('lb2'),
    online('lb3', { status: 'stopped' }),
  )
  t.strictSame(balancers([two]), [], 'others are asked only where they listen')
  t.strictSame(balancers([two, settings({ port: 9999 })]), [
    { host: '10.0.0.8', port: 9999 },
    { host: 'lb2.internal', port: 9999 },
  ])
  t.strictSame(balancers([layer('lb', online('plone1'), online('lb2')), settings({ port: 9999 })]), [
    { socket },
    { host: 'lb2.internal', port: 9999 },
  ])
  t.strictSame(balancers([settings({ sockets: ['/run/other.sock', 'edge:7777', '/run/other.sock'] })]), [
    { socket: '/run/other.sock' },
    { host: 'edge', port: 7777 },
  ])
})

t.test('names the clients of hosts that the rollout cannot reach', async (t) => {
  const absent = (json: readonly NodeJson[], ...absentHosts: string[]) => {
    const node = { ...stack(...json), facts: neutralFacts } as unknown as SiteNode
    return absentServers({ ...node, run: { id: '', events: [], options: {}, absentHosts, by: '' } })
  }
  const clients = layer('plone_instances', online('plone1'), online('plone2'), online('plone3', { status: 'stopped' }))
  const two = { plone_instances: { instance_count: 2 } }
  t.strictSame(absent([clients, two], 'plone2', 'web1', 'plone3'), [
    'plone_instances/plone2-1',
    'plone_instances/plone2-2',
  ])
  t.strictSame(absent([clients, two]), [])
})
