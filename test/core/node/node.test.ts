/** Tests the node: order of layers, facts, patches, secrets, and the origin of each value. */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import * as z from 'zod'
import { type Attributes, attributeSchemas, foreignKeys } from '../../../attributes/index.ts'
import { environmentLayer } from '../../../core/node/environment.ts'
import { explain, shownAttributes } from '../../../core/node/explain.ts'
import { type Facts, gatherFacts } from '../../../core/node/facts.ts'
import type { Layer, LayerKind } from '../../../core/node/layer.ts'
import { buildNode } from '../../../core/node/node.ts'
import { objectLayer, parseLayer } from '../../../core/node/parse_layer.ts'

const facts: Facts = {
  ...gatherFacts(),
  cpu: { total: 6 },
  hostname: 'here',
  fqdn: 'here.example.com',
  addresses: [
    { interface: 'lo', address: '127.0.0.1', family: 'IPv4', internal: true },
    { interface: 'eth0', address: 'fe80::1', family: 'IPv6', internal: false },
    { interface: 'eth0', address: '192.0.2.7', family: 'IPv4', internal: false },
  ],
}

const build = (...layers: readonly Layer[]) => buildNode({ layers, facts, schemas: attributeSchemas, foreignKeys })
const json = (value: unknown, kind: LayerKind = 'stack', file = `${kind}.json`) =>
  parseLayer({ text: JSON.stringify(value, null, 2), file, kind })

t.test('orders layers by their kind, then by their order', async (t) => {
  const { attributes } = build(
    await json({ plone_instances: { per_cpu: 5, site_id: 'deployment' } }, 'deployment'),
    await json({ plone_instances: { per_cpu: 1, site_id: 'stack', app_name: 'stack', zserver_threads: 2 } }, 'stack'),
    await json({ plone_instances: { site_id: 'host', app_name: 'host' } }, 'host'),
    await json({ plone_instances: { app_name: 'role', zserver_threads: 3 } }, 'role'),
    await json({ plone_instances: { zserver_threads: 9, celery_args: 'defaults' } }, 'defaults'),
    await json({ plone_instances: { per_cpu: 6 } }, 'deployment'),
  )
  const { per_cpu, site_id, app_name, zserver_threads, celery_args } = attributes.plone_instances
  t.strictSame(
    { per_cpu, site_id, app_name, zserver_threads, celery_args },
    {
      per_cpu: 6,
      site_id: 'deployment',
      app_name: 'host',
      zserver_threads: 3,
      celery_args: 'defaults',
    },
  )
})

t.test('a plain custom JSON gets this host as its instance', async (t) => {
  const { attributes } = build(await json({}))
  t.match(attributes.opsworks, {
    stack: { name: 'default' },
    instance: {
      hostname: 'here',
      private_ip: '192.0.2.7',
      private_dns_name: 'here.example.com',
      layers: [],
      backends: null,
    },
    layers: {},
  })
  t.match(attributes, { cpu: { total: 6 }, hostname: 'here', fqdn: 'here.example.com' })
})

t.test('a host name in the JSON sets the name of the instance', async (t) => {
  const { attributes } = build(await json({ hostname: 'web1' }))
  t.match(attributes.opsworks.instance, { hostname: 'web1', private_dns_name: 'web1', private_ip: '192.0.2.7' })
})

t.test('an instance in the JSON gets no facts of this host', async (t) => {
  const { attributes } = build(
    await json({ opsworks: { instance: { hostname: 'plone1' } }, cpu: { total: '2' }, memory: { total: '4053280kB' } }),
  )
  t.match(attributes.opsworks.instance, { hostname: 'plone1', private_ip: null, private_dns_name: null })
  t.equal(attributes.cpu.total, 2, 'a value of the JSON takes precedence over the fact')
  t.equal(attributes.memory.total, 4053280 * 1024)
  t.equal(build().facts.cpu.total, 6, 'the fact itself stays')
})

