/** Tests typical values in custom JSON, and their parsed results. */
import t from 'tap'
import { attributeSchemas } from '../../attributes/index.ts'
import { type ConvergeError, problemsOf } from '../../core/model/errors.ts'
import { gatherFacts } from '../../core/node/facts.ts'
import { buildNode } from '../../core/node/node.ts'
import { objectLayer } from '../../core/node/parse_layer.ts'
import { valueAt } from '../../core/node/path.ts'

const facts = gatherFacts()

function attributesOf(value: Record<string, unknown>) {
  return buildNode({ layers: [objectLayer(value, 'test.json', 'stack')], facts, schemas: attributeSchemas }).attributes
}

const nested = (path: readonly string[], value: unknown): Record<string, unknown> =>
  path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Record<string, unknown>

const cases: readonly { path: string; given: unknown; becomes: unknown }[] = [
  { path: 'plone_instances.per_cpu', given: '4', becomes: 4 },
  { path: 'plone_instances.per_cpu', given: ' 0.5 ', becomes: 0.5 },
  { path: 'plone_instances.instance_count', given: '3', becomes: 3 },
  { path: 'plone_instances.enable_celery', given: 'true', becomes: true },
  { path: 'plone_instances.shared_blobs', given: 'False', becomes: false },
  { path: 'plone_instances.relstorage.db.port', given: '5433', becomes: 5433 },
  { path: 'plone_instances.relstorage.db.password', given: 12345, becomes: '12345' },
  { path: 'plone_instances.relstorage.cache_servers', given: ['a:1', 'b:2'], becomes: 'a:1 b:2' },
  { path: 'plone_blobs.servers', given: '10.0.0.1, 10.0.0.2', becomes: ['10.0.0.1', '10.0.0.2'] },
  { path: 'certbot_domains', given: 'a.example.com b.example.com', becomes: ['a.example.com', 'b.example.com'] },
  { path: 'haproxy.check_interval', given: '10s', becomes: 10000 },
  { path: 'haproxy.check_interval', given: '500', becomes: 500 },
  { path: 'haproxy.check_interval', given: '1m', becomes: 60000 },
  { path: 'haproxy.retries', given: '3', becomes: 3 },
  { path: 'plone_instances.zeo.address', given: 'db1:65535 [fe80::1]:8001', becomes: 'db1:65535 [fe80::1]:8001' },
  { path: 'plone_zeoserver.readiness.address', given: 'db1:08001', becomes: 'db1:08001' },
  { path: 'haproxy.global_max_connections', given: 4000, becomes: '4000' },
  { path: 'haproxy.client_timeout', given: ' 90s ', becomes: '90s' },
  { path: 'haproxy.client_timeout', given: 5000, becomes: '5000' },
  { path: 'haproxy.balance', given: 'hdr(Host) ', becomes: 'hdr(Host)' },
  { path: 'ebs_snapshots.hour', given: 4, becomes: '4' },
  { path: 'deploy_buildout.init_type', given: 'upstart', becomes: 'supervisor' },
  { path: 'converge.readiness.status', given: 204, becomes: { min: 204, max: 204 } },
  { path: 'converge.readiness.status', given: { min: 100 }, becomes: { min: 100, max: 399 } },
  { path: 'converge.prefix', given: '/home/me/site/', becomes: '/home/me/site' },
  { path: 'deploy.site.scm.revision', given: 20240501, becomes: '20240501' },
  { path: 'deploy.site.scm.password', given: null, becomes: undefined },
  { path: 'deploy.site.deploy_to', given: null, becomes: '/srv/www/site' },
  { path: 'deploy.site.deploy_to', given: '/srv/site//', becomes: '/srv/site' },
  {
    path: 'deploy.site.environment',
    given: { A: 1, B: true, C: 0.5, D: null, E: 'e' },
    becomes: { A: '1', B: 'true', C: '0.5', E: 'e' },
  },
  { path: 'deploy.site.os_packages', given: ['git'], becomes: [{ name: 'git', version: null }] },
  {
    path: 'deploy.site.os_packages',
    given: { git: '', vim: '2:9' },
    becomes: [
      { name: 'git', version: null },
      { name: 'vim', version: '2:9' },
    ],
  },
  {
    path: 'deploy.site.packages',
    given: [['pip', '24.0'], { name: 'wheel', version: null }],
    becomes: [
      { name: 'pip', version: '24.0' },
      { name: 'wheel', version: null },
    ],
  },
  { path: 'deploy.site.always_buildout_on_deploy', given: 'true', becomes: true },
  { path: 'deploy.site.keep_releases', given: '9', becomes: 9 },
  {
    path: 'deploy.site.buildout_init_commands',
    given: [{ cmd: 'bin/x', delay: '3', name: null }],
    becomes: [{ cmd: 'bin/x', delay: 3 }],
  },
  { path: 'deploy.site.symlinks', given: { system: 'public/system' }, becomes: { system: 'public/system' } },
  {
    path: 'plone_instances.subsites',
    given: { 'www.example.com': 'intranet' },
    becomes: { 'www.example.com': 'intranet' },
  },
  { path: 'plone_instances.of_our_own', given: { a: [1] }, becomes: { a: [1] } },
  { path: 'our_site', given: { a: [1] }, becomes: { a: [1] } },
]

