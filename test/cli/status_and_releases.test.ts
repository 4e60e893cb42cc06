/** Tests `status` and `releases` on an empty host, and `resources`: their output and exit status. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { definitions } from '../../resources/definitions.ts'
import { needs } from '../support/machine.ts'
import { type RunOptions, Sandbox } from '../support/program.ts'

const both = ['--role', 'zeo-server,zeo-client', '--json', 'site.json', '--prefix', 'site']
const scm = { scm_type: 'git', repository: '/srv/site.git' }
const complete = JSON.stringify({
  plone_instances: { instance_count: 2 },
  deploy: { zeoserver: { scm }, plone_instances: { scm } },
})

function sandboxWithSite(t: Test, json = complete): Sandbox {
  const sandbox = new Sandbox(t)
  sandbox.write({ 'site.json': json })
  fs.chmodSync(sandbox.directory, 0o777)
  return sandbox
}

/** Runs a test as the present account and, if that is root, also as an ordinary user. */
function asEach(name: string, test: (t: Test, options: RunOptions) => Promise<void>): void {
  t.test(name, (t) => test(t, {}))
  t.test(`${name}, as an ordinary user`, async (t) => {
    if (needs(t, ['root', 'nobody'])) await test(t, { account: 'nobody' })
  })
}

t.test('status names a disk that is nearly full, and fails for a full one', async (t) => {
  if (!needs(t, ['root'])) return
  const sandbox = new Sandbox(t)
  sandbox.write({ 'site.json': '{}', 'site/x': '' })
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=900m,nr_inodes=20000', 'tmpfs', sandbox.at('site')])
  t.teardown(() => execFileSync('umount', [sandbox.at('site')]))
  const base = ['status', '--role', 'base', '--json', 'site.json', '--prefix', 'site']
  const low = await sandbox.converge(base)
  t.match(low, { status: 0, stdout: /^disk {7}\/\S*site has 900 MiB free$/m })
  execFileSync('mount', ['-o', 'remount,size=50m', sandbox.at('site')])
  t.match(await sandbox.converge([...base, '--quiet']), { status: 1, stdout: /^disk {2}\/\S*site has 50 MiB free\n$/ })
  const json = await sandbox.converge([...base, '--json-output'])
  t.equal(json.status, 1)
  t.match(JSON.parse(json.stdout), { disk: { state: 'full', detail: /site has 50 MiB free/ } })
})

asEach('status reports a host without releases', async (t, options) => {
  const sandbox = sandboxWithSite(t)
  const before = sandbox.snapshot()
  const { status, stdout, stderr } = await sandbox.converge(['status', ...both], options)
  t.equal(status, 1, stderr)
  const socket = sandbox.at('site/var/run/supervisor.sock')
  const down = (name: string) => `  down     ${name}  supervisord is not running (${socket})`
  t.strictSame(stdout.split('\n'), [
    'roles      zeo-server, zeo-client',
    `zeoserver  ${sandbox.at('site/srv/www/zeoserver')}`,
    '  release  none: converge deploy makes the first one',
    down('zeoserver'),
    `plone_instances  ${sandbox.at('site/srv/www/plone_instances')}`,
    '  release  none: converge deploy makes the first one',
    down('plone_instances-client1'),
    down('plone_instances-client2'),
    'last run   none',
    '',
  ])
  const machine = await sandbox.converge(['status', ...both, '--json-output'], options)
  t.equal(machine.status, 1)
  t.match(JSON.parse(machine.stdout), {
    roles: ['zeo-server', 'zeo-client'],
    apps: [
      { name: 'zeoserver', current: null, services: [{ name: 'zeoserver', up: false }] },
      { name: 'plone_instances', current: null, services: { length: 2 } },
    ],
    lastRun: null,
  })
  t.strictSame(sandbox.snapshot(), before, 'status changes nothing')
})

asEach('status reports an app that was stopped on purpose', async (t, options) => {
  const sandbox = sandboxWithSite(t)
  const client = ['--role', 'zeo-client', '--json', 'site.json', '--prefix', 'site']
  const directory = sandbox.at('site/srv/www/plone_instances')
  fs.mkdirSync(`${directory}/current`, { recursive: true })
  t.match(await sandbox.converge(['stop', ...client, '--by', 'alice@web1'], options), { status: 0 })
  t.match(await sandbox.converge(['stop', ...client, '--by', 'bob@web1'], options), {
    status: 0,
    stdout: /^nothing to do/m,
  })
  const stoppedLine = /^ {2}stopped on purpose by alice@web1, \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/m
  t.match(await sandbox.converge(['status', ...client], options), { status: 1, stdout: stoppedLine })
  t.match(await sandbox.converge(['status', ...client, '--quiet'], options), {
    status: 1,
    stdout: /^plone_instances {2}stopped on purpose by alice@web1, /,
  })
  const status = await sandbox.converge(['status', ...client, '--json-output'], options)
  t.equal(status.status, 1)
  t.match(JSON.parse(status.stdout), {
    apps: [{ name: 'plone_instances', stopped: { by: 'alice@web1', at: /Z$/ }, services: [{ up: false }, {}] }],
  })
  t.match(await sandbox.converge(['configure', ...client], options), {
    status: 0,
    stdout: /plone_instances was stopped on purpose by alice@web1, .*, and stays stopped/,
  })
})