t.test('reads every node of the golden cases without a warning', async (t) => {
  const directory = new URL('../../../fixtures/golden/', import.meta.url)
  const files = readdirSync(directory).filter((file) => file !== 'default-attributes.json')
  t.ok(files.length >= 17)
  for (const file of files) {
    const golden = JSON.parse(readFileSync(new URL(file, directory), 'utf8')) as { node: Record<string, unknown> }
    const { attributes, warnings } = build(await json(golden.node))
    t.strictSame(warnings, [], file)
    t.match(attributes, golden.node, `${file} keeps what it says`)
    const shape: Attributes = attributes
    t.ok(shape.deploy.plone_instances?.deploy_to)
  }
})

t.test('reads what the platform writes without a warning', async (t) => {
  const { warnings } = build(
    await json({
      opsworks: {
        ruby_version: '2.0.0',
        instance: {
          id: 'x',
          hostname: 'a',
          infrastructure_class: 'ec2',
          aws_instance_id: 'i-1',
          public_dns_name: null,
        },
        layers: {
          web: {
            name: 'Web',
            id: 'l',
            instances: { a: { booted_at: 'x', elastic_ip: null, region: 'r', created_at: 'y' } },
          },
        },
        stack: { id: 's', name: 'demo', vpc_id: null, elb: {} },
        sent_at: 1400000000,
      },
      opsworks_custom_cookbooks: { enabled: true, scm: { password: null } },
      ssh_users: {},
      dependencies: { update_debs: false },
      deploy: {
        site: {
          application: 'site',
          application_type: 'other',
          auto_bundle_on_deploy: true,
          database: {},
          deploy_to: '/srv/www/site',
          domains: ['site'],
          mounted_at: null,
          rails_env: null,
          restart_command: null,
          sleep_before_restart: 0,
          ssl_certificate_ca: null,
          ssl_support: false,
          symlink_before_migrate: { 'config/opsworks.php': 'opsworks.php' },
          symlinks: {},
          stack: { needs_reload: false },
          memcached: { host: null, port: 11211 },
          migrate: false,
          scm: {
            password: null,
            repository: 'git@example.com:x.git',
            revision: null,
            scm_type: 'git',
            ssh_key: null,
            user: null,
          },
        },
      },
    }),
  )
  t.strictSame(warnings, [])
})

t.test('freezes the whole node', async (t) => {
  const { attributes } = build(
    await json({ deploy: { site: { environment: { A: 'b' } } }, ours: { deep: { list: [{}] } } }),
  )
  const all = attributes as unknown as { ours: { deep: { list: object[] } } }
  for (const value of [
    attributes,
    attributes.deploy.site?.environment,
    attributes.plone_instances.relstorage.db,
    all.ours.deep.list[0],
  ])
    t.ok(Object.isFrozen(value))
  t.throws(() => Object.assign(attributes.plone_instances, { per_cpu: 9 }), TypeError)
})

t.test('keeps unknown keys, and reports them with place and nearest name', async (t) => {
  const text =
    '{\n  "plone_instances": {\n    "restart_dellay": 3,\n    "celery_enabled": true\n  },\n  "zeoserver": {"nfs_blobs": true},\n  "haproxy": {"our_own": 1, "stat_url": "/x"},\n  "deploy": {"site": {"keep_release": 3, "environment": {"ANY": "x"}}}\n}'
  const { attributes, warnings } = build(await parseLayer({ text, file: 'custom.json', kind: 'stack' }))
  t.match(attributes, {
    plone_instances: { restart_dellay: 3 },
    zeoserver: { nfs_blobs: true },
    haproxy: { our_own: 1 },
  })
  t.strictSame(
    warnings.map(({ path, hint, source }) => [path, hint, source?.line, source?.column]),
    [
      ['plone_instances.restart_dellay', 'did you mean plone_instances.restart_delay?', 3, 5],
      ['plone_instances.celery_enabled', 'did you mean plone_instances.enable_celery?', 4, 5],
      ['zeoserver', 'did you mean plone_zeoserver?', 6, 3],
      ['haproxy.stat_url', 'did you mean haproxy.stats_url?', 7, 29],
      ['deploy.site.keep_release', 'did you mean deploy.site.keep_releases?', 8, 23],
    ],
  )
  t.match(warnings[0]?.message, /^plone_instances\.restart_dellay is not a known attribute: it is kept/)
})

