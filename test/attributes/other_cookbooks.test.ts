/**
 * Tests settings of other cookbooks: each one that differs from its default is reported with a hint, and no default is.
 */
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { attributeSchemas, defaultAttributes, foreignKeys } from '../../attributes/index.ts'
import { otherCookbooks } from '../../attributes/other_cookbooks.ts'
import { neutralFacts } from '../../core/node/facts.ts'
import { isObject } from '../../core/node/merge.ts'
import { buildNode, type Node } from '../../core/node/node.ts'
import { parseAttributes } from '../../core/node/parse_layer.ts'
import { formatPath } from '../../core/node/path.ts'

const reference = readFileSync(new URL('../../docs/reference/attributes.md', import.meta.url), 'utf8')
const defaults = defaultAttributes()

async function warningsOf(json: object): Promise<Node['warnings']> {
  const layer = await parseAttributes({ text: JSON.stringify(json, null, 1), file: 'site.json', kind: 'deployment' })
  return buildNode({ layers: [layer], facts: neutralFacts, schemas: attributeSchemas, foreignKeys }).warnings
}

const nested = (path: readonly string[], value: unknown) =>
  path.reduceRight<unknown>((inside, key) => ({ [key]: inside }), value) as object

function leaves(value: unknown, path: readonly string[]): (readonly [readonly string[], unknown])[] {
  if (!isObject(value) || Object.keys(value).length === 0) return [[path, value]]
  return Object.entries(value).flatMap(([key, child]) => leaves(child, [...path, key]))
}

function isReported(t: Test, warnings: Node['warnings'], path: readonly string[]): void {
  t.match(warnings, [
    { code: 'NO_EFFECT', path: formatPath(path), hint: /\w/, source: { file: 'site.json', line: Number } },
  ])
  t.equal(warnings.length, 1)
}

const keys = Object.keys(otherCookbooks)
const settings = keys.flatMap((key) => leaves(defaults[key], [key]))
t.ok(settings.length > 40)

t.test('does not report a default, also as text', async (t) => {
  t.strictSame(await warningsOf(Object.fromEntries(keys.map((key) => [key, defaults[key]]))), [])
  t.strictSame(await warningsOf({ nfs: null, system: null, python: null, deploy_django: null }), [])
  t.strictSame(await warningsOf({ nfs: { threads: '8' }, memcached: { port: '11211', max_connections: '4096' } }), [])
})

for (const [path, standard] of settings)
  t.test(path.join('.'), async (t) => {
    const isEmptyGroup = path.length === 1 && !Array.isArray(standard)
    const changed = isEmptyGroup
      ? { other: 'other' }
      : Array.isArray(standard)
        ? ['other']
        : String(standard).startsWith('/')
          ? '/other'
          : '7'
    isReported(t, await warningsOf(nested(path, changed)), isEmptyGroup ? [...path, 'other'] : path)
    const row = reference.split('\n').find((line) => line.startsWith(`| \`${path.join('.')}\` |`))
    t.match(row, /\*\*No effect\*\*/, 'the reference documents it')
  })

t.test('reports a key that no schema names', async (t) => {
  for (const path of [
    ['nfs', 'port', 'rquotad'],
    ['papertrail', 'our_own'],
    ['papertrail', 'hostname_cmd'],
    ['newrelic', 'repository', 'uri'],
    ['newrelic', 'varnish', 'version'],
    ['newrelic', 'python_agent', 'template'],
    ['newrelic', 'application_monitoring', 'logfile'],
    ['newrelic', 'application_monitoring', 'transaction_tracer', 'threshold'],
    ['newrelic', 'application_monitoring', 'error_collector', 'enable'],
    ['apt', 'cacher_dir'],
    ['apt', 'unattended_upgrades', 'allowed_origins'],
    ['deploy_django', 'celery', 'broker', 'connection_mac_tries'],
  ])
    isReported(t, await warningsOf(nested(path, 'other')), path)
})

t.test('reads the settings of one Django app', async (t) => {
  for (const [name, value] of Object.entries({
    django_settings_file: 'a.py',
    django_requirements: false,
    django_collect_static: true,
    django_debug: true,
    django_migration_command: 'manage.py migrate',
    migration_command: 'manage.py migrate',
    debug: true,
  }))
    isReported(t, await warningsOf({ deploy: { shop: { [name]: value } } }), ['deploy', 'shop', name])
  const gunicorn = ['deploy', 'shop', 'django_gunicorn', 'enabled']
  isReported(t, await warningsOf(nested(gunicorn, true)), gunicorn)
  const password = ['deploy', 'shop', 'django_celery', 'broker', 'password']
  isReported(t, await warningsOf(nested(password, 'hidden')), password)
  t.strictSame(
    await warningsOf({
      deploy: { shop: { django_debug: false, django_requirements: 'requirements.txt', migration_command: null } },
    }),
    [],
  )
})

t.test('passwords of these cookbooks are secret', async (t) => {
  const layer = await parseAttributes({
    text: JSON.stringify({
      deploy_django: { database: { password: 'db-pass-1' }, celery: { broker: { password: 'mq-pass-2' } } },
      deploy: { shop: { django_database: { password: 'db-pass-3' } } },
      s3fs_fuse: { s3_key: 'AKIAEXAMPLE', s3_secret: 's3-secret-4' },
    }),
    file: 'site.json',
    kind: 'deployment',
  })
  const { secrets } = buildNode({ layers: [layer], facts: neutralFacts, schemas: attributeSchemas, foreignKeys })
  for (const one of ['db-pass-1', 'mq-pass-2', 'db-pass-3', 'AKIAEXAMPLE', 's3-secret-4'])
    t.ok(secrets.includes(one), one)
})
