/** Tests deploy.cfg beyond the golden cases: every attribute of the roles that run a buildout. */
import t from 'tap'
import { type BuildoutCfg, option, reference, renderBuildoutCfg } from '../../../recipes/plone/buildout_cfg.ts'
import { renderDeployCfg } from '../../../recipes/plone/deploy_cfg.ts'
import { withRoles } from '../../../recipes/plone/site.ts'
import type { NodeJson } from '../../support/golden.ts'
import { type Ini, parseIni } from '../../support/ini.ts'
import { app, layer, online, site, stack } from '../../support/plone_stack.ts'

const client = (...json: NodeJson[]): Ini => parseIni(renderDeployCfg(stack(...json), 'zeo-client'))
const server = (...json: NodeJson[]): Ini => parseIni(renderDeployCfg(stack(...json), 'zeo-server'))
const solr = (...json: NodeJson[]): Ini => parseIni(renderDeployCfg(stack(...json), 'solr'))
const relstorage = (settings: NodeJson, more: NodeJson = {}) =>
  site({ enable_relstorage: true, relstorage: settings, ...more })
const backends = (n: number): NodeJson => ({ opsworks: { instance: { backends: n } } })

t.test('renders [buildout]', async (t) => {
  const lists = app({ buildout_extends: ['cfg/a.cfg', 'cfg/b.cfg'], buildout_parts_to_include: ['zeoserver', 'tools'] })
  t.strictSame(client(lists).buildout, {
    'extends-cache': ['extends'],
    unzip: ['true'],
    extends: ['cfg/base.cfg', 'cfg/a.cfg', 'cfg/b.cfg'],
    'parts +=': ['client1', 'client2', 'zeoserver', 'tools'],
  })
  const alone = client(app({ buildout_inherit_parts: false })).buildout
  t.strictSame(alone?.parts, ['client1', 'client2'])
  t.notOk(alone && 'parts +=' in alone)
  t.strictSame(client({ deploy_buildout: { inherit_parts: false } }).buildout?.parts, ['client1', 'client2'])
  t.strictSame(server({ deploy: { zeoserver: { buildout_parts_to_include: ['cron'] } } }).buildout?.['parts +='], [
    'zeoserver',
    'backup',
    'packcronjob',
    'cron',
  ])
})

t.test('counts the clients', async (t) => {
  t.strictSame(client(site({ instance_count: 1 })).buildout?.['parts +='], ['client1'])
  t.strictSame(client(backends(0)).buildout?.['parts +='], ['client1', 'client2', 'client3', 'client4'], 'by CPU')
  const three = client(site({ instance_count: 3, persistent_cache: false }))
  t.strictSame(three.client3, { '<': ['client1'], 'http-address': ['8083'] })
  t.notOk(three.client4)
})

t.test('renders [client1]', async (t) => {
  const egg = ['PYTHON_EGG_CACHE /srv/www/plone_instances/shared/eggs']
  t.strictSame(
    client(site({ shared_blobs: false, persistent_cache: false, zodb_cache_size: 30000, zserver_threads: 1 }), {
      plone_blobs: { blob_dir: '/mnt/blobs' },
    }).client1,
    {
      'shared-blob': ['off'],
      'blob-storage': ['/mnt/blobs'],
      'zodb-cache-size': ['30000'],
      'zserver-threads': ['1'],
      'http-fast-listen': ['off'],
      'environment-vars +=': egg,
    },
  )
  for (const version of ['2.4'])
    t.strictSame(
      client(app({ python_major_version: version })).client1,
      { 'zeo-client-client': ['zeoclient-1'], 'environment-vars +=': egg },
      'Python 2.4 knows no fast listening',
    )
  t.ok(client(app({ python_major_version: '2.7' })).client1?.['http-fast-listen'])
  const environment = { TMPDIR: '/tmp', TEMP: '/x', RUBYLIB: '/x', B: 'two words', A: '', C: null }
  t.strictSame(
    parseIni(renderDeployCfg(stack(app({ environment })), 'zeo-client', { deployTo: '/home/me/plone' })).client1?.[
      'environment-vars +='
    ],
    ['A', 'B two words', 'PYTHON_EGG_CACHE /home/me/plone/shared/eggs'],
  )
})

