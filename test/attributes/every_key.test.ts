/**
 * Tests that each attribute of the cookbook, changed alone, changes what a role declares, or is reported with a hint.
 */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { attributeSchemas, foreignKeys } from '../../attributes/index.ts'
import { compile, defaultEvents } from '../../core/compile/compile.ts'
import { resolveReferences } from '../../core/model/reference.ts'
import { neutralFacts } from '../../core/node/facts.ts'
import { isObject, type JsonObject, merge } from '../../core/node/merge.ts'
import { buildNode, type Node } from '../../core/node/node.ts'
import { parseAttributes } from '../../core/node/parse_layer.ts'
import { valueAt } from '../../core/node/path.ts'
import { catalogue } from '../../recipes/catalogue.ts'

const defaults = JSON.parse(
  readFileSync(new URL('../../fixtures/golden/default-attributes.json', import.meta.url), 'utf8'),
) as JsonObject
const reference = readFileSync(new URL('../../docs/reference/attributes.md', import.meta.url), 'utf8')

function leaves(value: unknown, path: readonly string[] = []): string[][] {
  if (!isObject(value) || Object.keys(value).length === 0) return [[...path]]
  return Object.entries(value).flatMap(([key, child]) => leaves(child, [...path, key]))
}

const all = leaves(defaults).filter(([top]) => top !== 'deploy')
t.equal(all.length, 158, 'the attributes of the cookbook')

const host = (name: string) => ({ private_dns_name: `${name}.internal`, private_ip: '10.0.0.9', status: 'online' })
const layers = Object.fromEntries(
  [
    'plone_instances',
    'zeoserver',
    'zeo2',
    'celery_broker',
    'broker2',
    'solr',
    'solr2',
    'memcached',
    'shared_blobs',
  ].map((name) => [name, { instances: { [name]: host(name) } }]),
)

/** A stack in which every role declares resources and reports no warning. */
const stack: JsonObject = {
  opsworks: { instance: { hostname: 'web1', private_ip: '10.0.0.1', layers: ['plone_instances'] }, layers },
  cpu: { total: 4 },
  redis: { config: { requirepass: 'planted' } },
  deploy: Object.fromEntries(
    ['plone_instances', 'zeoserver', 'solr'].map((app) => [
      app,
      { scm: { scm_type: 'git', repository: 'git@h:r.git' } },
    ]),
  ),
}

/** The roles that use a group of attributes; the role base needs a package to install. */
const rolesOf: Readonly<Record<string, readonly string[]>> = {
  plone_zeoserver: ['zeo-server'],
  plone_solr: ['solr'],
  nginx_plone: ['frontend'],
  varnish_plone: ['frontend'],
  haproxy: ['frontend'],
  certbot_domains: ['frontend'],
  certbot_email: ['frontend'],
  apt: ['base'],
  redis: ['broker'],
  plone_instances: ['zeo-client', 'frontend'],
  plone_blobs: ['zeo-client', 'zeo-server', 'nfs-server', 'gluster-server'],
  nfs: ['nfs-server'],
  s3fs_fuse: ['s3fs'],
  ebs_snapshots: ['ebs-snapshots'],
  new_relic: ['newrelic'],
}

/** Values for attributes whose default does not show the accepted type. */
const values: Readonly<Record<string, unknown>> = {
  'plone_instances.subsites': { 'a.example.com': 'a' },
  'plone_instances.subsite_config': { 'a.example.com': 'set $a 1;' },
  'plone_instances.instance_count': 3,
  'plone_instances.zodb_cache_size': 300,
  'plone_instances.zserver_threads': 3,
  'plone_instances.zeo.address': 'db1:8001',
  'haproxy.retries': 12,
  'plone_instances.zeo_layer': 'zeo2',
  'plone_instances.solr_layer': 'solr2',
  'plone_instances.broker_layer': 'broker2',
  'plone_instances.traceview_sample_rate': 0.5,
  'plone_blobs.blob_dir': '/mnt/blobs',
  'plone_zeoserver.filestorage_dir': '/mnt/zodb',
  'plone_blobs.servers': ['a'],
  'tmpdir.tmpfs_size': '512M',
  'plone_blobs.network': '10.0.0.0/8',
  'haproxy.stats_socket_level': 'operator',
  'haproxy.stats_socket_path': '/run/h.sock',
  'haproxy.balance': 'roundrobin',
  'haproxy.health_check_method': 'GET',
  'haproxy.global_max_connections': '100',
  'haproxy.default_max_connections': '100',
  'nginx_plone.client_max_body_size': '1g',
  'deploy_buildout.cache_archives': [{ url: 'https://h/a.tgz', path: 'shared' }],
  'deploy_buildout.init_commands': [{ name: 'a', cmd: 'bin/a' }],
  'deploy_buildout.init_type': 'upstart',
  'newrelic.application_monitoring.transaction_tracer.record_sql': 'off',
  'apt.unattended_upgrades.package_blacklist': ['a'],
  certbot_domains: ['www.example.com'],
  'ebs_snapshots.hour': '9',
  'ebs_snapshots.minute': '30',
  'ebs_snapshots.weekday': '1-5',
  'redis.config.listen_addr': '10.0.0.1',
  'redis.config.listen_port': 6380,
  'redis.config.loglevel': 'notice',
  'redis.config.appendonly': 'yes',
  'redis.config.appendfsync': 'always',
  'redis.config.rdbcompression': 'no',
}

