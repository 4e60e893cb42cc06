/** Tests `converge stack check` and `stack schema`: they report a stack's mistakes before any connection to a host. */
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { Sandbox } from '../support/program.ts'

const fixture = fileURLToPath(new URL('../../fixtures/stacks/plone/stack.yaml', import.meta.url))
const env = { SHOP_TOKEN: 'open-sesame' }

type Json = Readonly<Record<string, unknown>>

const scm = { repository: '/srv/site.git' }
const small = {
  name: 'small',
  layers: {
    zeoserver: { roles: ['zeo-server'] },
    plone_instances: { roles: ['zeo-client'] },
    frontend: { roles: ['frontend'] },
  },
  hosts: {
    db1: { address: '10.0.0.1', layers: ['zeoserver'] },
    app1: { address: '10.0.0.2', layers: ['plone_instances'], cpus: 2 },
    app2: { address: '10.0.0.3', layers: ['plone_instances'], cpus: 2 },
    web1: { address: '10.0.0.4', layers: ['frontend'] },
  },
  apps: { plone_instances: { scm }, zeoserver: { scm } },
  custom_json: { converge: { balancer: { port: 8099 } } },
}

/** Runs the check of a stack as a user would. */
async function check(t: Test, content: Json, files: Readonly<Record<string, string>> = {}, args: string[] = []) {
  const sandbox = new Sandbox(t)
  sandbox.write({ ...files, 'stack.json': JSON.stringify(content, null, 1) })
  const before = sandbox.snapshot()
  const finished = await sandbox.converge(['stack', 'check', ...args], { bare: true })
  t.strictSame(sandbox.snapshot(), before, 'nothing is touched')
  return finished
}

t.test('accepts a whole stack and its environments', async (t) => {
  const sandbox = new Sandbox(t)
  for (const [args, expectation] of [
    [[], 'shop: 6 hosts, 3 layers, 2 apps: nothing wrong\n'],
    [['-E', 'staging'], 'shop-staging (staging): 3 hosts, 3 layers, 2 apps: nothing wrong\n'],
  ] as const) {
    const { status, stdout, stderr } = await sandbox.converge(['stack', 'check', '-s', fixture, ...args], {
      bare: true,
      env,
    })
    t.equal(stderr, '')
    t.equal(stdout, expectation)
    t.equal(status, 0)
  }
  const { status, stderr } = await sandbox.converge(['stack', 'check', '-s', fixture], { bare: true })
  t.equal(status, 2)
  t.match(stderr, /stack\.yaml:\d+:\d+: .*environment\.SHOP_TOKEN: the environment variable SHOP_TOKEN is not set/)
})

t.test('reports the same mistake of many hosts once, with its place', async (t) => {
  const layers = {
    ...small.layers,
    plone_instances: { roles: ['zeo-client'], attributes: { plone_instances: { per_cpu: 'lots' } } },
    frontend: { roles: ['frontend'], attributes: { haproxy: { client_timeout: 'a while' } } },
  }
  const apps = { ...small.apps, zeoserver: { scm: { ...scm, type: 'cvs' } } }
  const { status, stdout, stderr } = await check(t, { ...small, layers, apps })
  t.equal(status, 2)
  t.equal(stdout, '')
  t.match(
    stderr,
    /stack\.json:\d+:\d+: plone_instances\.per_cpu: expected a number of clients, got "lots" \(app1, app2\)/,
  )
  t.match(stderr, /stack\.json:\d+:\d+: deploy\.zeoserver\.scm\.scm_type: expected one of .* \(all hosts\)/)
  t.equal(stderr.match(/per_cpu: expected/g)?.length, 1)
  t.match(
    stderr,
    /stack\.json:\d+:\d+: haproxy\.client_timeout: expected a time in HAProxy notation, such as 60s, got "a while" \(web1\)/,
  )
})

