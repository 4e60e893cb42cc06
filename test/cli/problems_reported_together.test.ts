/**
 * Tests that one run reports every mistake in the input: `stack check` for a stack, `plan` and `render` for one host.
 */
import t from 'tap'
import { Sandbox } from '../support/program.ts'

/** Returns each problem's file, line and column, with which its output begins. */
function reported(stderr: string): string[] {
  return stderr
    .split('\n')
    .filter((line) => line.startsWith('error: '))
    .map((line) => line.slice('error: '.length))
}

const stack = `name: shop/live
layers:
  zeoserver: { roles: [zeo-server], packages: vim }
  plone_instances:
    roles: [zeo-client, extra]
    attributes:
      plone_instances: { per_cpu: lots, site_id: [a] }
  frontend:
    roles: [fronted, frontend]
    attributes: { haproxy: { client_timeout: a while, server_timeout: soon } }
  java: { roles: [jetty-app] }
  spare: { roles: [own] }
hosts:
  twin: { address: 10.0.0.10, layers: [java] }
  db1: { address: 10.0.0.1, layers: [zeoserver], port: many }
  app1: { address: 10.0.0.2, layers: [plone_instances], cpus: two, jump: "bastion:ssh" }
  app2: { address: 10.0.0.9, layers: [plone_instance], stauts: stopped }
  web1: { address: not an address, layers: [frontend], identity: nokey }
  java1: { adress: 10.0.0.9, layers: [java], attributes: broken.json }
  java2: { address: 10.0.0.10, layers: [java], attributes: [{ op: replace, path: /deploy/nix, value: 1 }] }
  java2: { address: 10.0.0.10, layers: [java] }
apps:
  plone_instances:
    scm: { repository: /srv/x.git, type: svn }
    environment: { A: { $env: NOPE } }
    layers: [nolayer]
  zeoserver: { scm: { repositry: /srv/x.git } }
ssh: { sudo: yes }
health: { url: shop.example.com, command: ./check.sh, status: { min: 500, max: 200 } }
custom_json: [good.json, missing.json]
recipes: [recipes, norecipes]
`

const recipe = `import { execute, file, role } from 'converge-engine'
export default role('extra', {
  setup(r) {
    execute(r, { comand: ['true'], name: 'x' } as never)
    file(r, { path: 'relative', content: 'a' })
  },
  stop(r) {
    file(r, { pth: '/x' } as never)
  },
  configure() { throw new Error('boom') },
})
`

