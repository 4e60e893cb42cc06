/** Tests what the role monitoring declares: exporters by the roles of the host, and their addresses. */
import t from 'tap'
import type { JsonObject } from '../../core/node/merge.ts'
import { planned } from '../support/role_plans.ts'

const alone = { opsworks: { instance: { hostname: 'app1', private_ip: '10.0.0.1' } } }
const others = {
  opsworks: {
    ...alone.opsworks,
    layers: { plone_instances: { instances: { app2: { private_ip: '10.0.0.2', status: 'online' } } } },
  },
}

async function defaults(roles: readonly string[], json: JsonObject, monitoring: JsonObject = {}) {
  const converge = { roles: [...roles], monitoring }
  const { resources } = await planned('monitoring', { ...json, converge }, { event: 'configure' })
  return Object.fromEntries(
    resources.flatMap(({ name, props }) => {
      const found = /^file \/etc\/default\/prometheus-(\w+)-exporter$/.exec(name)
      const { content } = props as { readonly content?: string }
      return found?.[1] === undefined ? [] : [[found[1], /^ARGS="(.*)"$/m.exec(content ?? '')?.[1]]]
    }),
  )
}

t.test('a host without other roles has the node exporter only', async (t) => {
  t.strictSame(await defaults([], alone), { node: '--web.listen-address=127.0.0.1:9100' })
})

t.test('each role adds the exporters of its programs', async (t) => {
  const scrape = '--nginx.scrape-uri=http://127.0.0.1:8406/stub_status'
  t.strictSame(Object.keys(await defaults(['frontend', 'broker'], alone)), ['node', 'nginx', 'varnish', 'redis'])
  for (const role of ['port-app', 'php-app', 'jetty-app'])
    t.strictSame((await defaults([role], alone)).nginx, `${scrape} --web.listen-address=127.0.0.1:9113`, role)
  t.notOk((await defaults(['console'], alone)).nginx, 'a console without a name has no nginx')
  const named = { ...alone, console: { stack_files: ['/srv/stack.yaml'], server_name: 'deploy.example.com' } }
  t.ok((await defaults(['console'], named)).nginx)
})

t.test('listens at the private address of a stack, or where the attribute says', async (t) => {
  t.match(await defaults([], others), { node: '--web.listen-address=10.0.0.1:9100' })
  t.match(await defaults([], others, { address: '*', node_port: 9200 }), { node: '--web.listen-address=:9200' })
  t.match(await defaults([], alone, { address: 'fd00::1' }), { node: '--web.listen-address=[fd00::1]:9100' })
})

t.test('the exporter of Redis gets the address and the password of the broker', async (t) => {
  const redis = { config: { requirepass: 'planted "one"', listen_port: 6380 } }
  const { resources } = await planned(
    'monitoring',
    { ...others, redis, converge: { roles: ['broker'] } },
    { event: 'configure' },
  )
  const file = resources.find(({ name }) => name === 'file /etc/prometheus-redis-exporter.json')
  t.match(file?.props, {
    content: '{"redis://127.0.0.1:6380":"planted \\"one\\""}\n',
    mode: '0640',
    group: 'prometheus',
  })
  t.match((await defaults(['broker'], { ...others, redis })).redis, '--redis.addr=redis://127.0.0.1:6380 ')
})

t.test('HAProxy serves metrics only on hosts with the role', async (t) => {
  const configuration = async (roles: string[]) => {
    const json = { ...alone, converge: { roles, monitoring: { haproxy_port: 9000 } }, haproxy: { enable_stats: false } }
    const { resources } = await planned('frontend', json, { event: 'configure' })
    return JSON.stringify(resources.find(({ name }) => name === 'file /etc/haproxy/haproxy.cfg')?.props)
  }
  t.match(await configuration(['frontend', 'monitoring']), 'bind 127.0.0.1:9000')
  t.notMatch(await configuration(['frontend']), 'prometheus')
})