t.test('compiles the recipes of the stack, and reports mistakes with their line', async (t) => {
  const layers = { ...small.layers, frontend: { roles: ['frontend', 'extra'] } }
  const recipe = (body: string) => `import { execute, role } from 'converge-engine'
export default role('extra', {
  setup(r) {
    ${body}
  },
})`
  const content = { ...small, layers, recipes: ['recipes'] }
  const good = await check(t, content, { 'recipes/extra.ts': recipe("execute(r, { command: ['true'], name: 'x' })") })
  t.equal(good.stderr.includes('unknown role'), false, good.stderr)
  const bad = await check(t, content, { 'recipes/extra.ts': recipe('execute(r, { comand: "x" } as never)') })
  t.equal(bad.status, 2)
  t.match(bad.stderr, /recipes\/extra\.ts:4:\d+.*execute has no property comand.*\(web1\)/s)
  const none = await check(t, { ...content, recipes: [] })
  t.match(none.stderr, /layers\.frontend\.roles\[1\]: unknown role extra/)
})

t.test('warns about suspicious settings', async (t) => {
  const cases: readonly (readonly [string, Json, RegExp | null])[] = [
    ['as it should be', {}, null],
    [
      'nothing drains it',
      { custom_json: {} },
      /without being drained: converge\.balancer\.port is not set \(app1, app2\)\n {2}hint: open the runtime API .* custom_json/,
    ],
    [
      'drained by no known host',
      { custom_json: { converge: { balancer: { port: 8099, layers: ['lb'] } } } },
      /frontends are in no layer of converge\.balancer\.layers \(app1, app2\)/,
    ],
    [
      'two ZEO servers',
      { hosts: { ...small.hosts, db2: { address: '10.0.0.9', layers: ['zeoserver'] } } },
      /there are 2 ZEO servers, and clients use the first of the layer only \(db1, db2\)/,
    ],
    [
      'no ZEO server',
      { custom_json: { ...small.custom_json, plone_instances: { zeo_layer: 'zeo' } } },
      /clients have no ZEO server: no host is in the layer zeo \(app1, app2\)/,
    ],
    [
      'a frontend without clients',
      { hosts: { db1: small.hosts.db1, web1: small.hosts.web1 } },
      /a frontend has no clients: no host is in the layer plone_instances \(web1\)/,
    ],
    [
      'clients that are counted otherwise',
      {
        layers: {
          ...small.layers,
          plone_instances: { roles: ['zeo-client'], attributes: { plone_instances: { per_cpu: 1 } } },
        },
      },
      /the frontends count other clients here than there are \(app1, app2\)/,
    ],
    [
      'an unknown number of clients',
      { hosts: { ...small.hosts, app2: { address: '10.0.0.3', layers: ['plone_instances'] } } },
      /the frontends cannot know how many clients run here \(app2\)\n {2}hint: set cpus for each host/,
    ],
    [
      'ports',
      {
        layers: { ...small.layers, both: { roles: ['port-app', 'jetty-app'] } },
        hosts: { ...small.hosts, both1: { address: '10.0.0.8', layers: ['both'] } },
        apps: { ...small.apps, port_app: { scm, domains: ['a.test'] }, jetty_app: { scm, domains: ['b.test'] } },
        custom_json: {
          ...small.custom_json,
          port_app: { command: 'serve %{port}' },
          jetty_app: { war: { path: 'x.war' } },
        },
      },
      /port 9090 is used by both port_app \(port-app\) and jetty_app \(jetty-app\) \(both1\)/,
    ],
    [
      'a ZEO server elsewhere than it is looked for',
      { custom_json: { ...small.custom_json, plone_instances: { zeo: { address: '10.0.0.4:8001' } } } },
      /plone_instances asks web1, where nothing of the stack answers it \(app1, app2\)/,
    ],
    [
      'unknown attributes',
      { custom_json: { ...small.custom_json, plone_instance: {} } },
      /plone_instance is not a known attribute.*\(all hosts\)/,
    ],
    ['a layer without hosts', { layers: { ...small.layers, spare: {} } }, /no host is in the layer spare/],
  ]
  for (const [name, change, warning] of cases) {
    const { status, stdout, stderr } = await check(t, { ...small, ...change })
    t.equal(status, 0, `${name}: ${stderr}`)
    if (warning === null) t.equal(stderr, '', name)
    else t.match(stderr, warning, name)
    t.match(stdout, /^small: \d hosts, \d layers, \d apps: nothing wrong/)
  }
})

