/** Tests that a run below a prefix changes nothing else, in the dry run and in the run. */
import t from 'tap'
import * as z from 'zod'
import { converge } from '../../../core/converge/engine.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { type AnyDefinition, defineResource, type Scope } from '../../../core/model/resource.ts'
import { absolutePath } from '../../../core/model/units.ts'
import { definitions } from '../../../resources/definitions.ts'
import { directory, execute, file, group, service, symlink, sysctl } from '../../../resources/index.ts'
import { failureOf, planOf } from '../../support/contract.ts'
import { FakeSupervisor } from '../../support/fake_supervisor.ts'

const prefix = '/tmp/try'

async function run(declare: (r: Scope) => unknown, given: (host: VirtualHost) => void = () => undefined) {
  const commands: string[] = []
  const base = new VirtualHost({
    commands: (argv) => {
      commands.push(argv.join(' '))
      return {}
    },
  })
  base.given(prefix, null).given('/etc', null)
  given(base)
  const plan = planOf((r) => declare(r))
  const dry = await converge(plan, new VirtualHost({ base }), { id: 'plan', mode: 'plan', prefix })
  const real = await converge(plan, base, { id: '1', mode: 'run', prefix })
  return { base, commands, dry: failureOf(dry), real: failureOf(real), outcome: real.outcome }
}

const withDeploy = (host: VirtualHost) =>
  void host
    .given('/etc/passwd', 'root:x:0:0::/root:/bin/sh\ndeploy:x:1001:1001::/home/deploy:/bin/sh\n')
    .given('/etc/group', 'root:x:0:\ndeploy:x:1001:\n')

const refusedChange = {
  code: 'OUTSIDE_PREFIX',
  message: /^it would change the system outside the prefix \/tmp\/try: /,
  hint: /converge verify/,
}

t.test('a command of root is refused in the dry run and in the run, and does not start', async (t) => {
  const { commands, dry, real } = await run((r) => execute(r, { command: ['touch', '/etc/x'] }))
  t.match([dry, real], [refusedChange, refusedChange])
  t.match(real, { hint: /contained: true/, message: /: it runs touch \/etc\/x/ })
  t.strictSame(commands, [])
})

t.test('a command runs if the recipe says that it is contained', async (t) => {
  const { commands, outcome } = await run((r) => execute(r, { command: ['touch', '/tmp/try/x'], contained: true }))
  t.strictSame([commands, outcome], [['touch /tmp/try/x'], 'changed'])
})

t.test('a contained command cannot create something outside', async (t) => {
  const { real } = await run((r) => execute(r, { command: ['touch', '/etc/x'], creates: '/etc/x', contained: true }))
  t.match(real, { code: 'OUTSIDE_PREFIX', message: '/etc/x is outside the prefix /tmp/try' })
})

t.test('a command of another account runs: it has the rights of an ordinary user', async (t) => {
  const { commands } = await run((r) => execute(r, { command: ['make'], user: 'deploy' }), withDeploy)
  t.strictSame(commands, ['make'])
})

t.test('a kernel setting is refused if it differs', async (t) => {
  const settings = (value: string) => (host: VirtualHost) => {
    host.given('/proc/sys/vm', null).given('/proc/sys/vm/swappiness', `${value}\n`)
    host.given('/etc/sysctl.d', null).given('/etc/sysctl.d/60-vm.swappiness.conf', 'vm.swappiness = 10\n')
  }
  const declare = (r: Scope) => sysctl(r, { key: 'vm.swappiness', value: 10 })
  const { commands, dry, real } = await run(declare, settings('60'))
  t.match([dry, real], [refusedChange, refusedChange])
  t.match(real, { message: /: boot: \(none\) -> 10, running: 60 -> 10$/ })
  t.strictSame(commands, [])
})

t.test('the message names the place of the declaration, and no secret', async (t) => {
  const declare = (r: Scope) =>
    execute(r, { name: 'log in', command: ['login', 'hunter2'], sensitive: true, contained: false })
  const { real } = await run(declare)
  t.match(real, { source: { file: /prefix\.test\.ts$/, line: Number } })
  t.notMatch(JSON.stringify(real), 'hunter2')
})

t.test('a group that exists as declared is no change', async (t) => {
  const declare = (r: Scope) => group(r, { name: 'deploy' })
  t.match((await run(declare)).real, { ...refusedChange, message: /: it creates group deploy$/ })
  t.equal((await run(declare, withDeploy)).outcome, 'unchanged')
})

t.test('files are written below the prefix only', async (t) => {
  const inside = await run((r) => file(r, { path: '/tmp/try/motd', content: 'x' }))
  t.equal(inside.base.readText('/tmp/try/motd'), 'x')
  for (const declare of [
    (r: Scope) => file(r, { path: '/etc/motd', content: 'x' }),
    (r: Scope) => directory(r, { path: '/tmp/trying' }),
    (r: Scope) => symlink(r, { path: '/etc/link', target: '/tmp/try/motd' }),
  ]) {
    const { base, dry, real } = await run(declare)
    const refused = { code: 'OUTSIDE_PREFIX', message: /is outside the prefix/, hint: /placed\(node, path\)/ }
    t.match([dry, real], [refused, refused])
    t.strictSame([base.lstat('/etc/motd'), base.lstat('/etc/link'), base.lstat('/tmp/trying')], [null, null, null])
  }
})

