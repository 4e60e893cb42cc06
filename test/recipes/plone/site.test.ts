/** Tests how attributes define hosts, counts and environments. */
import t from 'tap'
import {
  appEnvironment,
  appName,
  buildoutSetting,
  celeryBroker,
  clientCount,
  deployCfgEnvironment,
  withRoles,
} from '../../../recipes/plone/site.ts'
import { hostAddress, onlineInstance, onlineInstances } from '../../../recipes/site/hosts.ts'
import { deployDirectory } from '../../../recipes/site/site_attributes.ts'
import { app, layer, online, site, stack } from '../../support/plone_stack.ts'

t.test('computes clientCount', async (t) => {
  const counts: [string, Parameters<typeof stack>, object, number][] = [
    ['backends are eighths of a CPU', [], { backends: 8 }, 2],
    ['rounds up', [site({ per_cpu: 1 })], { backends: 9 }, 2],
    ['another host than this one', [], { backends: 32 }, 8],
    ['backends 0: the CPUs count', [], { backends: 0 }, 4],
    ['backends absent', [], {}, 4],
    ['backends null', [], { backends: null }, 4],
    ['half a client a CPU', [site({ per_cpu: 0.5 }), { cpu: { total: 3 } }], {}, 2],
    ['at least one', [site({ per_cpu: 0 })], { backends: 8 }, 1],
    ['a fixed count wins', [site({ instance_count: 3 })], { backends: 64 }, 3],
  ]
  for (const [name, json, instance, count] of counts) t.equal(clientCount(stack(...json), instance), count, name)
  t.throws(() => clientCount(stack(site({ instance_count: 60_000 })), {}), {
    code: 'INVALID_ATTRIBUTE',
    message: /plone_instances\.instance_count asks for 60000 ZEO clients/,
  })
  t.throws(() => clientCount(stack(site({ per_cpu: 100_000 })), { backends: 8 }), {
    message: /plone_instances\.per_cpu asks for 100000 ZEO clients/,
  })
})

t.test('computes hostAddress', async (t) => {
  const all = {
    public_dns_name: 'a.example.com',
    private_dns_name: 'a.internal',
    private_ip: '10.0.0.1',
    ip: '192.0.2.1',
  }
  t.equal(hostAddress(all), 'a.example.com')
  t.equal(hostAddress({ ...all, public_dns_name: null }), 'a.internal')
  t.equal(hostAddress({ ...all, public_dns_name: '' }), 'a.internal', 'an empty name is no name')
  t.equal(hostAddress({ private_ip: '10.0.0.1', ip: '192.0.2.1' }), '10.0.0.1')
  t.equal(hostAddress({ ip: '192.0.2.1' }), '192.0.2.1')
  t.throws(() => hostAddress({ hostname: 'a' }), { code: 'NO_ADDRESS', message: 'a has no address' })
  t.throws(() => hostAddress({}), { message: 'this host has no address' })
})

t.test('finds onlineInstance', async (t) => {
  const find = (self: object, ...hosts: object[]) => {
    const { opsworks } = stack(layer('db', ...hosts.map((host) => host as Record<string, unknown>)))
    return onlineInstances(opsworks.layers, 'db', self).map(({ name }) => name)
  }
  const stopped = (name: string) => online(name, { status: 'stopped' })
  t.strictSame(find({}, online('b'), online('a')), ['b', 'a'], 'in the order of the JSON')
  t.strictSame(find({ hostname: 'x' }, stopped('a'), online('b')), ['b'], 'stopped ones do not count')
  t.strictSame(find({ hostname: 'a' }, stopped('a'), online('b')), ['a', 'b'], 'but this host does')
  t.strictSame(find({ hostname: 'a' }, online('b'), stopped('a')), ['b', 'a'])
  const nameless = { hostname: 'a', status: 'stopped' }
  t.strictSame(find({ hostname: 'x', public_dns_name: null }, nameless), [], 'two absent DNS names say nothing')
  const named = { hostname: 'a', status: 'stopped', public_dns_name: 'a.example.com' }
  t.strictSame(find({ hostname: 'x', public_dns_name: 'a.example.com' }, named), ['a'], 'equal public DNS names')
  t.strictSame(find({ hostname: 'x', public_dns_name: 'x.example.com' }, named), [])
  t.strictSame(find({ public_dns_name: '' }, { ...named, public_dns_name: '' }), [], 'two empty names say nothing')
  t.strictSame(find({ hostname: '' }, stopped('a')), [], 'a host without a name is no other')
  const renamed = { db: { instances: { key1: { hostname: 'a', status: 'booting' } } } }
  t.equal(onlineInstance(renamed, 'db', { hostname: 'a' })?.name, 'key1', 'by the host name in the entry')
  t.equal(onlineInstance(renamed, 'db', { hostname: 'key1' })?.name, 'key1', 'by the key')
  t.equal(onlineInstance({}, 'constructor', {}), undefined, 'nor is this one')
  t.equal(onlineInstance(renamed, 'other', { hostname: 'a' }), undefined, 'no such layer')
  t.equal(onlineInstance({ db: { instances: {} } }, 'db', {}), undefined, 'a layer without hosts')
})