t.test('lists the first of many unknown keys', async (t) => {
  const keys = Object.fromEntries(Array.from({ length: 2000 }, (_, at) => [`other_${at}`, at]))
  const { warnings } = build(await json({ plone_instances: { ...keys, per_cpus: 1 } }))
  t.equal(warnings.length, 51)
  t.equal(
    warnings[0]?.message,
    'plone_instances.other_0 is not a known attribute: it is kept, but nothing here reads it',
  )
  t.equal(warnings.at(-1)?.message, '1,951 more unknown keys')
})

t.test('reads a text of many megabytes', async (t) => {
  const long = 'x"\\'.repeat(5_000_000)
  const { attributes } = build(await json({ plone_instances: { site_id: long } }))
  t.ok(attributes.plone_instances.site_id === long)
  const twice = `{"plone_instances": {"site_id": ${JSON.stringify(long)}, "per_cpu": 1, "per_cpu": 2}}`
  const layer = await parseLayer({ text: twice, file: 'a.json', kind: 'stack' })
  t.match(layer.warnings, [{ code: 'DUPLICATE_KEY', path: 'plone_instances.per_cpu' }])
})

t.test('reads JSON with comments, trailing commas and a byte order mark', async (t) => {
  const text = '\uFEFF// stack\n{\n  /* half */ "plone_instances": {"per_cpu": 0.5,},\n}\n'
  const layer = await parseLayer({ text, file: 'custom.json', kind: 'stack' })
  t.strictSame(layer.value, { plone_instances: { per_cpu: 0.5 } })
  t.strictSame(layer.locate(['plone_instances', 'per_cpu']), { file: 'custom.json', line: 3, column: 45 })
  t.strictSame(layer.locate(['plone_instances', 'per_cpu'], 'key'), { file: 'custom.json', line: 3, column: 34 })
})

t.test('reads YAML with anchors', async (t) => {
  const text =
    'defaults: &all\n  environment: {A: x}\ndeploy:\n  site:\n    <<: *all\n    scm:\n      revision: main\n    domains:\n      - www.example.com\n'
  const layer = await parseLayer({ text, file: 'custom.yaml', kind: 'stack' })
  t.match(layer.value, { deploy: { site: { environment: { A: 'x' }, scm: { revision: 'main' } } } })
  t.strictSame(layer.locate(['deploy', 'site', 'scm', 'revision']), { file: 'custom.yaml', line: 7, column: 17 })
  t.strictSame(layer.locate(['deploy', 'site', 'domains', 0]), { file: 'custom.yaml', line: 9, column: 9 })
  t.strictSame(layer.locate(['deploy', 'site', 'nothing']), { file: 'custom.yaml', line: 5, column: 5 })
})