t.test('services of the system are refused', async (t) => {
  const { real } = await run(
    (r) => service(r, { name: 'cron', action: 'stopped' }),
    (host) => host.given('/etc/init.d/cron', '', '0755'),
  )
  t.match(real, refusedChange)
})

t.test('services of a supervisord outside the prefix are refused', async (t) => {
  const base = new VirtualHost({ requests: new FakeSupervisor({ running: ['web'] }).requests })
  const plan = planOf((r) => service(r, { name: 'web', action: 'stopped', provider: { kind: 'supervisor' } }))
  const report = await converge(plan, base, { id: '1', mode: 'run', prefix })
  t.match(failureOf(report), { code: 'OUTSIDE_PREFIX', message: /supervisor\.sock is outside the prefix/ })
  t.strictSame(base.changes, [])
})

const state = z.strictObject({ there: z.boolean() })
function typeWith(more: Pick<AnyDefinition, 'reach'>, functions: object) {
  return defineResource(
    {
      type: 'own',
      doc: 'x',
      examples: [],
      key: ({ path }) => path,
      props: z.strictObject({ path: absolutePath }),
      state,
      ...more,
    },
    {
      read: (host, { path }) => ({ there: host.lstat(path) !== null }),
      desired: () => ({ there: true }),
      apply: (host, { path }) => host.writeFile(path, ''),
      ...functions,
    },
  )
}

t.test('a type of an author is contained if it lists its paths and runs no commands', async (t) => {
  const paths = ({ path }: { path: string }) => [path]
  const predict = () => undefined
  const outcome = async (type: ReturnType<typeof typeWith>, path: string) =>
    (await run((r) => type(r, { path } as never))).outcome
  t.equal(await outcome(typeWith({}, { paths }), '/tmp/try/a'), 'changed')
  t.equal(await outcome(typeWith({}, { paths }), '/etc/a'), 'failed')
  t.equal(await outcome(typeWith({}, {}), '/tmp/try/a'), 'failed', 'without paths')
  t.equal(await outcome(typeWith({}, { paths, predict }), '/tmp/try/a'), 'failed', 'with commands')
  t.equal(await outcome(typeWith({ reach: 'paths' }, { paths, predict }), '/tmp/try/a'), 'changed')
  t.equal(await outcome(typeWith({ reach: 'system' }, { paths }), '/tmp/try/a'), 'failed')
})

t.test('a run without a prefix changes the system', async (t) => {
  const base = new VirtualHost({})
  base.given('/etc', null)
  const report = await converge(
    planOf((r) => file(r, { path: '/etc/motd', content: 'x' })),
    base,
    {
      id: '1',
      mode: 'run',
    },
  )
  t.equal(report.outcome, 'changed')
})

const reached = (type: string, props: object) => {
  const { reach } = definitions[type] ?? {}
  return typeof reach === 'function' ? reach(props) : reach
}

/** The types by what they reach. A new type fails the test until it is in this list. */
const expected: Readonly<Record<string, readonly string[]>> = {
  system: [
    'apt_repository',
    'authorized_key',
    'firewall',
    'gluster_volume',
    'group',
    'group_logins',
    'hostname',
    'locale',
    'mount',
    'mysql_database',
    'mysql_user',
    'package',
    'postgresql_database',
    'postgresql_extension',
    'postgresql_role',
    'sudoers',
    'swap',
    'sysctl',
    'systemd_unit',
    'timezone',
    'user',
  ],
  paths: [
    'archive',
    'blob_directories',
    'block_in_file',
    'buildout',
    'certificate',
    'data_location',
    'directory',
    'file',
    'git_release',
    'host_program',
    'hosts_entry',
    'line_in_file',
    'link_sources',
    'maintenance_record',
    'network_mount',
    'nginx_default_sites',
    'npm_install',
    'port_swap',
    'random_secret',
    'release_cleanup',
    'release_complete',
    'release_file',
    'release_files',
    'release_history',
    'release_trial',
    'remote_directory',
    'remote_file',
    'stop_record',
    'supervisor_autostart',
    'supervisor_program',
    'symlink',
    'template',
    'unit_command',
    'varnish_ban',
    'versioned_program',
    'virtualenv',
    'zeo_address',
    'zope_cache',
  ],
  account: ['cron', 'deploy_hook', 'execute', 'migration', 'release_crontab', 'smoke_test'],
  provider: 'service service_reload service_restart'.split(' '),
  socket: 'supervisor_cleanup supervisord'.split(' '),
}

t.test('every resource type declares what it reaches', async (t) => {
  t.strictSame(Object.values(expected).flat().sort(), Object.keys(definitions).sort())
  for (const type of [...(expected.system ?? []), ...(expected.paths ?? [])])
    t.equal(reached(type, {}), expected.system?.includes(type) ? 'system' : 'paths', type)
  for (const type of expected.account ?? []) {
    for (const root of [{}, { user: 'root' }]) t.equal(reached(type, root), 'system', type)
    t.strictSame(reached(type, { user: 'deploy' }), [], type)
  }
  for (const type of expected.provider ?? []) {
    t.equal(reached(type, { provider: { kind: 'systemd' } }), 'system', type)
    t.strictSame(reached(type, { provider: { kind: 'supervisor', socket: '/s' } }), ['/s'], type)
  }
  for (const type of expected.socket ?? []) t.strictSame(reached(type, { socket: '/s' }), ['/s'], type)
})
