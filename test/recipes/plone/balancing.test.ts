/** Tests that the balancer and the clients use the same names. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { balancedServers } from '../../../recipes/frontend/haproxy.ts'
import type { SiteNode } from '../../../recipes/node.ts'
import {
  backendName,
  balancersOf,
  clientHosts,
  ownHostName,
  serverAt,
  serverName,
  uncoordinatedHosts,
} from '../../../recipes/plone/balancing.ts'
import { clientCount, clientPort } from '../../../recipes/plone/site.ts'
import type { NodeJson } from '../../support/golden.ts'
import { layer, online, site, stack } from '../../support/plone_stack.ts'

t.test('the backend is named as the layer of the clients', async (t) => {
  t.equal(backendName(stack()), 'plone_instances')
  t.equal(
    backendName(stack(layer('plone_instances', online('plone1')), site({ app_name: 'intranet' }))),
    'plone_instances',
  )
  t.equal(backendName(stack(layer('intranet', online('plone1')), site({ app_name: 'intranet' }))), 'intranet')
  t.equal(backendName(stack(layer('lb'), site({ app_name: 'intranet' }))), 'plone_instances')
})

t.test('a host goes by the name it has in the stack', async (t) => {
  t.equal(serverName('plone1', 2), 'plone1-2')
  const clients = (instances: object) => ({ opsworks: { layers: { plone_instances: { instances } } } })
  t.equal(ownHostName(stack()), 'plone1', 'a stack that does not know it')
  t.equal(ownHostName(stack(clients({ a: online('plone1') }))), 'a')
  t.equal(ownHostName(stack(clients({ b: online('b') }))), 'plone1')
  const some = stack(clients({ b: online('b'), c: online('c', { status: 'stopped' }) }))
  t.strictSame(
    clientHosts(some).map(({ name }) => name),
    ['b'],
  )
})

t.test('what the frontend writes is what the clients drain', async (t) => {
  const clients = { plone1: online('plone1', { backends: 8 }), plone2: online('plone2', { backends: 16 }) }
  const attributes = stack({ opsworks: { layers: { plone_instances: { instances: clients } } } })
  const written = balancedServers(attributes).map(({ name }) => `${backendName(attributes)}/${name}`)
  t.equal(written.length, 6)
  const count = clientCount(attributes, attributes.opsworks.instance)
  const own = Array.from({ length: count }, (_, index) => serverAt(attributes, clientPort(index + 1)))
  t.strictSame(own, written.slice(0, count))
})

t.test('the clients of this run are balanced, whatever the layers say', (t) => {
  const here = (layers: object, run: object, instance: object = {}) => {
    const attributes = stack({
      opsworks: { instance: { hostname: 'plone1', private_ip: '10.0.0.1', backends: 8, ...instance }, layers },
    })
    const node = { ...attributes, converge: { prefix: '/', supervisor: { conf_dir: '/conf.d' } }, run }
    return balancedServers(node as unknown as SiteNode).map(({ name, address }) => `${name} ${address}`)
  }
  const [together, alone] = [
    { roles: ['zeo-server', 'zeo-client', 'frontend'], host: null },
    { roles: ['frontend'], host: null },
  ]
  const clients = (instances: object) => ({ plone_instances: { instances } })
  const own = ['plone1-1 127.0.0.1:8081', 'plone1-2 127.0.0.1:8082']
  const other = online('plone2', { backends: 4, private_dns_name: 'p2' })
  t.strictSame(here({}, together), own, 'no layer at all')
  t.strictSame(
    here({}, together, { hostname: null }),
    own.map((one) => one.replace('plone1', 'localhost')),
  )
  t.strictSame(here(clients({ plone2: other }), together), ['plone2-1 p2:8081', ...own], 'a layer without this host')
  t.strictSame(here(clients({ plone2: { ...other, status: 'stopped' } }), together), own, 'a layer of stopped hosts')
  const listed = online('plone1', { backends: 8, private_dns_name: 'p1' })
  t.strictSame(here(clients({ plone2: other, plone1: { ...listed, status: 'booting' } }), together), [
    'plone2-1 p2:8081',
    'plone1-1 p1:8081',
    'plone1-2 p1:8082',
  ])
  const renamed = { status: 'online', backends: 8, private_ip: '10.0.0.1' }
  const byAddress = ['app-1 10.0.0.1:8081', 'app-2 10.0.0.1:8082']
  t.strictSame(here(clients({ app: renamed }), together), byAddress, 'under another name')
  t.strictSame(here(clients({ app: { ...renamed, status: 'stopped' } }), together), byAddress)

  t.strictSame(here({}, alone), [], 'a frontend alone balances nothing that nobody tells of')
  const installed = new VirtualHost().given('/conf.d/plone_instances-client1.conf', '')
  t.strictSame(here({}, { ...alone, host: installed }), own, 'but clients that an earlier run has installed')
  t.strictSame(here(clients({ plone2: other }), { ...alone, host: installed }), ['plone2-1 p2:8081'])
  t.end()
})

t.test('the server that a port belongs to', async (t) => {
  t.equal(serverAt(stack(), 8081), 'plone_instances/plone1-1')
  t.equal(
    serverAt(stack(layer('intranet', online('plone1')), site({ app_name: 'intranet' })), 8083),
    'intranet/plone1-3',
  )
})

const socket = '/var/lib/haproxy/stats'

function balancers(json: readonly NodeJson[], host: VirtualHost | null = new VirtualHost()) {
  const node = stack(...json) as unknown as SiteNode
  return balancersOf({ ...node, run: { id: '', events: [], options: {}, host, by: '' } })
}

/** @param options options of the command */
function uncoordinated(json: readonly NodeJson[], options: { readonly coordinated?: boolean } = {}) {
  const node = stack(...json) as unknown as SiteNode
  return uncoordinatedHosts({ ...node, run: { id: '', events: [], options, host: new VirtualHost(), by: '' } })
}