/** Settings that single attributes require. */
const required: Readonly<Record<string, JsonObject>> = {
  'plone_blobs.nfs_mount_options': { plone_instances: { nfs_blobs: true } },
  'plone_blobs.gluster_mount_options': { plone_instances: { gluster_blobs: true } },
  'plone_blobs.host': { plone_instances: { nfs_blobs: true } },
  'plone_blobs.layer': { plone_instances: { nfs_blobs: true } },
  'plone_blobs.servers': { plone_instances: { gluster_blobs: true } },
  'new_relic.infrastructure': { newrelic: { license: 'planted' }, plone_instances: { newrelic_tracing: true } },
  'tmpdir.tmpfs_size': { tmpdir: { tmpfs: true } },
  'ebs_snapshots.aws_key': { ebs_snapshots: { aws_key: 'planted', aws_secret: 'planted' } },
  'ebs_snapshots.aws_secret': { ebs_snapshots: { aws_key: 'planted', aws_secret: 'planted' } },
  'plone_blobs.gluster_volume': { plone_instances: { gluster_blobs: true } },
}

/** Returns the attribute's line in the reference; the keys of a map share one. */
function rowOf(path: readonly string[]): string | undefined {
  return reference.split('\n').find((line) => line.startsWith(`| \`${path.join('.')}\` |`))
}

function changed(path: readonly string[]): unknown {
  const known = values[path.join('.')]
  if (known !== undefined) return known
  const standard = valueAt(defaults, path)
  if (typeof standard === 'boolean') return !standard
  if (typeof standard === 'number') return standard + 1
  if (/^\d+s$/.test(String(standard))) return '7s'
  if (Array.isArray(standard)) return ['other']
  if (isObject(standard)) return { other: 'other' }
  return standard === null ? 'other' : `${standard}2`
}

async function nodeOf(given: JsonObject): Promise<Node<unknown>> {
  const text = JSON.stringify(given, null, 1)
  const layer = await parseAttributes({ text, file: 'site.json', kind: 'deployment' })
  const facts = { ...neutralFacts, uid: 0, init: 'systemd' as const }
  return buildNode({ layers: [layer], facts, schemas: attributeSchemas, foreignKeys })
}

/** Returns what the roles declare: every resource with its properties and options. */
async function declared(built: Node<unknown>, names: readonly string[]): Promise<string> {
  const roles = await Promise.all(names.map((name) => catalogue.roles[name]?.load()))
  const texts = roles.flatMap((role) =>
    [defaultEvents, ['restart']].map((events) => {
      const node = catalogue.node(built, { id: '1', events, by: 'tester', options: {} })
      const { resources, warnings } = compile([role as never], events, node)
      return [resources.map(({ name, props, options }) => [name, shown(props), shown(options.when)]), warnings]
    }),
  )
  return JSON.stringify(texts)
}

/** Replaces references by values that would be known during a run. */
function shown(value: unknown): unknown {
  return resolveReferences(value, ({ provider, output, transform }) =>
    transform === undefined ? `${output} of ${provider}` : transform('known' as never),
  )
}

for (const path of all)
  t.test(path.join('.'), async (t) => {
    const given = merge(structuredClone(stack), required[path.join('.')] ?? {})
    const change = path.reduceRight<unknown>((inside, key) => ({ [key]: inside }), changed(path)) as JsonObject
    const before = await nodeOf(given)
    t.strictSame(before.warnings, [], 'nothing is reported about defaults')
    const after = await nodeOf(merge(given, change))
    const reported = after.warnings.filter(({ code }) => code === 'NO_EFFECT')
    const row = rowOf(path) ?? rowOf(path.slice(0, -1)) ?? ''
    if (reported.length > 0) {
      const [warning] = reported
      t.equal(reported.length, 1)
      t.equal(warning?.path, path.join('.'))
      t.match(warning, { source: { file: 'site.json', line: Number }, hint: /\w/ })
      t.match(row, /\*\*No effect\*\*|Needs |has no effect/, 'the reference documents it')
      return
    }
    const names = rolesOf[path[0] ?? ''] ?? ['zeo-client', 'zeo-server']
    const [old, now] = [await declared(before, names), await declared(after, names)]
    t.not(now, old, 'it changes the plan')
    t.notMatch(row, /\*\*No effect\*\*/)
  })

for (const type of ['django', 'python', 'buildout'])
  t.test(`accepts an app of the custom_type ${type}`, async (t) => {
    const { warnings } = await nodeOf({ deploy: { shop: { custom_type: type } } })
    t.match(warnings, [
      { code: 'NO_EFFECT', path: 'deploy.shop.custom_type', hint: /port-app for Django/, source: { line: Number } },
    ])
    t.equal(warnings.length, 1)
  })
