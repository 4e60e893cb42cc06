/** Tests golden cases of the frontend and variants of them: servers, virtual hosts, and the clients that may purge. */
import t from 'tap'
import { compile } from '../../../core/compile/compile.ts'
import type { RenderedFile } from '../../../core/model/resource.ts'
import { neutralFacts } from '../../../core/node/facts.ts'
import { balancedServers } from '../../../recipes/frontend/haproxy.ts'
import role from '../../../recipes/frontend/role.ts'
import type { SiteNode } from '../../../recipes/node.ts'
import { goldenCases, type NodeJson, nodeOf } from '../../support/golden.ts'

/** Makes a node without facts of its host. */
function nodeWith(attributes: object): SiteNode {
  const run = { id: 'test', events: [], options: {}, by: 'tester' }
  return { ...attributes, facts: neutralFacts, run } as unknown as SiteNode
}

/** Returns the text of the files whose path has this ending. */
function rendered(node: SiteNode, ending: string): string {
  const plan = compile([role], ['setup', 'configure'], node)
  const files = plan.resources.flatMap(({ definition, props, hasReferences }): readonly RenderedFile[] =>
    hasReferences ? [] : (definition.implementation.files?.(props) ?? []),
  )
  return files.filter(({ path }) => path.endsWith(ending)).map(({ content }) => content)[0] ?? ''
}

interface Expected {
  readonly haproxy: {
    readonly servers: readonly Record<string, string>[]
    readonly default_backend: string | null
    readonly stats: readonly string[]
    readonly timeout: Record<string, string>
    readonly balance?: string
    readonly httpchk?: string
    readonly bind: string
  }
  readonly nginx: {
    readonly virtual_hosts: readonly { readonly server_name: string; readonly rewrite: string }[]
    readonly upstreams: Record<string, string>
  }
  readonly varnish: { readonly purge_acl: readonly [string, string][]; grace_s: string; default_ttl_s: string }
}

/** The statements of a configuration, without blanks around them. */
const lines = (text: string) => text.split('\n').map((line) => line.trim())

const cases = goldenCases(['frontend'])
t.ok(cases.length >= 2, 'there are golden cases')
for (const { file, attributes, expected: recorded } of cases)
  t.test(file, async (t) => {
    const expected = recorded as unknown as Expected
    const node = nodeWith(attributes)
    const haproxy = lines(rendered(node, '/haproxy.cfg'))
    const servers = haproxy.flatMap((line) => {
      const [, name, address, rest = ''] = /^server (\S+) (\S+) (.*)$/.exec(line) ?? []
      const given = (key: string) => new RegExp(`\\b${key} (\\S+)`).exec(rest)?.[1]
      const keys = ['inter', 'fastinter', 'downinter', 'maxconn', 'rise', 'fall']
      return name === undefined ? [] : [{ name, address, ...Object.fromEntries(keys.map((key) => [key, given(key)])) }]
    })
    t.strictSame(servers, expected.haproxy.servers, 'servers')
    const { timeout, stats, bind, balance, httpchk, default_backend } = expected.haproxy
    const requested = [
      ...Object.entries(timeout).map(([name, value]) => `timeout ${name} ${value}`),
      ...stats.map((line) => `stats ${line}`),
      // converge binds the port to the loopback address for nginx on the same host; the cookbook opens it to every
      // host.
      `bind ${bind.replace(/^:/, '127.0.0.1:')}`,
      ...(balance === undefined ? [] : [`balance ${balance}`]),
      ...(httpchk === undefined ? [] : [`option httpchk ${httpchk}`]),
      ...(default_backend === null ? [] : [`default_backend ${default_backend}`]),
    ]
    t.strictSame(
      requested.filter((line) => !haproxy.includes(line)),
      [],
      'haproxy.cfg',
    )
    t.strictSame(virtualHosts(rendered(node, '/sites-available/instances')), expected.nginx.virtual_hosts)
    for (const [name, address] of Object.entries(expected.nginx.upstreams))
      t.match(rendered(node, '/instances'), new RegExp(`upstream ${name} \\{\\s+server ${address} `))
    const vcl = rendered(node, '.vcl')
    for (const [address] of expected.varnish.purge_acl)
      t.ok(lines(vcl).includes(`"${address}";`), `${address} may purge`)
    t.match(vcl, `beresp.grace = ${expected.varnish.grace_s}s`)
    t.match(vcl, `beresp.ttl = ${expected.varnish.default_ttl_s}s`)
  })