t.test('renders syslog', async (t) => {
  const log = (level: string) => [
    '<logfile>',
    `path ${reference('buildout', 'directory')}/var/log/${reference('', '_buildout_section_name_')}.log`,
    'level INFO',
    '</logfile>',
    '<syslog>',
    'address /dev/log',
    'facility local3',
    `format ${reference('', '_buildout_section_name_')}: %(message)s`,
    `level ${level}`,
    '</syslog>',
  ]
  t.strictSame(client(site({ syslog_facility: 'local3' })).client1?.['event-log-custom'], log('INFO'))
  t.strictSame(
    server({ plone_zeoserver: { syslog_facility: 'local3', syslog_level: 'ERROR' } }).zeoserver,
    { 'zeo-log-custom': log('ERROR') },
    'of the ZEO server',
  )
  t.strictSame(
    Object.keys(
      server({ plone_zeoserver: { syslog_facility: 'local3' }, plone_blobs: { blob_dir: '/b' } }).zeoserver ?? {},
    ),
    ['blob-storage', 'zeo-log-custom'],
  )
  t.match(
    renderDeployCfg(stack(site({ syslog_facility: 'local3' })), 'zeo-client'),
    '\nevent-log-custom =\n    <logfile>\n    path $',
    'several lines are indented by four spaces',
  )
})

t.test('renders the address of the ZEO server', async (t) => {
  const zeo = (...json: NodeJson[]) => client(...json)['zeo-host']?.address
  t.strictSame(zeo(), ['zeo1.internal:8001'])
  t.strictSame(zeo(site({ zeo: { address: '10.0.0.9:9000' } })), ['10.0.0.9:9000'], 'a fixed address wins')
  t.strictSame(zeo(site({ zeo_layer: 'db' }), layer('db', online('d1', { public_dns_name: 'd1.example.com' }))), [
    'd1.example.com:8001',
  ])
  const off = layer('zeoserver', online('zeo1', { status: 'stopped' }))
  t.equal(zeo(off), undefined, 'none online')
  const zeoHost = layer('zeoserver', { hostname: 'plone1', status: 'booting', private_dns_name: 'plone1.internal' })
  t.strictSame(zeo(off, zeoHost), ['plone1.internal:8001'], 'this host counts before it is online')
  const bare = layer('zeoserver', { hostname: 'zeo1', status: 'online', private_dns_name: null })
  t.throws(() => client(bare), { code: 'NO_ADDRESS', message: 'zeo1 has no address' })
})

t.test('renders the address of Solr', async (t) => {
  const hosts = layer('solr', online('s1', { status: 'stopped' }), online('s2'))
  t.notOk(client(hosts)['solr-host'], 'not enabled')
  t.strictSame(client(hosts, site({ solr_enabled: true }))['solr-host'], { host: ['s2.internal'] })
  t.strictSame(client(hosts, site({ solr_enabled: true, solr_host: 's9' }))['solr-host'], { host: ['s9'] })
  t.notOk(client(site({ solr_enabled: true }))['solr-host'], 'none online')
  t.strictSame(solr()['solr-host'], { host: ['plone1.internal'] }, 'on the Solr host: itself')
})