const settings = (balancer: NodeJson): NodeJson => ({ converge: { balancer } })
const layersOfThis = (...layers: string[]): NodeJson => ({ opsworks: { instance: { layers } } })

t.test('hosts that may restart their clients at the same time', async (t) => {
  const clients = layer('plone_instances', online('plone1'), online('plone2'), online('plone3', { status: 'stopped' }))
  t.strictSame(uncoordinated([clients]), ['plone2'])
  t.strictSame(uncoordinated([clients], { coordinated: true }), [], 'a rollout decides')
  t.strictSame(uncoordinated([clients, settings({ drain: false })]), [], 'no warning where draining is off')
  t.strictSame(uncoordinated([clients, settings({ sockets: ['lb:9999'] })]), [])
  t.strictSame(uncoordinated([clients, layer('lb', online('lb1')), settings({ port: 8099 })]), [])
  t.strictSame(uncoordinated([clients, layer('lb', online('lb1'))]), ['plone2'], 'the port is not set')
  t.strictSame(uncoordinated([layer('plone_instances', online('plone1'))]), [], 'no other host')
})

t.test('which balancers there are to be told', async (t) => {
  t.strictSame(balancers([]), [], 'no frontend')
  for (const name of ['lb', 'frontend', 'haproxy']) t.strictSame(balancers([layersOfThis(name)]), [{ socket }], name)
  t.strictSame(balancers([layer('lb', online('plone1'))]), [{ socket }], 'the layer has this host')
  t.strictSame(balancers([layersOfThis('plone_instances')]), [])
  t.strictSame(balancers([layersOfThis('edge'), settings({ layers: ['edge'] })]), [{ socket }])
  t.strictSame(balancers([], new VirtualHost().given(socket, '')), [{ socket }], 'a socket that no layer tells of')
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