function virtualHosts(text: string): { server_name: string; rewrite: string }[] {
  const names = [...text.matchAll(/^\s*server_name (.*);$/gm)].map(([, name]) => name ?? '')
  const rewrites = [...text.matchAll(/^\s*rewrite \S+ (\/VirtualHostBase\S+) break;$/gm)].map(([, one]) => one ?? '')
  return names.map((server_name, index) => ({ server_name, rewrite: rewrites[index] ?? '' }))
}

const [first] = cases
const base = { opsworks: first?.attributes.opsworks, cpu: { total: 2 } } as unknown as NodeJson
const withSettings = (...more: NodeJson[]) => nodeWith(nodeOf(base, ...more))
const serversOf = (...more: NodeJson[]) => balancedServers(withSettings(...more)).map(({ name }) => name)
const host = (more: object) => ({ opsworks: { layers: { plone_instances: { instances: { plone2: more } } } } })
const two = {
  opsworks: {
    layers: { plone_instances: { instances: { plone1: { backends: 8, status: 'online', private_dns_name: 'p1' } } } },
  },
}

t.test('lists as many servers as clients, on the hosts that are online', async (t) => {
  t.strictSame(
    serversOf(two, host({ status: 'online', private_dns_name: 'p2' })).slice(-4),
    ['plone1-1', 'plone1-2', 'plone2-1', 'plone2-2', 'plone2-3', 'plone2-4'].slice(-4),
    'without backends the CPUs count',
  )
  t.notMatch(serversOf(two, host({ status: 'stopped', private_dns_name: 'p2' })).join(), 'plone2')
  t.strictSame(
    serversOf(two, host({ status: 'online', backends: 8, private_ip: '10.0.0.9' }), {
      plone_instances: { instance_count: 3 },
    }).filter((name) => name.startsWith('plone2')),
    ['plone2-1', 'plone2-2', 'plone2-3'],
  )
  t.strictSame(balancedServers(withSettings(host({ status: 'online', backends: 4, private_ip: '10.0.0.9' }))).at(-1), {
    name: 'plone2-1',
    address: '10.0.0.9:8081',
  })
})

t.test('lists each address that may purge once', (t) => {
  const instances = {
    here: { status: 'online', private_ip: '127.0.0.1', ip: '127.0.0.1' },
    p1: { status: 'online', private_ip: '10.0.0.5', ip: '10.0.0.5' },
    p2: { status: 'online', private_ip: '10.0.0.5', ip: '127.0.0.1' },
  }
  const vcl = rendered(withSettings({ opsworks: { layers: { plone_instances: { instances } } } }), '.vcl')
  const listed = lines(vcl.slice(vcl.indexOf('acl purge'), vcl.indexOf('sub vcl_recv'))).filter((line) =>
    line.startsWith('"'),
  )
  t.strictSame(listed, [...new Set(listed)])
  t.ok(['"127.0.0.1";', '"127.0.0.0"/24;', '"10.0.0.5";'].every((line) => listed.includes(line)))
  t.end()
})

t.test('sticky sessions: each server has a cookie of its own', async (t) => {
  const text = rendered(withSettings(two, { plone_instances: { sticky_sessions: true } }), '/haproxy.cfg')
  const cookies = [...text.matchAll(/^ +server (\S+) .* cookie (\S+) check/gm)].map(([, name, cookie]) => [
    name,
    cookie,
  ])
  t.ok(cookies.length >= 2)
  for (const [name, cookie] of cookies) t.equal(name, cookie)
  t.match(text, 'cookie sid insert indirect nocache httponly')
  t.notMatch(rendered(withSettings(two), '/haproxy.cfg'), /cookie/)
})