t.test('a number in place of text keeps the text of the file', async (t) => {
  const text = `
base: &base { A: 1.10, B: 0123 }
deploy:
  0123:
    scm: { revision: 0123456, user: 1e3, password: &secret 017653 }
    environment: { <<: *base, B: 0o17, C: *secret, D: 12345678901234567890, E: 3.1, F: 7 }
    domains: [1.50, 2]
plone_instances: { per_cpu: 0x2 }
converge: { packages: { nginx: 1.180 } }
`
  const { attributes } = build(await parseLayer({ text, file: 'a.yaml', kind: 'stack' }))
  t.match(attributes.deploy['0123'], {
    scm: { revision: '0123456', user: '1e3', password: '017653' },
    environment: { A: '1.10', B: '0o17', C: '017653', D: '12345678901234567890', E: '3.1', F: '7' },
    domains: ['1.50', '2'],
  })
  t.equal(attributes.plone_instances.per_cpu, 2)
  t.match(attributes.converge.packages, [{ name: 'nginx', version: '1.180' }])
  const patch = '[{ "op": "add", "path": "/deploy/site", "value": { "scm": { "revision": 1.10 }, "domains": [1e3] } }]'
  const patched = build(
    await json({ deploy: {} }),
    await parseLayer({ text: patch, file: 'b.json', kind: 'deployment' }),
  )
  t.match(patched.attributes.deploy.site, { scm: { revision: '1.10' }, domains: ['1e3'] })
})

t.test('a number that would change keeps the text of the file, also below an unknown key', async (t) => {
  const numbers = '[1e999, -1e999, 12345678901234567890, 9007199254740993, 9007199254740992, 1.50, 7]'
  const kept = ['1e999', '-1e999', '12345678901234567890', '9007199254740993', 9007199254740992, 1.5, 7]
  for (const file of ['a.json', 'a.yaml']) {
    const text = `{"own": {"list": ${numbers}}}`
    const { attributes } = build(await parseLayer({ text, file, kind: 'stack' }))
    t.strictSame(attributes.own, { list: kept }, file)
  }
  const yaml = await parseLayer({
    text: 'own: [.inf, -.Inf, .nan, 0o17, 0644, 007, -01, 0, 0.5]',
    file: 'b.yaml',
    kind: 'stack',
  })
  t.strictSame(build(yaml).attributes.own, ['.inf', '-.Inf', '.nan', 15, '0644', '007', '-01', 0, 0.5])
  const ports = 'converge: { frontend: { http_port: 0080 } }\n'
  const typed = build(await parseLayer({ text: ports, file: 'c.yaml', kind: 'stack' }))
  t.equal(typed.attributes.converge.frontend.http_port, 80)
})

t.test(
  'a number with a leading zero stays a number where one is expected, and is a text with a warning elsewhere',
  async (t) => {
    const text = 'shop: { retries: 05, code: 007, ratio: 00.5 }\nown:\n  retries: 05\n  codes: [007, 7]\n'
    const schemas = {
      ...attributeSchemas,
      shop: z.object({ retries: z.number().int().default(1), code: z.string(), ratio: z.number() }),
    }
    const layer = await parseLayer({ text, file: 'a.yaml', kind: 'stack' })
    const { attributes, warnings } = buildNode({ layers: [layer], facts, schemas, foreignKeys: ['own'] })
    t.strictSame(attributes.shop, { retries: 5, code: '007', ratio: 0.5 })
    t.strictSame((attributes as unknown as Record<string, unknown>).own, { retries: '05', codes: ['007', 7] })
    t.strictSame(warnings, [
      {
        code: 'NUMBER_AS_TEXT',
        message: 'own.retries is the text "05", because a number has no leading zero (and 1 more such value)',
        path: 'own.retries',
        hint: 'write it in quotes if it is a text, and without the zero if it is a number',
        source: { file: 'a.yaml', line: 3, column: 12 },
      },
    ])
  },
)

t.test('warns about a duplicate key', async (t) => {
  const text = '{"deploy": {"a": {"user": "x"},\n "b": {"note": "\\"deploy\\": 1"},\n "a": {"user": "y"}}}'
  const { warnings, value } = await parseLayer({ text, file: 'custom.json', kind: 'stack' })
  t.strictSame(value?.deploy, { a: { user: 'y' }, b: { note: '"deploy": 1' } })
  t.match(warnings, [{ code: 'DUPLICATE_KEY', message: 'deploy.a stands 2 times, in lines 1, 3: the last one counts' }])
  const many = await parseLayer({ text: `{${'"a": 1,\n'.repeat(50_000)}"b": 1}`, file: 'a.json', kind: 'stack' })
  const message = 'a stands 50000 times, in lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …: the last one counts'
  t.match(many.warnings, [{ message }])
})