asEach('status reports a site that is closed for maintenance', async (t, options) => {
  const sandbox = sandboxWithSite(
    t,
    JSON.stringify({ port_app: { app: 'shop', command: 'serve %{port}' }, deploy: { shop: { scm } } }),
  )
  const shop = ['--role', 'port-app', '--json', 'site.json', '--prefix', 'site']
  t.match(await sandbox.converge(['maintenance', 'on', ...shop, '--by', 'alice@web1'], options), { status: 0 })
  t.match(await sandbox.converge(['maintenance', 'on', ...shop, '--by', 'bob@web1'], options), {
    status: 0,
    stdout: /^nothing to do/m,
  })
  const closedLine =
    /^ {2}closed for maintenance by alice@web1, \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ: visitors get HTTP 503/m
  t.match(await sandbox.converge(['status', ...shop], options), { status: 1, stdout: closedLine })
  t.match(await sandbox.converge(['status', ...shop, '--quiet'], options), {
    status: 1,
    stdout: /closed for maintenance by alice@web1, /,
  })
  const status = await sandbox.converge(['status', ...shop, '--json-output'], options)
  t.match(JSON.parse(status.stdout), { apps: [{ closed: { by: 'alice@web1', at: /Z$/ } }] })
  t.match(await sandbox.converge(['maintenance', 'off', ...shop], options), { status: 0 })
  t.notMatch((await sandbox.converge(['status', ...shop], options)).stdout, /closed/)
  // A page that an earlier version or a person has written.
  fs.writeFileSync(`${sandbox.at('site/var/www/converge/maintenance')}/port_app.html`, 'soon')
  t.match(await sandbox.converge(['status', ...shop], options), {
    status: 1,
    stdout: /^ {2}closed for maintenance: visitors get HTTP 503 until converge maintenance off$/m,
  })
})

asEach('releases lists releases, and marks an incomplete one', async (t, options) => {
  const sandbox = sandboxWithSite(t)
  const args = ['releases', '--role', 'zeo-client', '--json', 'site.json', '--prefix', 'site']
  const root = sandbox.at('site/srv/www/plone_instances')
  t.match(await sandbox.converge(args, options), { status: 0, stdout: `plone_instances  ${root}\n  none\n` })
  t.match(JSON.parse((await sandbox.converge([...args, '--json-output'], options)).stdout), {
    apps: [{ name: 'plone_instances', directory: root, releases: [] }],
  })
  sandbox.write({
    'recipes/web.ts': "import { role } from 'converge-engine'\nexport default role('web', { deploy() {} })",
  })
  if (options.account === undefined)
    t.match(await sandbox.converge(['releases', '--role', 'web', '--recipes', 'recipes']), {
      status: 0,
      stdout: 'none of these roles has releases\n',
    })
})

t.test('releases lists no front end', async (t) => {
  const sandbox = sandboxWithSite(t)
  const args = ['releases', '--json', 'site.json', '--prefix', 'site', '--json-output']
  const { status, stdout } = await sandbox.converge([...args, '--role', 'frontend,zeo-client'])
  t.equal(status, 0)
  t.match(JSON.parse(stdout), { apps: { length: 1, 0: { name: 'plone_instances' } } })
  t.strictSame(JSON.parse((await sandbox.converge([...args, '--role', 'frontend'])).stdout), { apps: [] })
})

t.test('a rollback without an earlier release is refused, and writes nothing', async (t) => {
  const sandbox = sandboxWithSite(t)
  const before = sandbox.snapshot()
  for (const args of [['rollback'], ['rollback', '--to', '000042'], ['rollback', '--dry-run']]) {
    const { status, stderr } = await sandbox.converge([
      ...args,
      '--role',
      'zeo-client',
      '--json',
      'site.json',
      '--prefix',
      'site',
    ])
    t.equal(status, args.includes('--to') ? 2 : 1, args.join(' '))
    t.match(stderr, /^error: .*release/)
    t.match(stderr, /hint: /)
  }
  t.strictSame(sandbox.snapshot(), before)
})

t.test('resources lists every type with a sentence', async (t) => {
  const sandbox = new Sandbox(t)
  const { status, stdout } = await sandbox.converge(['resources'])
  t.equal(status, 0)
  const names = Object.keys(definitions).sort()
  t.strictSame(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {1,}/)[0]),
    names,
  )
  t.match(stdout, /^symlink +Keeps a symbolic link/m)
  const machine = JSON.parse((await sandbox.converge(['resources', '--json-output'])).stdout) as {
    resources: { name: string; doc: string }[]
  }
  t.strictSame(
    machine.resources.map(({ name }) => name),
    names,
  )
})

t.test('resources NAME prints properties with types, common options and examples', async (t) => {
  const sandbox = new Sandbox(t)
  const { status, stdout } = await sandbox.converge(['resources', 'symlink'])
  t.equal(status, 0)
  t.match(stdout, /^symlink\nKeeps a symbolic link/)
  t.match(stdout, /\nProps\n {2}path: string\n {6}\S/)
  t.match(stdout, /\n {2}owner\?: string\n/)
  t.match(stdout, /\nEvery resource also takes: when, onlyIf, notIf/)
  t.match(stdout, /\nExamples\n {2}symlink\(r, \{ path: '/)
  t.match(JSON.parse((await sandbox.converge(['resources', 'symlink', '--json-output'])).stdout), {
    type: 'symlink',
    props: [{ name: 'path', type: 'string', required: true }, { name: 'target' }],
  })
  for (const name of Object.keys(definitions)) {
    const one = await sandbox.converge(['resources', name])
    t.equal(one.status, 0, name)
    t.notMatch(one.stdout, /undefined|\[object|: any\n/, name)
  }
  // Recipes call the type package by another name.
  t.match(await sandbox.converge(['resources', 'packages']), { status: 0, stdout: /^ {2}packages\(r, /m })
})