for (const { path, given, becomes } of cases)
  t.test(`reads ${path} given as ${JSON.stringify(given)}`, async (t) => {
    const keys = path.split('.')
    t.strictSame(valueAt(attributesOf(nested(keys, given)), keys), becomes)
  })

const refused: readonly { path: string; given: unknown; expected: RegExp }[] = [
  { path: 'haproxy.client_timeout', given: 'a minute', expected: /a time in HAProxy notation, such as 60s/ },
  { path: 'haproxy.server_timeout', given: '60s\nuser root', expected: /a time in HAProxy notation/ },
  { path: 'haproxy.global_max_connections', given: 'many', expected: /a whole number/ },
  { path: 'haproxy.health_check_url', given: '/is it up', expected: /one word without blanks/ },
  { path: 'haproxy.stats_user', given: 'a b', expected: /one word without blanks/ },
  { path: 'plone_instances.zeo.address', given: '10.0.0.5:99999', expected: /ports from 1 to 65535/ },
  { path: 'plone_instances.zeo.address', given: 'db1:8001 db2:0', expected: /ports from 1 to 65535/ },
  { path: 'plone_instances.relstorage.cache_servers', given: ['a:1', 'b:65536'], expected: /ports from 1 to 65535/ },
  { path: 'plone_zeoserver.readiness.address', given: '65536', expected: /a port, or host:port/ },
  { path: 'plone_zeoserver.readiness.address', given: 'db1:0', expected: /a port, or host:port/ },
  { path: 'converge.balancer.sockets', given: ['lb:70000'], expected: /host:port/ },
  { path: 'console.listen', given: '127.0.0.1:84840', expected: /an address and a port/ },
  { path: 'haproxy.balance', given: 'leastconn # x', expected: /words in HAProxy notation, such as leastconn/ },
]

for (const path of [
  'deploy.shop.deploy_to',
  'redis.config.dir',
  'plone_solr.data_dir',
  'plone_zeoserver.filestorage_dir',
  'plone_blobs.blob_dir',
  'plone_blobs.nfs_export_dir',
  'plone_blobs.gluster_export_dir',
])
  t.test(`${path} does not name a directory of the system, whose owner a run would change`, async (t) => {
    const set = (given: string) => attributesOf(nested(path.split('.'), given))
    for (const given of [
      '/',
      '/etc',
      '/etc/',
      '/etc/nginx',
      '/srv',
      '/srv/www',
      '/usr/local',
      '/var/lib',
      '/proc/1',
      '/tmp',
    ])
      t.throws(() => set(given), { message: /expected a directory of its own, not one of the system/ }, given)
    for (const given of ['/data', '/srv/www/shop', '/srv/exports', '/var/lib/shop', '/mnt', '/home/shop', '/etcetera'])
      t.equal(valueAt(set(given), path.split('.')), given)
  })

for (const { path, given, expected } of [
  ...refused,
  { path: 'converge.readiness.deadline_seconds', given: 1e308, expected: /a number up to 9007199254740991/ },
])
  t.test(`refuses ${path} given as ${JSON.stringify(given)}`, async (t) => {
    const refusal = { code: 'INVALID_ATTRIBUTE', message: expected }
    t.throws(() => attributesOf(nested(path.split('.'), given)), refusal)
  })

