/** Tests what the host of the test kit imitates of Debian: directories, units, kernel settings and some packages. */
import {
  cron,
  firewall,
  hostname,
  mount,
  packages,
  type Recipe,
  role,
  sudoers,
  symlink,
  sysctl,
  systemd_unit,
  timezone,
  virtualenv,
} from 'converge-engine'
import { converge, plan, TestHost, verify } from 'converge-engine/testing'
import t from 'tap'

const roleWithSetup = (setup: (r: Recipe<unknown>) => unknown) => role('site', { setup: (r) => void setup(r) })

const worker = { Service: { ExecStart: '/bin/worker' }, Install: { WantedBy: 'multi-user.target', Alias: 'w.service' } }
const link = '/etc/systemd/system/multi-user.target.wants/worker.service'

t.test('a unit is enabled by the links of its section [Install], disabled, and removed', async (t) => {
  const declare = (more: object) =>
    roleWithSetup((r) => systemd_unit(r, { name: 'worker.service', content: worker, ...more }))
  const { host } = await verify(declare({ enabled: true, action: 'running' }))
  host.assertService('worker', 'running', true)
  host.assertLink(link, '/etc/systemd/system/worker.service')
  host.assertLink('/etc/systemd/system/w.service')
  await verify(declare({ enabled: false, action: 'stopped' }), { host })
  host.assertService('worker', 'stopped', false)
  host.assertAbsent(link)
  await verify(declare({ enabled: true }), { host })
  await verify(
    roleWithSetup((r) => systemd_unit(r, { name: 'worker.service', absent: true })),
    { host },
  )
  host.assertAbsent(link)
  t.equal(host.serviceState('worker'), null)
})

const types: Readonly<Record<string, ReturnType<typeof roleWithSetup>>> = {
  cron: roleWithSetup((r) => {
    packages(r, { names: ['cron'] })
    cron(r, { name: 'tidy', schedule: '@daily', command: 'true' })
  }),
  sudoers: roleWithSetup((r) => {
    packages(r, { names: ['sudo'] })
    sudoers(r, { name: 'deploy', users: ['root'] })
  }),
  timezone: roleWithSetup((r) => {
    packages(r, { names: ['tzdata'] })
    timezone(r, { zone: 'Europe/Zurich' })
  }),
  firewall: roleWithSetup((r) => {
    packages(r, { names: ['nftables'] })
    firewall(r, { allow: [{ services: ['ssh', 'http'] }] })
  }),
  mount: roleWithSetup((r) => mount(r, { path: '/srv/data', device: '/dev/sdb1', type: 'ext4', options: ['noatime'] })),
  sysctl: roleWithSetup((r) => sysctl(r, { key: 'vm.swappiness', value: 10 })),
  hostname: roleWithSetup((r) => hostname(r, { name: 'web1' })),
  symlink: roleWithSetup((r) => symlink(r, { path: '/opt/site', target: '/srv' })),
}

for (const [type, declared] of Object.entries(types))
  t.test(`${type} works on a new host`, async (t) => {
    await verify(declared)
    t.pass()
  })

t.test('rules of a firewall and mounts change and go', async (t) => {
  const table = (port: number) => roleWithSetup((r) => firewall(r, { allow: [{ ports: [22, port] }] }))
  const host = new TestHost({
    packages: ['nftables'],
    files: { '/usr/sbin/nft': { content: '', mode: '0755' } },
    services: { nftables: 'stopped' },
  })
  for (const port of [80, 443]) await verify(table(port), { host })
  t.match(host.readText('/proc/imitated/nftables'), '443')
  await verify(
    roleWithSetup((r) => firewall(r, { absent: true })),
    { host },
  )
  const data = (more: object) =>
    roleWithSetup((r) => mount(r, { path: '/srv/data', device: '/dev/sdb1', type: 'ext4', ...more }))
  await verify(data({}), { host })
  await verify(data({ options: ['ro'] }), { host })
  t.match(host.readText('/proc/self/mounts'), '/dev/sdb1 /srv/data ext4 ro')
  await verify(data({ absent: true }), { host })
  t.equal(host.readText('/proc/self/mounts')?.trim(), '')
})

t.test('a program that is not imitated fails with that reason after the installation of its package', async (t) => {
  const declared = roleWithSetup((r) => {
    packages(r, { names: ['python3'] })
    virtualenv(r, { path: '/srv/env' })
  })
  await t.rejects(converge(declared), { message: /the test host has no program \/usr\/bin\/python3/ })
})

t.test('cron and sudo are missing without their packages', async (t) => {
  const job = roleWithSetup((r) => cron(r, { name: 'tidy', schedule: '@daily', command: 'true' }))
  await t.rejects(plan(job), /packages\(r, \{ names: \['cron'\] \}\)/)
  const rule = roleWithSetup((r) => sudoers(r, { name: 'deploy', users: ['root'] }))
  await t.rejects(converge(rule), /packages\(r, \{ names: \['sudo'\] \}\)/)
})

t.test('an ordinary user has a crontab', async (t) => {
  const host = new TestHost({
    accounts: ['jane'],
    user: 'jane',
    files: { '/usr/bin/crontab': { content: '', mode: '0755' } },
  })
  const job = (command: string) => roleWithSetup((r) => cron(r, { name: 'tidy', schedule: '@daily', command }))
  await verify(job('one'), { host })
  await verify(job('two'), { host })
  host.assertFile('/var/spool/cron/crontabs/jane', /@daily two/)
  t.notMatch(host.readText('/var/spool/cron/crontabs/jane'), 'one')
})