t.test('renders subsites and additional configuration', async (t) => {
  const text = rendered(
    withSettings({
      plone_instances: {
        site_id: 'site',
        subsites: { 'a.example.com': 'area/one', 'b.example.com': '/two/' },
        subsite_config: { 'a.example.com': 'set $a 1;' },
      },
      nginx_plone: {
        additional_servers: 'server { listen 81; }',
        additional_config: 'set $all 1;',
        default_config: 'set $default 1;',
        enable_ssi: true,
        client_max_body_size: '1g',
      },
    }),
    '/instances',
  )
  t.match(virtualHosts(text), [
    { server_name: '_', rewrite: '/VirtualHostBase/$final_scheme/$host:$final_port/site/VirtualHostRoot/$1' },
    { server_name: 'a.example.com', rewrite: /\/site\/area\/one\/VirtualHostRoot/ },
    { server_name: 'b.example.com', rewrite: /\/site\/two\/VirtualHostRoot/ },
  ])
  const count = (what: string) => text.split(what).length - 1
  t.strictSame([count('set $all 1;'), count('set $default 1;'), count('set $a 1;')], [3, 1, 1])
  t.strictSame([count('listen 81;'), count('ssi on;'), count('client_max_body_size 1g;')], [1, 3, 3])
})

t.test('TLS uses the given certificate for each domain but the short name of the app', async (t) => {
  const secrets = { ssl_support: true, ssl_certificate: 'CERT', ssl_certificate_key: 'KEY', ssl_certificate_ca: 'CA' }
  const site = { ...secrets, domains: ['www.example.com', 'a.example.com', 'plone_instances'] }
  const node = withSettings({
    plone_instances: { subsites: { 'a.example.com': 'a' } },
    deploy: { plone_instances: site },
  })
  const text = rendered(node, '/instances-ssl')
  t.match(virtualHosts(text), [
    { server_name: 'www.example.com', rewrite: /\/Plone\/VirtualHostRoot/ },
    { server_name: 'a.example.com', rewrite: /\/Plone\/a\/VirtualHostRoot/ },
  ])
  t.equal(virtualHosts(text).length, 2)
  t.match(text, 'ssl_protocols TLSv1.2 TLSv1.3;')
  t.equal(rendered(node, '/ssl/www.example.com.pem'), 'KEY\nCERT\nCA\n')
  t.equal(rendered(withSettings(), '/instances-ssl'), '')
  const warned = compile([role], ['configure'], withSettings({ deploy: { plone_instances: { ssl_support: true } } }))
  t.match(warned.warnings, [/ssl_support is true, but there is no TLS/])
})

t.test('TLS renders directives of the default server, and subsites that the domains do not name', async (t) => {
  const tls = { ssl_support: true, ssl_certificate: 'CERT', ssl_certificate_key: 'KEY' }
  const given = {
    plone_instances: {
      subsites: { 'a.example.com': 'a', 'b.example.net': 'b' },
      subsite_config: { 'b.example.net': 'set $b 1;' },
    },
    nginx_plone: { default_ssl_config: 'set $default 1;', additional_ssl_config: 'set $all 1;' },
  }
  const count = (text: string, what: string) => text.split(what).length - 1
  const own = {
    deploy: { plone_instances: { ...tls, domains: ['www.example.com', 'a.example.com', 'plone_instances'] } },
  }
  for (const more of [own, { certbot_domains: ['www.example.com', 'a.example.com'] }]) {
    const text = rendered(withSettings(given, more), '/instances-ssl')
    t.match(virtualHosts(text), [
      { server_name: 'www.example.com', rewrite: /\/Plone\/VirtualHostRoot/ },
      { server_name: 'a.example.com', rewrite: /\/Plone\/a\/VirtualHostRoot/ },
      { server_name: 'b.example.net', rewrite: /\/Plone\/b\/VirtualHostRoot/ },
    ])
    t.equal(virtualHosts(text).length, 3)
    t.strictSame(
      ['set $default', 'set $all', 'set $b', 'default_server'].map((what) => count(text, what)),
      [1, 3, 1, 1],
    )
    t.match(text.slice(0, text.indexOf('a.example.com')), 'set $default 1;')
  }
})