t.test('an application gets its name and account', async (t) => {
  const { deploy } = attributesOf({ deploy: { intranet: { user: 'plone' }, shop: {}, all: { user: 'root' } } })
  t.match(deploy.intranet, {
    deploy_to: '/srv/www/intranet',
    user: 'plone',
    group: 'www-data',
    home: '/home/plone',
    keep_releases: 5,
    enable_submodules: true,
  })
  t.match(deploy.shop, {
    deploy_to: '/srv/www/shop',
    user: 'deploy',
    home: '/home/deploy',
    environment: {},
    migrate: false,
    always_build_on_deploy: false,
  })
  t.equal(deploy.all?.home, '/root')
})

t.test('reads both spellings of always_build_on_deploy', async (t) => {
  const of = (app: object) => attributesOf({ deploy: { site: app } }).deploy.site?.always_build_on_deploy
  t.equal(of({}), false)
  t.equal(of({ always_build_on_deploy: true }), true)
  t.equal(of({ always_buildout_on_deploy: true }), true)
  t.equal(of({ always_build_on_deploy: false, always_buildout_on_deploy: true }), true)
  t.equal(of({ always_build_on_deploy: false }), false)
})

t.test('settings of a build apply to one application or to all', async (t) => {
  const { deploy, deploy_buildout } = attributesOf({
    deploy_buildout: { flags: '-v', buildout_version: 2 },
    deploy: {
      site: { buildout_extends: [], buildout_inherit_parts: 'false', buildout_flags: null, buildout_version: '4.1' },
    },
  })
  t.match(deploy_buildout, { flags: '-v', buildout_version: '2', extends: ['buildout.cfg'], inherit_parts: true })
  t.match(deploy.site, { buildout_extends: [], buildout_inherit_parts: false, buildout_version: '4.1' })
  t.notOk('buildout_flags' in (deploy.site ?? {}), 'null leaves it to those for all')
})

t.test('hosts of a layer get their names', async (t) => {
  const { opsworks } = attributesOf({
    opsworks: { layers: { zeo: { instances: { zeo1: {}, two: { hostname: 'zeo2', backends: '8' } } } } },
  })
  t.match(opsworks.layers.zeo?.instances, {
    zeo1: { hostname: 'zeo1', status: 'online' },
    two: { hostname: 'zeo2', backends: 8 },
  })
})

t.test('refuses addresses and revisions that git would read as options or commands', async (t) => {
  const refused = (scm: Record<string, unknown>): string[] => {
    try {
      attributesOf({ deploy: { site: { scm } } })
      return []
    } catch (error) {
      return problemsOf(error as ConvergeError)
        .map(({ attribute = '', source }) => `${attribute} in ${source?.file}`)
        .sort()
    }
  }
  const [repository, revision] = ['repository', 'revision'].map((key) => `deploy.site.scm.${key} in test.json`)
  for (const text of [
    'ext::sh -c id',
    '-x',
    '--upload-pack=x',
    'ssh://-oProxyCommand=x/y',
    '-x@host:y',
    'svn://x',
    'a b',
  ])
    t.strictSame(refused({ repository: text }), [repository], JSON.stringify(text))
  for (const text of ['-x', 'a b', 'a..b', 'a:b', 'a.lock', 'a/', '@{1}', '/a', 'a//b', '.a', 'a/.b', 'a\0b', ' main'])
    t.strictSame(refused({ revision: text }), [revision], JSON.stringify(text))
  t.strictSame(refused({ repository: 'ext::x', revision: '-x' }), [repository, revision], 'both together')
  for (const text of [
    '',
    '/srv/x.git',
    'file:///srv/x',
    'https://u:p@h/x',
    'git@h:x',
    'ssh://git@h:22/x',
    'h.example:x',
  ])
    t.strictSame(refused({ repository: text }), [], JSON.stringify(text))
  for (const text of ['', 'HEAD', 'main', 'v1.0', 'refs/tags/v1', 'feature/é', 'abcdef1', 'x@y'])
    t.strictSame(refused({ revision: text }), [], JSON.stringify(text))
  for (const scm_type of ['svn', 's3', 'archive', 'other'])
    t.strictSame(refused({ scm_type, repository: 'svn://x' }), [], 'an app of the platform that is not deployed here')
})