t.test('reports every kind of mistake in a stack at once', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({
    'stack.yaml': stack,
    'good.json': '{"deploy": {"plone_instances": {"migrate": "maybe"}}}',
    'broken.json': '{ "jetty_app": { "war": \n',
    'recipes/extra.ts': recipe,
    'recipes/broken.ts': "import { role } from 'converge-engine'\nexport default role('own', { setup(r) { ( } })\n",
  })
  const { status, stdout, stderr } = await sandbox.converge(['stack', 'check'], { bare: true })
  t.equal(status, 2)
  t.equal(stdout, '')
  const found = reported(stderr)
  const expected = [
    /^stack\.yaml:1:7: name: expected text without slashes/,
    /^stack\.yaml:3:47: layers\.zeoserver\.packages: expected a list, got "vim"/,
    /^stack\.yaml:7:35: plone_instances\.per_cpu: expected a number of clients, got "lots" \(app1\)/,
    /^stack\.yaml:7:50: plone_instances\.site_id: expected text, got a list \(app1\)/,
    /^stack\.yaml:9:13: layers\.frontend\.roles\[0\]: unknown role fronted/,
    /^stack\.yaml:10:46: haproxy\.client_timeout: expected a time in HAProxy notation/,
    /^stack\.yaml:10:71: haproxy\.server_timeout: expected a time in HAProxy notation/,
    /^stack\.yaml:15:56: hosts\.db1\.port: expected a number, got "many"/,
    /^stack\.yaml:16:63: hosts\.app1\.cpus: expected a number, got "two"/,
    /^stack\.yaml:16:74: hosts\.app1\.jump: invalid jump host "bastion:ssh"/,
    /^stack\.yaml:21:21: hosts\.java2 and hosts\.twin have one address/,
    /^stack\.yaml:17:39: hosts\.app2\.layers\[0\]: unknown layer plone_instance/,
    /^stack\.yaml:17:56: hosts\.app2\.stauts: unknown key/,
    /^stack\.yaml:18:20: hosts\.web1\.address: "not an address" is not a host address/,
    /^stack\.yaml:18:66: hosts\.web1\.identity: nokey cannot be read/,
    /^stack\.yaml:19:12: hosts\.java1\.adress: unknown key/,
    /^stack\.yaml:21:3: duplicate key "/,
    /^stack\.yaml:24:42: deploy\.plone_instances\.scm\.scm_type svn cannot be deployed/,
    /^stack\.yaml:25:23: apps\.plone_instances\.environment\.A: the environment variable NOPE is not set/,
    /^stack\.yaml:26:14: apps\.plone_instances\.layers\[0\]: unknown layer nolayer/,
    /^stack\.yaml:27:23: apps\.zeoserver\.scm\.repositry: unknown key/,
    /^stack\.yaml:28:14: ssh\.sudo: expected true, false or 'password'/,
    /^stack\.yaml:29:16: health\.url: this is not the URL of a page/,
    /^stack\.yaml:29:43: health\.command: \.\/check\.sh does not exist/,
    /^stack\.yaml:29:63: health\.status: no status is from 500 up to 200/,
    /^stack\.yaml:30:26: custom_json\[1\]: missing\.json cannot be read/,
    /^stack\.yaml:31:20: recipes\[1\]: there is no norecipes/,
    /recipes\/broken\.ts:2:43: Unexpected/,
    /^broken\.json:2:1: a value is expected/,
    /^good\.json:1:44: deploy\.plone_instances\.migrate: expected true or false, got "maybe" \(all hosts\)/,
    /recipes\/extra\.ts:4:5: execute has no property comand \(app1\)/,
    /recipes\/extra\.ts:5:5: file: property path: an absolute path \(got "relative"\) \(app1\)/,
    /recipes\/extra\.ts:8:5: file has no property pth \(app1\)/,
    /recipes\/extra\.ts:10:\d+: configure of the role extra failed: Error: boom \(app1\)/,
  ]
  for (const pattern of expected) t.equal(found.filter((one) => pattern.test(one)).length, 1, String(pattern))
  t.equal(found.length, expected.length, stderr)
})

const attributes = {
  deploy: { plone_instances: { scm: { scm_type: 'svn', repository: '/srv/x.git' }, migrate: 'maybe' } },
  plone_instances: { per_cpu: 'lots' },
}

for (const command of ['plan', 'render'])
  t.test(`${command}: reports mistakes in several files, in attributes and in recipes`, async (t) => {
    const sandbox = new Sandbox(t)
    sandbox.write({
      'a.json': JSON.stringify(attributes, null, 1),
      'b.json': '{"deploy": {"plone_instances": {"user": [1],}}',
      'recipes/extra.ts': recipe,
    })
    const roles = ['--role', 'zeo-client', '--role', 'extra', '--role', 'zeo-sever']
    const files = ['--json', 'a.json', '--json', 'b.json', '--json', 'none.json', '--recipes', 'recipes']
    const { status, stderr } = await sandbox.converge([command, ...roles, ...files])
    t.equal(status, 2)
    const found = reported(stderr)
    const expected = [
      /^unknown role zeo-sever/,
      /^--json none\.json: no such file/,
      /^a\.json:5:\d+: deploy\.plone_instances\.scm\.scm_type svn cannot be deployed/,
      /^a\.json:8:\d+: deploy\.plone_instances\.migrate: expected true or false/,
      /^a\.json:12:\d+: plone_instances\.per_cpu: expected a number of clients/,
      /^b\.json:1:\d+: a closing brace/,
      /recipes\/extra\.ts:4:5: execute has no property comand/,
      /recipes\/extra\.ts:5:5: file: property path: an absolute path/,
      /recipes\/extra\.ts:10:\d+: configure of the role extra failed: Error: boom/,
    ]
    for (const pattern of expected) t.equal(found.filter((one) => pattern.test(one)).length, 1, String(pattern))
    t.equal(found.length, expected.length, stderr)
  })

t.test('an event ends at the first attribute that it refuses, and the check reports the others too', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({
    'a.json': JSON.stringify({
      deploy: {
        plone_instances: { scm: { scm_type: 'svn', repository: '/srv/x.git' }, deploy_to: '/srv/a b', migrate: true },
      },
    }),
  })
  const { stderr } = await sandbox.converge(['plan', '--role', 'zeo-client', '--json', 'a.json'])
  const found = reported(stderr)
  t.match(found, [
    /scm_type svn cannot be deployed/,
    /deploy_to: a buildout cannot run/,
    /migrate is true, and there is no/,
  ])
  t.equal(found.length, 3, stderr)
})