t.test('omits a key __proto__, and warns', async (t) => {
  for (const [file, text] of [
    ['a.json', '{"a": {"__proto__": {"x": 1}, "b": 1}}'],
    ['b.json', '{"a": {"\\u005f_proto__": {"x": 1}, "b": 1}} // comment'],
    ['b.json', '{"a": {"__proto__": {"x": 1e999}, "b": 1}}'],
    ['c.yaml', 'a:\n  __proto__: {x: 1}\n  b: 1\n'],
  ] as const) {
    const { value, warnings } = await parseLayer({ text, file, kind: 'stack' })
    t.strictSame(value, { a: { b: 1 } }, file)
    t.match(warnings, [{ code: 'UNSAFE_KEY', path: 'a.__proto__' }], file)
  }
})

t.test('a JSON Patch expresses what a merge cannot', async (t) => {
  const below = await json({
    deploy: { site: { domains: ['a', 'b'], environment: { A: '1', B: '2' } } },
    plone_instances: { per_cpu: 4 },
  })
  const patch = await json(
    [
      { op: 'test', path: '/plone_instances/per_cpu', value: 4 },
      { op: 'add', path: '/deploy/site/domains/-', value: 'c' },
      { op: 'add', path: '/deploy/site/domains/0', value: 'first' },
      { op: 'remove', path: '/deploy/site/environment/A' },
      { op: 'copy', from: '/deploy/site/environment/B', path: '/deploy/site/environment/C' },
      { op: 'move', from: '/deploy/site/environment/B', path: '/deploy/site/environment/D' },
      { op: 'add', path: '/deploy/shop', value: { user: 'shop' } },
      { op: 'add', path: '/deploy_buildout/extends/-', value: 'more.cfg' },
      { op: 'add', path: '/deploy/site/scm', value: { revision: 'main' } },
      { op: 'replace', path: '/plone_instances/zeo/address', value: 'zeo:8001' },
      { op: 'add', path: '/plone_instances/subsites/www.example.com~1x', value: 'a' },
    ],
    'host',
  )
  const copy = JSON.stringify(below.value)
  const { attributes } = build(below, patch, await json({ deploy: { shop: { group: 'shop' } } }, 'deployment'))
  t.match(attributes, {
    deploy: {
      site: { domains: ['first', 'a', 'b', 'c'], environment: { C: '2', D: '2' }, scm: { revision: 'main' } },
      shop: { user: 'shop', home: '/home/shop', group: 'shop' },
    },
    deploy_buildout: { extends: ['buildout.cfg', 'more.cfg'], config: 'deploy.cfg' },
    plone_instances: { zeo: { address: 'zeo:8001' }, subsites: { 'www.example.com/x': 'a' } },
  })
  t.strictSame(Object.keys(attributes.deploy.site?.environment ?? {}), ['C', 'D'])
  t.equal(JSON.stringify(below.value), copy, 'the layer below stays as it was')
})

t.test('a patch of an application does not fix values that later layers determine', async (t) => {
  const patch = await json([{ op: 'add', path: '/deploy/site/environment/A', value: 'x' }], 'host')
  const { attributes } = build(
    await json({ deploy: { site: {} } }),
    patch,
    await json({ deploy: { site: { user: 'plone' } } }, 'deployment'),
  )
  t.match(attributes.deploy.site, { user: 'plone', home: '/home/plone', environment: { A: 'x' } })
})