t.test('renders RelStorage', async (t) => {
  const db = { name: 'zodb', host: 'db1', user: 'u', password: 'p', type: 'postgresql' }
  const plain = client(relstorage({ db, enable_cache: false }))
  t.strictSame(plain.relstorage, { dbname: ['zodb'], host: ['db1'], user: ['u'], password: ['p'] })
  t.notOk(plain['zeo-host'] ?? plain.zeoserver, 'no ZEO server beside it')
  t.strictSame(plain.buildout?.extends, ['cfg/base.cfg', 'cfg/relstorage.cfg'])
  const given = app({ database: { adapter: 'mysql', host: 'rds', username: 'me', password: 's', database: 'plone' } })
  t.strictSame(client(relstorage({ db }), given).relstorage?.host, ['db1'], 'a database of its own wins')
  const taken = client(relstorage({ enable_cache: false }), given)
  t.strictSame(taken.relstorage, { dbname: ['plone'], host: ['rds'], user: ['me'], password: ['s'] })
  t.strictSame(taken.buildout?.['eggs +='], ['mysqlclient'])
  const python2 = app({ database: { adapter: 'mysql2', database: 'plone' }, python_major_version: '2.7' })
  t.strictSame(client(relstorage({ enable_cache: false }), python2).buildout?.['eggs +='], ['MySQL-python'])
  const unnamed = app({ database: { host: 'rds', database: '' } })
  t.strictSame(
    client(relstorage({ db: { host: 'db1' } }), unnamed).relstorage?.host,
    ['db1'],
    'one without a name is none',
  )
  t.strictSame(
    client(relstorage({ enable_cache: false, db: { dsn: 'dbname=x' } }), given).relstorage,
    { 'db-type': ['mysql'], dsn: ['dbname=x'] },
    'the dsn stays, the type is the app’s',
  )
  t.strictSame(
    client(relstorage({ enable_cache: false, db: { dsn: '' } })).relstorage,
    { dbname: [], host: [], user: [], password: [] },
    'what is not set is empty',
  )
  const eggs = (type: string | null) => client(relstorage({ enable_cache: false, db: { type } })).buildout?.['eggs +=']
  t.strictSame(eggs(null), ['psycopg2'])
  t.strictSame(eggs('Postgres'), ['psycopg2'])
  t.strictSame(eggs('oracle'), ['cx_Oracle'])
  for (const type of ['mysql', 'mysql2', 'MySQL']) t.strictSame(eggs(type), ['mysqlclient'])
  for (const type of ['sqlite', 'constructor']) t.equal(eggs(type), undefined, 'no driver known: nothing added')
})

t.test('renders the port of the database', async (t) => {
  const at = (db: object, more: NodeJson = {}) => client(relstorage({ enable_cache: false, db }), more).relstorage
  const db = { name: 'zodb', host: 'db1', user: 'u', password: "it's" }
  for (const port of [null, 5432]) t.notOk(at({ ...db, port })?.port, 'the usual port is written nowhere')
  t.strictSame(at({ ...db, port: 5433 }), {
    dbname: ['zodb'],
    host: ['db1'],
    user: ['u'],
    password: ["it's"],
    port: ['5433'],
    dsn: ["dbname=zodb host=db1 port=5433 user=u password='it\\'s'"],
  })
  t.strictSame(at({ type: 'mysql', name: 'zodb', host: 'db1', port: 3307 })?.dsn, ['db=zodb host=db1 port=3307'])
  const oracle = at({ ...db, type: 'oracle', port: 1522 })
  t.strictSame([oracle?.port, oracle?.dsn], [['1522'], undefined])
  t.strictSame(at({ ...db, port: 5433, dsn: 'x=y' })?.dsn, ['x=y'], 'a dsn replaces everything else')
  const given = app({ database: { adapter: 'postgresql', host: 'rds', port: 6432, database: 'plone' } })
  t.strictSame(at({}, given)?.dsn, ['dbname=plone host=rds port=6432'])
})

t.test('renders the cache of RelStorage', async (t) => {
  const found = client(
    relstorage({}),
    layer('memcached', online('m1'), online('m2', { status: 'stopped' }), online('m3', { public_dns_name: 'm3.com' })),
  )
  t.strictSame(found.buildout?.['eggs +='], ['psycopg2', 'pylibmc'])
  t.strictSame(Object.keys(found.relstorage ?? {}), ['dbname', 'host', 'user', 'password'], 'the site has the rest')
  t.strictSame(found.memcached, { servers: ['m1.internal:11211 m3.com:11211'] })
  const fixed = client(relstorage({ cache_servers: 'c1:11211 c2:11211' }), layer('memcached', online('m1')))
  t.strictSame(fixed.memcached, { servers: ['c1:11211 c2:11211'] })
  t.strictSame(client(relstorage({ cache_servers: ['c1:1', 'c2:2'] })).memcached, { servers: ['c1:1 c2:2'] })
  const none = client(relstorage({}))
  t.notOk(none.memcached, 'no layer, no server')
  t.strictSame(none.buildout?.['eggs +='], ['psycopg2', 'pylibmc'])
  const offline = client(relstorage({}), layer('memcached', online('m', { status: 'off' })))
  t.strictSame(offline.memcached, { servers: [] }, 'a layer without a host that is online')
  t.strictSame(client(relstorage({ db: { type: 'other' } })).buildout?.['eggs +='], ['pylibmc'])
})

