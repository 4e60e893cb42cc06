/** Tests newrelic.ini: its content, its permissions, rejected values, and that Python reads the values back. */
import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import type { JsonObject } from '../../../core/node/merge.ts'
import { newRelicValue } from '../../../core/text/newrelic_ini.ts'
import { refusalOf } from '../../../core/text/writer.ts'
import { newRelicIni } from '../../../recipes/plone/newrelic.ts'
import { Machine } from '../../support/fake_machine.ts'
import { needs } from '../../support/machine.ts'
import { planned, roleNode } from '../../support/role_plans.ts'

const site = (json: JsonObject = {}): JsonObject => ({
  plone_instances: { newrelic_tracing: true },
  deploy: { plone_instances: { scm: { repository: 'git@h:r.git' } } },
  opsworks: { stack: { name: 'demo' } },
  ...json,
})
const text = (newrelic: JsonObject) => newRelicIni(roleNode(site({ newrelic })))

async function declared(json: JsonObject, host: Machine | null = null) {
  const { resources, warnings } = await planned('zeo-client', json, { host })
  const files = resources.flatMap(({ props }) => {
    const { path } = props as { path?: unknown }
    return typeof path === 'string' && path.endsWith('newrelic.ini')
      ? [props as { path: string; mode: string; owner: string; group: string }]
      : []
  })
  return { files, warnings }
}

t.test('renders the file', async (t) => {
  const monitoring = {
    app_name: 'Site 100%',
    browser_monitoring: { auto_instrument: false },
    transaction_tracer: { slow_sql: true, record_sql: 'obfuscated' },
  }
  t.equal(
    text({ license: 'abc', application_monitoring: monitoring }),
    `# Written by converge, changes are overwritten.
[newrelic]
license_key = abc
app_name = demo: Site 100%
browser_monitoring.auto_instrument = false
transaction_tracer.enabled = true
transaction_tracer.record_sql = obfuscated
slow_sql.enabled = true
`,
  )
  t.match(text({ license: 'abc', application_monitoring: { license: 'own' } }), /^license_key = own$/m)
  t.match(text({}), /^# No license here/m)
  t.notMatch(text({}), /license_key/)
  t.match(text({}), /^app_name = demo: plone_instances$/m)
})

t.test('only the app and root can read the license', async (t) => {
  const { files } = await declared(site({ newrelic: { license: 'abc' } }))
  t.match(files, [{ path: '/etc/newrelic/newrelic.ini', mode: '0640', owner: 'root', group: 'www-data' }])
  const elsewhere = { python_agent: { config_file: '/srv/agent/newrelic.ini' } }
  t.match((await declared(site({ newrelic: elsewhere }))).files, [{ path: '/srv/agent/newrelic.ini' }])
  t.strictSame((await declared({ ...site(), plone_instances: {} })).files, [], 'none without tracing')
})

t.test('keeps a file that somebody else has written', async (t) => {
  const host = new Machine()
  host.given('/etc/newrelic/newrelic.ini', '[newrelic]\nlicense_key = mine\n')
  const { files, warnings } = await declared(site(), host)
  t.strictSame(files, [])
  t.match(warnings.join('\n'), /converge did not write \S*newrelic\.ini and leaves it as it is/)
  host.given('/etc/newrelic/newrelic.ini', text({}))
  t.equal((await declared(site(), host)).files.length, 1, 'its own is kept up to date')
})

t.test('refuses values that the file cannot hold before any change', async (t) => {
  const refused = (newrelic: JsonObject) => t.rejects(declared(site({ newrelic })), { code: 'INVALID_ATTRIBUTE' })
  await refused({ application_monitoring: { app_name: 'one;two' } })
  await refused({ license: 'a;c' })
  await refused({ application_monitoring: { license: 'a\u2028b' } })
  try {
    text({ license: 'secret-1;' })
    t.fail('refused')
  } catch (error) {
    const { message } = error as Error
    t.match(message, /newrelic\.license/)
    t.notMatch(message, /secret-1/)
  }
})

const reader = `
import configparser, json, sys
for text in json.load(sys.stdin):
    parser = configparser.RawConfigParser(); parser.read_string(text)
    print(json.dumps(parser.get('newrelic', 'app_name')))
`

t.test('Python reads the values back', async (t) => {
  if (!needs(t, ['python3'])) return
  const values = fc
    .sample(fc.oneof(fc.string({ unit: 'binary', minLength: 1 }), fc.string({ unit: 'grapheme', minLength: 1 })), 2000)
    .filter((value) => !/\p{Surrogate}/u.test(value) && refusalOf(newRelicValue, value) === null)
  t.ok(values.length > 500, `${values.length} values`)
  const texts = [...values, '%(a)s', '#', '= x', '[newrelic]', '"q"'].map((value) => ({
    value,
    text: `[newrelic]\napp_name = ${newRelicValue(value)}\n`,
  }))
  const input = JSON.stringify(texts.map(({ text }) => text))
  const { stdout, stderr } = spawnSync('python3', ['-c', reader], { input, encoding: 'utf8' })
  t.equal(stderr, '')
  const read = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as string)
  t.strictSame(
    read,
    texts.map(({ value }) => value),
  )
})