const sound = {
  name: 'shop',
  layers: { zeoserver: { roles: ['zeo-server'] } },
  hosts: { db1: { address: '10.0.0.1', layers: ['zeoserver'] } },
  apps: { zeoserver: { scm: { repository: '/srv/x.git' } } },
}

t.test('checks all environments of a stack file', async (t) => {
  const check = async (environments: object, args: string[] = [], base: object = sound) => {
    const sandbox = new Sandbox(t)
    sandbox.write({ 'stack.json': JSON.stringify({ ...base, environments }, null, 1) })
    const { status, stdout, stderr } = await sandbox.converge(['stack', 'check', ...args], { bare: true })
    return { status, stdout, stderr, found: reported(stderr) }
  }
  const port = { hosts: { db1: { port: 'many' } } }
  const wrong = await check({ a: port, b: { layers: { zeoserver: { roles: ['zeo-sever'] } } }, c: 'x', good: {} })
  t.equal(wrong.status, 2)
  t.match(wrong.found, [
    /^stack\.json:\d+:\d+: hosts\.db1\.port: expected a number, got "many" \(in the environment a\)/,
    /^stack\.json:\d+:\d+: layers\.zeoserver\.roles\[0\]: unknown role zeo-sever \(in the environment b\)/,
    /^stack\.json:\d+:\d+: environments\.c: expected an object with the differences, or a JSON Patch \(in the environment c\)/,
  ])
  t.equal(wrong.found.length, 3, wrong.stderr)
  const meant = await check({ a: port, good: {} }, ['--environment', 'good'])
  t.equal(meant.status, 0, 'only the environment that is meant')
  const both = await check({ a: {}, b: {} }, [], { ...sound, hosts: { db1: { ...sound.hosts.db1, port: 'many' } } })
  t.match(both.found, [/hosts\.db1\.port: expected a number, got "many"$/])
  t.equal(both.found.length, 1, 'a mistake of the whole file once')
  const secret = { apps: { zeoserver: { environment: { TOKEN: { $env: 'NO_SUCH_TOKEN' } } } }, ...port }
  const skipped = await check({ live: secret })
  t.equal(skipped.status, 0, skipped.stderr)
  t.match(
    skipped.stderr,
    /warning: stack\.json:\d+:\d+: the environment live is not checked: .*the environment variable NO_SUCH_TOKEN is not set/,
  )
  t.match(skipped.stdout, /nothing wrong, 1 warning/)
})

t.test(
  'check refuses what a rollout would refuse: an event that runs alone, and recipes that cannot be uploaded',
  async (t) => {
    const sandbox = new Sandbox(t)
    sandbox.write({
      'stack.json': JSON.stringify({ ...sound, layers: { zeoserver: { roles: ['own'] } }, recipes: ['recipes'] }),
      'recipes/own.ts': `import { execute, file, role } from 'converge-engine'
import { where } from '../outside.ts'
let config
export default role('own', {
  setup(r) { config = file(r, { path: '/etc/own.conf', content: where }) },
  deploy(r) {
    execute(r, { name: 'reload', command: ['true'], when: [config] })
  },
})
`,
      'outside.ts': 'export const where = import.meta.url\n',
    })
    const { status, stderr } = await sandbox.converge(['stack', 'check'], { bare: true })
    t.equal(status, 2)
    const found = reported(stderr)
    t.match(found, [
      /recipes\/own\.ts:7:\d+: execute reload needs file \/etc\/own\.conf, which is not declared before it \(db1\)/,
      /outside\.ts: it asks for import\.meta\.url, and is in no directory of recipes/,
    ])
    t.equal(found.length, 2, stderr)
  },
)

t.test('reports two roles with one app once, whatever events they have', async (t) => {
  const sandbox = new Sandbox(t)
  const layers = { zeoserver: { roles: ['zeo-server', 'zeo-client'] } }
  const custom_json = { plone_instances: { app_name: 'zeoserver' } }
  sandbox.write({ 'stack.json': JSON.stringify({ ...sound, layers, custom_json }) })
  const { stderr } = await sandbox.converge(['stack', 'check'], { bare: true })
  t.match(reported(stderr), [
    /^two roles of this run deploy to \/srv\/www\/zeoserver; zeo-client is the second one \(db1\)/,
  ])
  t.equal(reported(stderr).length, 1, stderr)
})