t.test('renders the packing of RelStorage', async (t) => {
  const pack = (settings: NodeJson) => {
    const attributes = withRoles(stack(relstorage({ enable_cache: false, ...settings })), ['relstorage-pack'])
    const cfg = parseIni(renderDeployCfg(attributes, 'zeo-client'))
    return [cfg.buildout?.['parts +=']?.slice(0, -2), cfg.zodbpack, cfg['pack-config']]
  }
  t.strictSame(pack({}), [['pack-config', 'zodbpack'], { 'pack-days': ['7'] }, undefined])
  t.strictSame(pack({ two_stage_pack: true, pack_days: 1, truncate_refs: true }), [
    ['pack-config', 'zodbpack-prepack', 'zodbpack-pack', 'zodb-clear-refs'],
    { 'pack-days': ['1'] },
    undefined,
  ])
  t.strictSame(
    pack({ pack_gc: false, truncate_refs: true }),
    [['pack-config', 'zodbpack'], { 'pack-days': ['7'] }, { 'enable-gc': ['false'] }],
    'without collecting there are no references to clear',
  )
  const unpacked = client(relstorage({ pack_gc: false, truncate_refs: true }))
  t.notOk(unpacked.zodbpack ?? unpacked['pack-config'], 'only where packing is enabled')
  const zeo = renderDeployCfg(withRoles(stack(), ['relstorage-pack']), 'zeo-client')
  t.equal(zeo, renderDeployCfg(stack(), 'zeo-client'), 'and only with RelStorage')
})

t.test('renders tracing', async (t) => {
  const both = { newrelic_tracing: true, traceview_tracing: true, instance_count: 3 }
  const eggs = ['collective.traceview', 'oboe', 'collective.newrelic']
  const traced = [reference('client1', 'eggs'), ...eggs]
  const licensed = { newrelic: { python_agent: { config_file: '/etc/nr.ini' } } }
  const eggsOf = (tracing_clients: number, more: NodeJson = {}) => {
    const cfg = client(site({ ...both, tracing_clients, ...more }), licensed)
    return ['client1', 'client2', 'client3'].map((name) => cfg[name]?.['eggs +='] ?? cfg[name]?.eggs)
  }
  t.strictSame(eggsOf(0), [eggs, undefined, undefined], '0: all, through the first')
  t.strictSame(eggsOf(1), [undefined, traced, undefined], '1: the second client, not the first')
  t.strictSame(eggsOf(2), [undefined, traced, traced])
  t.strictSame(eggsOf(2, { instance_count: 1 }), [eggs, undefined, undefined], 'an only client traces')
  t.strictSame(eggsOf(2, { newrelic_tracing: false, traceview_tracing: false }), [undefined, undefined, undefined])
  const cfg = client(site({ ...both, traceview_sample_rate: 0.25 }), licensed)
  t.strictSame(cfg.buildout?.['find-links +='], ['http://pypi.tracelytics.com/oboe'])
  t.strictSame(cfg.client1?.['environment-vars +='], [
    'NEW_RELIC_CONFIG_FILE /etc/nr.ini',
    'NEW_RELIC_ENABLED true',
    'NEW_RELIC_ENVIRONMENT demo',
    'PYTHON_EGG_CACHE /srv/www/plone_instances/shared/eggs',
    'TRACEVIEW_IGNORE_EXTENSIONS js;css;png;jpeg;jpg;gif;pjpeg;x-png;pdf',
    'TRACEVIEW_IGNORE_FOUR_OH_FOUR 1',
    'TRACEVIEW_PLONE_TRACING 1',
    'TRACEVIEW_SAMPLE_RATE 0.25',
    'TRACEVIEW_TRACING_MODE always',
  ])
})

