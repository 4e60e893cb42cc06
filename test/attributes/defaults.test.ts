/** Compares the schemas with the cookbook's defaults, and checks the documentation of each attribute. */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { attributeSchemas, defaultAttributes, sensitivePaths } from '../../attributes/index.ts'
import { otherCookbooks } from '../../attributes/other_cookbooks.ts'
import { bare, type Schemas } from '../../core/node/notes.ts'
import { attributesJsonSchema, type JsonSchema } from '../../core/node/schema.ts'

type Tree = Readonly<Record<string, unknown>>

const root = new URL('../../', import.meta.url)
const golden = JSON.parse(readFileSync(new URL('fixtures/golden/default-attributes.json', root), 'utf8')) as Tree

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Returns paths that only `ours` has, each down to the first missing key. */
function additions(theirs: Tree, ours: Tree, path = ''): string[] {
  return Object.entries(ours).flatMap(([key, value]) => {
    const other = theirs[key]
    if (!(key in theirs)) return [path + key]
    return isTree(value) && isTree(other) ? additions(other, value, `${path}${key}.`) : []
  })
}

t.test('has every default of the cookbook', async (t) => {
  const { haproxy, redis, ...rest } = defaultAttributes() as Readonly<Record<string, Tree>>
  // Every account can write to the directory that the cookbook uses.
  t.equal(haproxy?.stats_socket_path, '/var/lib/haproxy/stats')
  // The cookbook opens Redis to everybody, without a password.
  const config = redis?.config as Tree
  t.equal(config.listen_addr, null)
  const theirs = {
    haproxy: { ...haproxy, stats_socket_path: '/tmp/haproxy.sock' },
    redis: { ...redis, config: { ...config, listen_addr: '0.0.0.0' } },
  }
  t.match({ ...rest, ...theirs }, golden)
  const leaves = JSON.stringify(golden).match(/[[{,:](?="|\d|null|true|false)/g)
  t.ok((leaves?.length ?? 0) > 150, 'the list of defaults is the whole one')
})

t.test('differs from the cookbook only in the listed attributes', async (t) => {
  // These are reported and have no effect, so they need no documentation one by one.
  const keptOnly = [...Object.keys(otherCookbooks)]
  // The list has no defaults of these cookbooks.
  const unlisted = ['redis', 'memcached', 'nfs', 's3fs_fuse', 'papertrail']

  const own = Object.entries(defaultAttributes()).filter(([key]) => ![...keptOnly, ...unlisted].includes(key))
  t.strictSame(additions(golden, Object.fromEntries(own) as Tree), [
    'plone_zeoserver.backup',
    'plone_zeoserver.base_config',
    'plone_zeoserver.readiness',
    'plone_instances.listen_address',
    'plone_instances.relstorage.keep_history',
    'plone_instances.relstorage.backup',
    'plone_instances.relstorage.server',
    'plone_instances.celerybeat_layer',
    'plone_instances.celery_readiness',
    'plone_instances.broker.password',
    'plone_solr.base_config',
    'plone_solr.readiness',
    'ebs_snapshots.max_age_hours',
    'ebs_snapshots.endpoint',
    'ebs_snapshots.metadata_url',
    'varnish_plone.ban_on_deploy',
    'varnish_purge_urls',
    'console',
    'agent',
    'bus',
    'haproxy.enable_stats',
    'haproxy.health_check_host',
    'newrelic.infrastructure_agent',
    'newrelic.repository',
    'newrelic.varnish',
    'newrelic.server_monitoring',
    'newrelic.python_agent',
    'ssh_users',
    'system',
    'deploy.<app>.always_build_on_deploy',
    'port_app',
    'jetty_app',
    'php_app',
    'opsworks',
    'opsworks_initial_setup',
    'converge',
  ])
})

t.test('has one file for each top-level key', async (t) => {
  const files = readdirSync(new URL('attributes/', root)).map((name) => name.replace(/\.ts$/, ''))
  const helpers = [
    'backups',
    'fields',
    'http',
    'index',
    'jetty_base',
    'other_cookbooks',
    'schema_notes',
    'texts',
    'values',
    'web_app',
  ]
  const inOneFile = Object.keys(otherCookbooks).filter((key) => key !== 'deploy_django')
  t.strictSame(
    files.filter((name) => !helpers.includes(name)).sort(),
    Object.keys(attributeSchemas)
      .filter((key) => !inOneFile.includes(key))
      .sort(),
  )
})

t.test('the defaults are valid input, and parse to themselves', async (t) => {
  const defaults = defaultAttributes()
  for (const [key, schema] of Object.entries<Schemas[string]>(attributeSchemas))
    t.strictSame(schema.parse(defaults[key]), defaults[key], key)
})

t.test('marks secrets', async (t) => {
  const marked = sensitivePaths()
  for (const path of [
    'plone_instances.relstorage.db.password',
    'plone_instances.relstorage.db.dsn',
    'deploy.*.scm.ssh_key',
    'deploy.*.scm.password',
    'deploy.*.database.password',
    'deploy.*.ssl_certificate_key',
    'deploy.*.buildout_cache_archives.*.password',
    'deploy_buildout.cache_archives.*.password',
    'haproxy.stats_password',
    'newrelic.license',
    'ebs_snapshots.aws_secret',
    'redis.config.requirepass',
    'plone_instances.broker.password',
    'jetty_app.war.password',
  ])
    t.ok(marked.includes(path), path)
  t.notOk(marked.some((path) => /user$|host$/.test(path)))
})

/** Returns every property below a schema, with its path. */
function properties(json: JsonSchema, path = ''): { path: string; json: JsonSchema }[] {
  const named = Object.entries((json.properties ?? {}) as Record<string, JsonSchema>)
  const others = [json.items, json.additionalProperties].filter(isTree) as JsonSchema[]
  return [
    ...named.flatMap(([key, child]) => [{ path: path + key, json: child }, ...properties(child, `${path}${key}.`)]),
    ...others.flatMap((child) => properties(child, `${path}*.`)),
  ]
}

t.test('each attribute has one plain sentence or two, and names what it mirrors', async (t) => {
  const all = properties(attributesJsonSchema(attributeSchemas))
  t.ok(all.length > 250)
  for (const { path, json } of all) {
    if (/^deploy\.\*\.buildout_(cache_archives|init_commands)\.|packages\.\*\.|ruby_gems\.\*\./.test(path)) continue
    t.match(json.description, /^(?=\S).{9,200}\.$/, path)
    if (
      !/^(converge|console|agent|bus|port_app|jetty_app|php_app)(\.|$)|zeoserver\.backup|relstorage\.(backup|keep_history|server)|celerybeat_layer|sha256|requirepass|broker\.password|listen_addr|known_hosts|scm\.commit|allow_root|smoke_test|readiness|health_check_host|ban_on_deploy|init_commands\.\*\.(type|events|user|environment|ready|port|path|stay_up_seconds)/.test(
        path,
      )
    )
      t.match(json['x-mirrors'], /node\[/, path)
  }
})

t.test('the JSON Schema has units and secrets', async (t) => {
  const json = attributesJsonSchema(attributeSchemas) as { $schema: string; properties: Record<string, JsonSchema> }
  t.equal(json.$schema, 'https://json-schema.org/draft/2020-12/schema')
  const found = new Map(properties(json).map((one) => [one.path, one.json]))
  t.match(found.get('plone_instances.restart_delay'), {
    'x-unit': 'seconds',
    default: 0,
    type: ['number', 'string'],
    minimum: 0,
  })
  t.match(found.get('plone_instances.per_cpu'), { 'x-mirrors': "plone_buildout: node['plone_instances']['per_cpu']" })
  t.match(found.get('deploy.*.scm.ssh_key'), {
    'x-sensitive': true,
    'x-mirrors': "deploy: node['deploy'][<name>]['scm']['ssh_key']",
  })
  t.match(found.get('converge.supervisor.socket'), { 'x-mirrors': 'supervisord.conf: [unix_http_server] file' })
  t.notMatch(JSON.stringify(json), /"(unit|mirrors|sensitive|cookbook|open|accepts)":/)
  t.notMatch(JSON.stringify(json), /9007199254740991/)
})

t.test('builds each schema once, on first use', async (t) => {
  t.equal(attributeSchemas.deploy, attributeSchemas.deploy)
  t.equal(bare(attributeSchemas.tmpdir), bare(attributeSchemas.tmpdir))
})