t.test('reads secrets from environment variables', async (t) => {
  const layer = environmentLayer({
    PATH: '/bin',
    CONVERGE_ATTR_plone_instances__relstorage__db__password: 's3cret pass',
    CONVERGE_ATTR_plone_instances__per_cpu: '3',
    CONVERGE_ATTR_plone_instances__enable_celery: 'true',
    CONVERGE_ATTR_plone_instances__site_id: '"42"',
    CONVERGE_ATTR_deploy__site__scm__password: '0123',
    CONVERGE_ATTR_deploy__site__scm__revision: '1e5',
    CONVERGE_ATTR_deploy__site__scm__known_hosts: '"not closed',
    CONVERGE_ATTR_deploy__site__environment__A: '{"x": 1}',
  })
  t.strictSame(layer?.value, {
    deploy: {
      site: { environment: { A: '{"x": 1}' }, scm: { password: '0123', revision: '1e5', known_hosts: '"not closed' } },
    },
    plone_instances: {
      relstorage: { db: { password: 's3cret pass' } },
      per_cpu: 3,
      enable_celery: true,
      site_id: '42',
    },
  })
  t.equal(environmentLayer({ PATH: '/bin' }), null)
  const node = build(...(layer ? [layer] : []))
  t.strictSame([...node.secrets].sort(), ['0123', 's3cret pass'])
  t.match(explain(node, 'plone_instances.relstorage.db.password'), [
    {
      value: '********',
      sensitive: true,
      origins: [
        {
          kind: 'deployment',
          from: 'environment CONVERGE_ATTR_plone_instances__relstorage__db__password',
          value: '********',
        },
      ],
    },
  ])
})

t.test('finds secrets by schema, by name, and inside addresses', async (t) => {
  const { secrets } = build(
    await json({
      deploy: {
        site: {
          scm: { repository: 'https://me:t0ken@example.com/x.git', ssh_key: '-----BEGIN', password: 98765 },
          environment: {
            DB_PASSWORD: 'env-secret',
            API_TOKEN: 'env-token',
            SECRET_KEY: 'env-key',
            TOKENS: 'env-tokens',
            STOP_TOKENS: 'fine',
            DEBUG_SECRET: 'true',
          },
          buildout_cache_archives: [{ url: 'https://x/y.tgz', path: 'shared', password: 'archive' }],
        },
      },
      our_own: { tokens: 40_960, deep: [{ api_key: 'unknown-key' }], broker: 'redis://:r3dis@host/0' },
    }),
  )
  t.strictSame([...secrets].sort(), [
    '-----BEGIN',
    '98765',
    'archive',
    'env-key',
    'env-secret',
    'env-token',
    'env-tokens',
    'r3dis',
    't0ken',
    'unknown-key',
  ])
})

t.test('explain lists every layer that sets the value, highest first', async (t) => {
  const node = build(
    await json(
      { plone_instances: { per_cpu: 1 }, deploy: { site: { domains: ['a'], environment: { B: 'x' } } } },
      'stack',
    ),
    await json(
      [
        { op: 'replace', path: '/plone_instances/per_cpu', value: 3 },
        { op: 'add', path: '/deploy/site/domains/-', value: 'b' },
      ],
      'host',
    ),
    await parseLayer({ text: 'plone_instances:\n  per_cpu: "4"\n', file: 'deployment.yml', kind: 'deployment' }),
  )
  t.strictSame(
    explain(node, 'plone_instances.per_cpu').map(({ value, origins }) => [
      value,
      origins.map((o) => [o.kind, o.from, o.value]),
    ]),
    [
      [
        4,
        [
          ['deployment', 'deployment.yml:2:12', '4'],
          ['host', 'host.json:5:14', 3],
          ['stack', 'stack.json:3:16', 1],
          ['schema', 'default', 2],
        ],
      ],
    ],
  )
  t.strictSame(
    explain(node, 'deploy.site.environment').map(({ path, value }) => [path, value]),
    [['deploy.site.environment.B', 'x']],
  )
  t.match(explain(node, 'deploy.site.domains'), [
    { value: ['a', 'b'], origins: [{ from: 'host.json:10:14' }, { from: 'stack.json:7:18', value: ['a'] }] },
  ])
  t.match(explain(node, 'deploy.site.home'), [
    { value: '/home/deploy', origins: [{ kind: 'schema', from: 'default', value: '/home/deploy' }] },
  ])
  t.match(explain(node, 'cpu.total'), [{ value: 6, origins: [{ kind: 'facts', from: 'facts of this host' }] }])
  const below = explain(node, 'plone_instances')
  t.ok(below.length > 45 && below.every(({ path }) => path.startsWith('plone_instances.')))
  t.throws(() => explain(node, 'plone_instances.per_cpus'), {
    code: 'UNKNOWN_ATTRIBUTE',
    hint: 'did you mean per_cpu?',
  })
  t.throws(() => explain(node, 'plone_instances[['), { code: 'INVALID_KEY_PATH' })
})