t.test('renders Celery', async (t) => {
  const on = { enable_celery: true }
  const brokers = layer('celery_broker', online('r1'))
  const found = client(site({ ...on, broker: { port: 6380 } }), brokers, app({ buildout_parts_to_include: ['last'] }))
  t.strictSame(found.buildout?.['parts +='], ['client1', 'client2', 'celery', 'last'])
  t.strictSame(found['celery-broker'], { host: ['r1.internal'], port: ['6380'] })
  t.strictSame(found.celery, {
    'broker-host': [reference('celery-broker', 'host')],
    'broker-port': [reference('celery-broker', 'port')],
  })
  const none = client(site(on))
  t.notOk(none.celery ?? none['celery-broker'], 'no broker: nothing')
  const traced = client(site({ ...on, newrelic_tracing: true }), brokers, {
    newrelic: { license: "it's\\mine" },
  }).celery
  t.strictSame(traced?.['eggs +='], ['newrelic'])
  t.strictSame(traced?.['additional-config +='], [
    'import newrelic.agent',
    'import os',
    "config_file = os.environ.get('NEW_RELIC_CONFIG_FILE', None)",
    "environment = os.environ.get('NEW_RELIC_ENVIRONMENT', None)",
    "os.environ['NEW_RELIC_LICENSE_KEY'] = 'it\\'s\\\\mine'",
    'newrelic.agent.initialize(config_file, environment)',
  ])
})

t.test('adds the configuration of the user', async (t) => {
  const text = 'newest = false\n[client1]\nuser = admin:x\nhttp-fast-listen = on\n\n[versions]\nsix = 1.16'
  const mixed = client(app({ buildout_additional_config: text }), relstorage({ enable_cache: false }))
  t.strictSame(mixed.buildout?.newest, ['false'], 'it may continue [buildout]')
  t.strictSame(mixed.versions, { six: ['1.16'] })
  t.strictSame(mixed.client1?.user, ['admin:x'])
  t.strictSame(mixed.client1?.['http-fast-listen'], ['off'], 'for clients our sections come later')
  const rendered = renderDeployCfg(stack(app({ buildout_additional_config: text }), relstorage({})), 'zeo-client')
  const order = ['eggs +=', 'newest', '[versions]', '[relstorage]'].map((part) => rendered.indexOf(part))
  t.strictSame(
    order,
    [...order].sort((a, b) => a - b),
  )
  const blobs = { plone_blobs: { blob_dir: '/ours' }, deploy: { zeoserver: { buildout_additional_config: text } } }
  t.strictSame(server(blobs).zeoserver, { 'blob-storage': ['/ours'], newest: ['false'] })
  const over = '[zeoserver]\nblob-storage = /theirs'
  t.strictSame(
    server(blobs, { deploy: { zeoserver: { buildout_additional_config: over } } }).zeoserver,
    { 'blob-storage': ['/theirs'] },
    'for the ZEO server the user comes last',
  )
  const search = '[solr-host]\nhost = elsewhere\nport = 1'
  t.strictSame(
    solr({ deploy: { solr: { buildout_additional_config: search } } })['solr-host'],
    { host: ['plone1.internal'], port: ['1'] },
    'for Solr it comes first, whether or not it ends with a new line',
  )
  for (const empty of ['', null])
    t.equal(
      renderDeployCfg(stack(app({ buildout_additional_config: empty })), 'zeo-client'),
      renderDeployCfg(stack(), 'zeo-client'),
    )
})

t.test('renders the text', async (t) => {
  const cfg: BuildoutCfg = [
    { name: 'a', options: [option('x', '1'), option('none', ''), option('l', ['p', 'q'], '+=')] },
    { raw: 'y = 2' },
    { name: 'b', extends: 'a', options: [] },
  ]
  t.equal(renderBuildoutCfg(cfg), '[a]\nx = 1\nnone =\nl +=\n    p\n    q\n\ny = 2\n\n[b]\n<= a\n')
})
