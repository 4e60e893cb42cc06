/** Tests client settings that name a layer without an online host: a run reports them with a hint. */
import t from 'tap'
import type { JsonObject } from '../../../core/node/merge.ts'
import { Machine } from '../../support/fake_machine.ts'
import { planned } from '../../support/role_plans.ts'

const host = (status: string) => ({ status, private_ip: '10.0.0.9', private_dns_name: 'other.internal' })
const stack = (layer: string, status: string): JsonObject => ({
  opsworks: {
    instance: { hostname: 'web1', private_ip: '10.0.0.1' },
    layers: { [layer]: { instances: { other: host(status) } } },
  },
  deploy: { plone_instances: { scm: { repository: 'git@h:r.git' } } },
})

async function warnings(clients: JsonObject, json: JsonObject, roles = 'zeo-client', event = 'deploy') {
  const plan = await planned(roles, { ...json, plone_instances: clients }, { host: new Machine(), event })
  return plan.warnings.filter((one) => /no host of the layer/.test(one))
}

const cases = [
  {
    clients: { enable_celery: true },
    layer: 'celery_broker',
    warning:
      /celery_broker is online: plone_instances.enable_celery has no effect \(.*set plone_instances.broker.host\)/,
    fixed: { enable_celery: true, broker: { host: 'mq1' } },
  },
  {
    clients: { solr_enabled: true, solr_layer: 'search' },
    layer: 'search',
    warning: /layer search is online: plone_instances.solr_enabled has no effect \(.*set plone_instances.solr_host\)/,
    fixed: { solr_enabled: true, solr_host: 'solr1' },
  },
  {
    clients: {},
    layer: 'zeoserver',
    warning: /layer zeoserver is online: clients take the address .* \(.*set plone_instances.zeo.address\)/,
    fixed: { zeo: { address: 'db1:8001' } },
  },
  {
    clients: { enable_relstorage: true },
    layer: 'memcached',
    warning: /layer memcached is online: the cache of RelStorage has no servers \(.*relstorage.cache_servers\)/,
    fixed: { enable_relstorage: true, relstorage: { cache_servers: 'cache1:11211' } },
  },
]

for (const { clients, layer, warning, fixed } of cases)
  t.test(`warns if ${layer} has no online host`, async (t) => {
    const down = stack(layer, 'stopped')
    t.match(await warnings(clients, down), [warning])
    t.match(await warnings(clients, down, 'zeo-client', 'setup,deploy,configure'), [warning], 'once in a run')
    t.strictSame(await warnings(fixed, down), [], 'the host is named')
    t.strictSame(await warnings(clients, stack(layer, 'online')), [], 'it is online')
    t.strictSame((await planned('zeo-client', { ...down, plone_instances: clients })).warnings, [], 'not when rendered')
  })

t.test('does not warn if the stack has no such layer', async (t) => {
  t.strictSame(await warnings({}, stack('other', 'stopped')), [], 'the site may know its ZEO server')
  t.strictSame(await warnings({}, stack('zeoserver', 'stopped'), 'zeo-server,zeo-client'), [], 'it is on this host')
  t.equal((await warnings({ enable_celery: true }, stack('other', 'stopped'))).length, 1)
  t.equal((await warnings({ solr_enabled: true }, stack('other', 'stopped'))).length, 1)
  t.strictSame(await warnings({ enable_relstorage: true }, stack('zeoserver', 'stopped')), [])
})
