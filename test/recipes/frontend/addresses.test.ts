/** Tests the addresses on which HAProxy, Varnish and the clients listen: only those that another service needs. */
import t from 'tap'
import { attributeSchemas } from '../../../attributes/index.ts'
import { compile } from '../../../core/compile/compile.ts'
import { neutralFacts } from '../../../core/node/facts.ts'
import { balancerAt, bindAddresses, cacheAt, requestAddress } from '../../../recipes/frontend/addresses.ts'
import { balancedServers, checkHaproxy, renderHaproxy } from '../../../recipes/frontend/haproxy.ts'
import { frontendLayout } from '../../../recipes/frontend/layout.ts'
import { varnishUnit } from '../../../recipes/frontend/varnish_service.ts'
import type { SiteNode } from '../../../recipes/node.ts'
import zeoClient from '../../../recipes/zeo_client/role.ts'
import { type NodeJson, nodeOf } from '../../support/golden.ts'

const debian12 = '/usr/sbin/varnishd -j unix,user=vcache -F -a :6081 -T localhost:6082 -f /x -S /y -s malloc,1g'

const own = { hostname: 'web1', private_ip: '10.0.0.5', status: 'online' }
const clientsOn = (...names: string[]): NodeJson => ({
  opsworks: {
    instance: own,
    layers: {
      plone_instances: {
        instances: Object.fromEntries(
          names.map((name, at) => [
            name,
            name === 'web1' ? own : { status: 'online', private_ip: `10.0.0.${at + 10}` },
          ]),
        ),
      },
    },
  },
})

function nodeWith(...layers: NodeJson[]): SiteNode {
  const run = { id: 'test', events: [], options: {}, by: 'tester', roles: ['frontend'] }
  const addresses = ['127.0.0.1', '10.0.0.5'].map((address) => ({
    interface: 'eth0',
    address,
    family: 'IPv4' as const,
    internal: false,
  }))
  const attributes = nodeOf({ cpu: { total: 1 } } as unknown as NodeJson, ...layers)
  return { ...attributes, facts: { ...neutralFacts, addresses }, run } as unknown as SiteNode
}

t.test('uses the loopback address if everything is on one host', async (t) => {
  const node = nodeWith(clientsOn('web1'))
  t.strictSame(bindAddresses(balancerAt(node)), ['127.0.0.1:8080'])
  t.strictSame(bindAddresses(cacheAt(node)), ['127.0.0.1:6081'])
  t.match(renderHaproxy(node, frontendLayout(node), ''), /\n {2}bind 127\.0\.0\.1:8080\n/)
  t.match(renderHaproxy(node, frontendLayout(node), ''), /\n {2}stats socket \/var\/lib\/haproxy\/stats mode 660 /)
  t.match(varnishUnit(node, debian12), / -a 127\.0\.0\.1:6081 -T /)
})

t.test('clients on other hosts reach Varnish by the private address', async (t) => {
  const node = nodeWith(clientsOn('web1', 'app2'))
  t.strictSame(bindAddresses(cacheAt(node)), ['127.0.0.1:6081', '10.0.0.5:6081'])
  t.match(varnishUnit(node, debian12), / -a 127\.0\.0\.1:6081 -a 10\.0\.0\.5:6081 -T /)
  const loopback = { opsworks: { instance: { ...own, private_ip: '127.0.0.1' } } } as unknown as NodeJson
  t.strictSame(bindAddresses(cacheAt(nodeWith(clientsOn('app2'), loopback))), ['127.0.0.1:6081'], 'each address once')
  t.strictSame(bindAddresses(balancerAt(node)), ['127.0.0.1:8080'], 'HAProxy is for this host alone')
  const elsewhere = { opsworks: { instance: { ...own, private_ip: '192.0.2.1' } } } as unknown as NodeJson
  t.strictSame(
    bindAddresses(cacheAt(nodeWith(clientsOn('app2'), elsewhere))),
    [':6081'],
    'an address that this host lacks',
  )
})

t.test('uses addresses from attributes', async (t) => {
  const frontend = (more: object) =>
    nodeWith(clientsOn('web1'), { converge: { frontend: more } } as unknown as NodeJson)
  t.strictSame(bindAddresses(balancerAt(frontend({ balancer_address: '*' }))), [':8080'])
  t.equal(requestAddress(balancerAt(frontend({ balancer_address: '*' }))), '127.0.0.1:8080')
  t.strictSame(bindAddresses(cacheAt(frontend({ cache_address: '::1' }))), ['[::1]:6081'])
  t.equal(requestAddress(cacheAt(frontend({ cache_address: '::' }))), '[::1]:6081')
  t.equal(requestAddress(cacheAt(frontend({ cache_address: '10.0.0.5' }))), '10.0.0.5:6081')
  for (const wrong of ['localhost', '10.0.0.5:80', '', '10.0.0.5 ssl', 'fe80::1%eth0'])
    t.notOk(attributeSchemas.converge.safeParse({ frontend: { balancer_address: wrong } }).success, wrong)
})

t.test('clients may listen on one address', async (t) => {
  const local = { plone_instances: { listen_address: '127.0.0.1', instance_count: 2 } } as unknown as NodeJson
  t.strictSame(
    balancedServers(nodeWith(clientsOn('web1'), local)).map(({ address }) => address),
    ['127.0.0.1:8081', '127.0.0.1:8082'],
  )
  const node = nodeWith(clientsOn('web1', 'app2'), local)
  t.throws(() => checkHaproxy(node), {
    message: /plone_instances\.listen_address is 127\.0\.0\.1, and HAProxy must reach clients of app2/,
  })
})

t.test('a smoke test requests the address of the clients', async (t) => {
  const http = [{ path: '/' }, { path: '/', port: 9000 }, { path: '/', host: '192.0.2.1' }]
  const requestLog = (more: object) => {
    const site = { instance_count: 1, zeo: { address: '127.0.0.1:8001' }, ...more }
    const node = nodeWith(clientsOn('web1'), { plone_instances: site } as unknown as NodeJson)
    const deploy = attributeSchemas.deploy.parse({
      plone_instances: { scm: { repository: '/srv/site.git' }, smoke_test: { http } },
    })
    const { resources } = compile([zeoClient], ['deploy'], { ...node, deploy })
    return resources.flatMap(({ type, props }) => {
      if (type !== 'smoke_test') return []
      const { requests } = props as { readonly requests: readonly { readonly host: string; readonly port: number }[] }
      return requests.map(({ host, port }) => `${host}:${port}`)
    })
  }
  t.strictSame(requestLog({}), ['127.0.0.1:8081', '127.0.0.1:9000', '192.0.2.1:8081'])
  t.strictSame(requestLog({ listen_address: '10.0.0.5' }), ['10.0.0.5:8081', '127.0.0.1:9000', '192.0.2.1:8081'])
})