t.test('finds celeryBroker', async (t) => {
  const brokers = layer('celery_broker', online('r1', { status: 'stopped' }), online('r2'))
  t.equal(celeryBroker(stack(brokers)), undefined, 'not enabled')
  t.equal(celeryBroker(stack(site({ enable_celery: true }), brokers)), 'r2.internal')
  t.equal(celeryBroker(stack(site({ enable_celery: true, broker: { host: 'r9' } }), brokers)), 'r9')
  t.equal(celeryBroker(stack(site({ enable_celery: true }))), undefined, 'no broker to be found')
})

t.test('reads apps and settings', async (t) => {
  t.equal(appName(stack(), 'zeo-client'), 'plone_instances')
  t.equal(appName(stack({ plone_zeoserver: { app_name: 'db' } }), 'zeo-server'), 'db')
  t.equal(appName(stack({ plone_solr: { app_name: 'search' } }), 'solr'), 'search')
  for (const name of ['', '../etc', 'a b', 'a\nb', '.'])
    t.throws(() => appName(stack(site({ app_name: name })), 'zeo-client'), {
      code: 'INVALID_ATTRIBUTE',
      message: /plone_instances\.app_name/,
    })
  for (const name of ['nowhere', 'constructor']) t.equal(deployDirectory(stack(), name), `/srv/www/${name}`)
  t.equal(deployDirectory(stack(app({ deploy_to: '/opt/site' })), 'plone_instances'), '/opt/site')
  const inherit = (...json: Parameters<typeof stack>) =>
    buildoutSetting(stack(...json), 'plone_instances', 'inherit_parts')
  t.equal(inherit(), true, 'the default')
  t.equal(inherit(app({ buildout_inherit_parts: false })), false, 'false counts as set')
  t.equal(inherit({ deploy_buildout: { inherit_parts: false } }), false, 'for all apps')
  t.equal(inherit({ deploy_buildout: { inherit_parts: false } }, app({ buildout_inherit_parts: true })), true)
  t.equal(inherit(app({ buildout_inherit_parts: null })), true, 'null is unset')
  const version = (own: object) => buildoutSetting(stack(app({ ...own })), 'plone_instances', 'buildout_version')
  t.equal(version({}), '')
  t.equal(version({ buildout_buildout_version: '2.13.8' }), '2.13.8')
  t.equal(version({ buildout_buildout_version: '2.13.8', buildout_version: '3.0.1' }), '3.0.1')
  const before = stack()
  const both = withRoles(before, ['relstorage-pack', 'celerybeat']).plone_instances
  t.equal(both.relstorage.enable_pack, true)
  t.equal(both.relstorage.pack_days, 7, 'the rest is kept')
  t.equal(both.celerybeat, true)
  t.strictSame(withRoles(before, ['zeo-client']), before)
  t.equal(before.plone_instances.relstorage.enable_pack, false, 'the attributes given are left alone')
})

t.test('computes appEnvironment', async (t) => {
  const environment = {
    Z: 1,
    A: true,
    ABSENT: null,
    RUBYOPT: 'x',
    RAILS_ENV: 'production',
    RACK_ENV: 'x',
    TMPDIR: '/tmp',
    TEMP: '/tmp',
    PATH: '/usr/bin:/bin',
    ruby: 'kept',
  }
  const got = appEnvironment(stack(app({ environment })), 'zeo-client')
  t.strictSame(Object.entries(got), [
    ['A', 'true'],
    ['PATH', '/usr/bin:/bin'],
    ['PYTHON_EGG_CACHE', '/srv/www/plone_instances/shared/eggs'],
    ['TEMP', '/tmp'],
    ['TMPDIR', '/tmp'],
    ['Z', '1'],
    ['ruby', 'kept'],
  ])
  t.strictSame(Object.keys(deployCfgEnvironment(got)), ['A', 'PATH', 'PYTHON_EGG_CACHE', 'Z', 'ruby'])
  t.strictSame(appEnvironment(stack(), 'solr', '/home/me/srv/solr'), {
    PYTHON_EGG_CACHE: '/home/me/srv/solr/shared/eggs',
  })
  const own = app({ environment: { PYTHON_EGG_CACHE: '/eggs', NEW_RELIC_ENABLED: 'false' } })
  const traced = appEnvironment(stack(site({ newrelic_tracing: true }), own), 'zeo-client')
  t.strictSame(traced, {
    NEW_RELIC_CONFIG_FILE: '/etc/newrelic/newrelic.ini',
    NEW_RELIC_ENABLED: 'false',
    NEW_RELIC_ENVIRONMENT: 'demo',
    PYTHON_EGG_CACHE: '/eggs',
  })
  const untraced = appEnvironment(stack(site({ newrelic_tracing: true, traceview_tracing: true })), 'zeo-server')
  t.strictSame(Object.keys(untraced), ['PYTHON_EGG_CACHE'], 'tracing is for clients')
})

t.test('refuses an environment that no program can have', async (t) => {
  const bad = app({
    environment: { 'A-B': 1, '1ST': 1, SECRET: 'hunter2\rEVIL=1', GOOD: 'x' },
  })
  const error = t.throws(() => appEnvironment(stack(bad), 'zeo-client'), {
    code: 'INVALID_INPUT',
    problems: [
      { message: 'deploy.plone_instances.environment has a variable named "1ST"' },
      { message: 'deploy.plone_instances.environment has a variable named "A-B"' },
      {
        message:
          'deploy.plone_instances.environment.SECRET cannot be written: supervisor cannot hold a carriage return',
      },
    ],
  })
  t.notMatch(JSON.stringify(error), 'hunter2', 'values are never shown')
})