t.test('explain hides secrets inside a list or an address', async (t) => {
  const node = build(
    await json({
      deploy: {
        site: { buildout_cache_archives: [{ url: 'https://me:hidden1@x/y', path: 'shared', password: 'hidden2' }] },
      },
    }),
    objectLayer({ plone_instances: { celery_args: '--broker redis://:hidden3@x/0' } }, 'role zeo-client', 'role'),
  )
  const text = JSON.stringify([explain(node, 'deploy'), explain(node, 'plone_instances')])
  t.notMatch(text, /hidden/)
  t.match(text, /role zeo-client/)
})

t.test('masks secrets in printed attributes', async (t) => {
  const node = build(
    await json({
      haproxy: { stats_password: 'pw' },
      deploy: {
        site: {
          scm: { password: 12, repository: 'https://me:t0ken@x/y' },
          domains: ['a'],
          environment: { API_KEY: 'abc' },
        },
      },
      deploy_buildout: { cache_archives: [{ url: 'u', path: 'shared', password: 'x' }] },
    }),
  )
  t.match(shownAttributes(node), {
    haproxy: { stats_password: '********', stats_user: 'opsworks' },
    deploy: {
      site: {
        scm: { password: '********', repository: 'https://me:********@x/y' },
        domains: ['a'],
        environment: { API_KEY: '********' },
      },
    },
    deploy_buildout: { cache_archives: [{ url: 'u', password: '********' }] },
    plone_instances: { per_cpu: 2, relstorage: { db: { password: null } } },
  })
})

t.test('gathers facts of this host', async (t) => {
  const files: Record<string, string> = {
    '/etc/os-release': 'NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n',
    '/etc/hosts': '127.0.0.1 localhost\n127.0.1.1 plone1.example.com plone1 # me\n',
    '/etc/passwd': `root:x:0:0::/root:/bin/sh\nme:x:${process.getuid?.()}:5::/home/me:/bin/sh\n`,
  }
  const sources = { read: (path: string) => files[path] ?? null, exists: () => true, hostname: () => 'plone1' }
  const found = gatherFacts(sources)
  t.match(found, {
    platform: { name: 'debian', version: '12', codename: 'bookworm' },
    hostname: 'plone1',
    fqdn: 'plone1.example.com',
    init: 'systemd',
    group: null,
  })
  t.match(found.user, process.getuid?.() === 0 ? 'root' : 'me')
  t.match(gatherFacts({ ...sources, hostname: () => 'a.b.c', exists: () => false }), {
    hostname: 'a',
    fqdn: 'a.b.c',
    init: 'other',
  })
  t.match(gatherFacts({ ...sources, read: () => null }), {
    fqdn: null,
    user: null,
    platform: { version: '', codename: null },
  })
  const real = gatherFacts()
  t.ok(real.cpu.total >= 1 && real.memory.total > 0 && real.addresses.length > 0)
  t.ok(Object.isFrozen(real))
})