t.test('certbot: serves challenges, and uses TLS once a certificate exists', async (t) => {
  const node = withSettings({ certbot_domains: ['www.example.com'], certbot_email: 'a@example.com' })
  t.match(rendered(node, '/instances'), /acme-challenge\/ \{\s+default_type text\/plain;\s+root \/var\/www\/certbot;/)
  t.notMatch(rendered(withSettings(), '/instances'), 'acme')
  const { resources } = compile([role], ['configure'], node)
  const certonly = resources.find(({ name }) => name.startsWith('execute certificate for'))
  t.match(
    JSON.stringify(certonly?.props).replaceAll('","', ' '),
    /--webroot-path \/var\/www\/certbot .*--email a@example.com --domain www.example.com/,
  )
  const tls = resources.find(({ key }) => key.endsWith('/instances-ssl'))
  t.match(tls?.options.onlyIf, { description: 'certbot has got a certificate' })
})

t.test('creates a missing password, and serves the statistics page only on request', async (t) => {
  const names = (more: NodeJson) => compile([role], ['configure'], withSettings(more)).resources.map(({ type }) => type)
  t.ok(names({ haproxy: { enable_stats: true } }).includes('random_secret'))
  t.notOk(names({ haproxy: { enable_stats: true, stats_password: 'pw' } }).includes('random_secret'))
  t.notOk(names({}).includes('random_secret'))
  t.notMatch(rendered(withSettings(), '/haproxy.cfg'), /stats (uri|auth)/)
  const quoted = rendered(
    withSettings({ haproxy: { enable_stats: true, stats_password: `it's # "x"` } }),
    '/haproxy.cfg',
  )
  t.match(quoted, `stats auth 'opsworks:it'\\''s # "x"'`)
})

t.test('opens the runtime API over TCP only on request, on the inner address', async (t) => {
  const balancer = { converge: { balancer: { port: 9999 } } }
  t.match(rendered(withSettings(balancer), '/haproxy.cfg'), 'stats socket ipv4@10.0.0.11:9999 level admin')
  t.notMatch(rendered(withSettings(), '/haproxy.cfg'), 'ipv4@')
  const nowhere = withSettings(balancer, { opsworks: { instance: { private_ip: null } } })
  t.throws(() => compile([role], ['configure'], nowhere), { message: /opsworks.instance.private_ip is not set/ })
  const at = (isSet: boolean) => {
    const settings = withSettings(balancer, { opsworks: { instance: { private_ip: '203.0.113.7' } } })
    return { ...settings, isGiven: () => isSet }
  }
  t.throws(
    () => compile([role], ['configure'], at(false)),
    { message: /opsworks.instance.private_ip is not set/ },
    'a public address that was found on the host does not count',
  )
  t.match(rendered(at(true), '/haproxy.cfg'), 'stats socket ipv4@203.0.113.7:9999', 'one that the user sets does')
  for (const private_ip of [null, '']) {
    const empty = { ...withSettings(balancer, { opsworks: { instance: { private_ip } } }), isGiven: () => true }
    t.throws(
      () => compile([role], ['configure'], empty),
      { message: /opsworks.instance.private_ip is not set/ },
      'without an address, HAProxy would listen on all of them',
    )
  }
})

t.test('refuses values that would change the configuration', async (t) => {
  const refused = (more: NodeJson, message: RegExp) =>
    t.throws(() => compile([role], ['configure'], withSettings(two, more)), { message })
  refused({ plone_instances: { site_id: 'Plone; }' } }, /plone_instances.site_id is not a path in Zope/)
  refused({ plone_instances: { subsites: { 'a b': 'x' } } }, /"a b", which is not a host name/)
})
