/** Tests which logs the role papertrail sends, and what it writes of its attributes. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { attributeSchemas } from '../../attributes/index.ts'
import { compile } from '../../core/compile/compile.ts'
import { neutralFacts } from '../../core/node/facts.ts'
import { buildNode } from '../../core/node/node.ts'
import { objectLayer } from '../../core/node/parse_layer.ts'
import { recipeNode } from '../../recipes/node.ts'
import role from '../../recipes/papertrail/role.ts'

const destination = { remote_host: 'logs7.papertrailapp.com', remote_port: '12345' }

/** Returns the content of the file for a host with these roles. */
function forwarding(roles: readonly string[], attributes: Readonly<Record<string, unknown>> = {}): string {
  const layer = objectLayer({ papertrail: destination, converge: { roles }, ...attributes }, 'test', 'deployment')
  const built = buildNode({ layers: [layer], facts: { ...neutralFacts, uid: 0 }, schemas: attributeSchemas })
  const run = { id: 'run', events: ['configure'], options: {}, by: 'test' }
  const { resources } = compile([role], ['configure'], recipeNode(built, run))
  const props = resources.find(({ name }) => name.startsWith('file '))?.props as { readonly content: string }
  return props.content
}

const inputs = (text: string) => [...text.matchAll(/File="(.*)" Tag="(.*):"/g)].map(([, file, tag]) => `${tag} ${file}`)

t.test('watches the logs of the roles of the host', async (t) => {
  t.strictSame(inputs(forwarding(['base'])), [])
  const clients = { plone_instances: { instance_count: 2 }, deploy: { plone_instances: {} } }
  t.strictSame(inputs(forwarding(['zeo-client'], clients)), [
    'supervisor /var/log/supervisor/supervisord.log',
    'plone_instances-client1 /var/log/supervisor/plone_instances-client1.log',
    'plone_instances-client2 /var/log/supervisor/plone_instances-client2.log',
  ])
  t.strictSame(inputs(forwarding(['frontend', 'broker'], { redis: { config: { requirepass: 'planted' } } })), [
    'nginx /var/log/nginx/error.log',
    'redis /var/log/redis/redis-server.log',
  ])
  const solr = (enable_papertrail: boolean) => ({ plone_solr: { enable_papertrail }, deploy: { solr: {} } })
  t.equal(inputs(forwarding(['solr'], solr(false))).length, 2)
  t.equal(inputs(forwarding(['solr'], solr(true))).at(-1), 'solr /srv/www/solr/shared/var/log/solr.log')
})

t.test('files of the user are added, and may have another tag', async (t) => {
  const watch_files = { '/srv/a b/"x".log': 'a', '/var/log/nginx/error.log': 'web' }
  const text = forwarding(['frontend'], { papertrail: { ...destination, watch_files } })
  t.strictSame(inputs(text), ['web /var/log/nginx/error.log', 'a /srv/a b/\\"x\\".log'])
})

t.test('the example of docs/logs-and-backups.md is complete', async (t) => {
  const page = readFileSync(new URL('../../docs/logs-and-backups.md', import.meta.url), 'utf8')
  const [, example = ''] = /## Send logs to a server\n[\s\S]*?```json\n([\s\S]*?)```/.exec(page) ?? []
  const text = forwarding(['base'], JSON.parse(example))
  for (const part of ['Target="logs7.papertrailapp.com"', 'Port="12345"']) t.ok(text.includes(part), part)
  t.strictSame(inputs(text), ['shop /srv/shop/log/*.log'])
})

t.test('writes the name of the host and the limits of the queue', async (t) => {
  const papertrail = { ...destination, hostname_name: 'web1', queue_disk_space: '1g', resume_retry_count: '5' }
  const text = forwarding(['base'], { papertrail })
  for (const part of [
    'constant(value="web1")',
    'queue.maxDiskSpace="1g"',
    'action.resumeRetryCount="5"',
    'Port="12345"',
  ])
    t.ok(text.includes(part), part)
  t.ok(forwarding(['base']).includes('property(name="hostname")'))
})

t.test('refuses a destination without a port, and to replace the certificates of the system', async (t) => {
  t.throws(() => forwarding(['base'], { papertrail: {} }), {
    message: /papertrail\.remote_port is not set/,
    hint: 'set it to the port of your log destination',
  })
  const cert_url = 'https://example.com/ca.pem'
  t.throws(() => forwarding(['base'], { papertrail: { ...destination, cert_url } }), {
    message: /papertrail\.cert_file is the file with the certificates of the system/,
  })
  forwarding(['base'], { papertrail: { ...destination, cert_url, cert_file: '/etc/papertrail-bundle.pem' } })
})

t.test('refuses what rsyslog would read differently', async (t) => {
  for (const wrong of [
    { remote_host: 'a b' },
    { permitted_peer: 'a\nb' },
    { queue_file_name: '../x' },
    { queue_disk_space: 'much' },
    { watch_files: { '/a': 'two words' } },
    { cert_url: 'http://example.com/ca.pem' },
  ])
    t.throws(() => forwarding(['base'], { papertrail: { ...destination, ...wrong } }), { message: /papertrail\./ })
})