t.test('--json-output prints hosts and warnings as JSON', async (t) => {
  const { stdout } = await check(t, { ...small, custom_json: {} }, {}, ['--json-output'])
  t.match(JSON.parse(stdout), {
    stack: 'small',
    environment: null,
    hosts: ['db1', 'app1', 'app2', 'web1'],
    warnings: [{ message: /without being drained/, hosts: ['app1', 'app2'], hint: /custom_json/ }],
  })
  const wrong = await check(t, { ...small, hosts: {} }, {}, ['--json-output'])
  t.equal(wrong.status, 2)
  t.match(JSON.parse(wrong.stdout), { event: 'error', message: /there is no host/ })
})

t.test('finds the stack file, and reports a missing or ambiguous one', async (t) => {
  const sandbox = new Sandbox(t)
  const run = (...args: string[]) => sandbox.converge(['stack', 'check', ...args], { bare: true })
  t.match(await run(), {
    status: 2,
    stderr: /there is no stack file in the working directory.*\n {2}hint: name one with --stack FILE/s,
  })
  sandbox.write({
    'stack.ts': `import { defineStack } from 'converge-engine'\nexport default defineStack(${JSON.stringify(small)})`,
  })
  t.match(await run('--stack', 'stack.ts'), { status: 0, stdout: /^small: 4 hosts/ })
  // A stack.ts is code: below a directory that every account can write, root must name it.
  const found =
    process.getuid?.() === 0 ? { status: 2, stderr: /stack\.ts is not run without being named/ } : { status: 0 }
  t.match(await run(), found)
  sandbox.write({ 'stack.json': JSON.stringify(small) })
  t.match(await run(), { status: 2, stderr: /both stack\.json and stack\.ts are here/ })
  t.match(await run('--stack', 'stak.json'), {
    status: 2,
    stderr: /the stack file stak\.json cannot be read: no such file/,
  })
})

t.test('prints the JSON Schema of the stack file', async (t) => {
  const { stdout } = await new Sandbox(t).converge(['stack', 'schema'], { bare: true })
  const schema = JSON.parse(stdout)
  t.strictSame(schema.required, ['name', 'layers', 'hosts'])
  t.match(schema.properties.hosts.additionalProperties.properties.identity, { description: /private key/ })
  t.match(schema.properties.custom_json, { $ref: '#/$defs/customJson' })
  t.match(schema.$defs.attributes.properties.plone_instances.properties.per_cpu, { default: 2 })
  const elsewhere = { $ref: '#/$defs/elsewhere' }
  const { site_id, app_name } = schema.$defs.attributes.properties.plone_instances.properties
  for (const text of [site_id, app_name]) t.match(text, { description: /./, anyOf: [{ type: [] }, elsewhere] })
  t.notOk(
    schema.$defs.overlay.properties.hosts.additionalProperties.required,
    'an environment contains only the differences',
  )
})

t.test('an unknown key of an app is reported once, and so is a host to remove that does not exist', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({
    'stack.yaml': `name: shop
layers: { web: { roles: [port-app] } }
hosts: { web1: { address: 10.0.0.1, layers: [web] } }
apps: { port_app: { scm: { repositry: https://example.org/x.git } } }
custom_json: { port_app: { command: 'serve %{port}' } }
environments: { staging: { hosts: { web9: null } } }
`,
  })
  const { status, stderr } = await sandbox.converge(['stack', 'check'], { bare: true })
  t.equal(status, 2)
  t.equal(stderr.match(/repositry/g)?.length, 1, stderr)
  t.match(
    stderr,
    /stack\.yaml:6:\d+: environments\.staging\.hosts\.web9: the stack has no host web9 to remove.*\n {2}hint: did you mean web1\?/,
  )
})
