/** Tests the role base: packages and automatic updates of a host, if the run can manage them. */
import t from 'tap'
import { attributeSchemas } from '../../attributes/index.ts'
import { compile, defaultEvents } from '../../core/compile/compile.ts'
import { lifecycleEvents } from '../../core/compile/role.ts'
import { type Facts, neutralFacts } from '../../core/node/facts.ts'
import { buildNode } from '../../core/node/node.ts'
import { objectLayer } from '../../core/node/parse_layer.ts'
import base from '../../recipes/base/role.ts'
import { recipeNode } from '../../recipes/node.ts'

function plan(
  attributes: Readonly<Record<string, unknown>>,
  facts: Facts = neutralFacts,
  events: readonly string[] = defaultEvents,
) {
  const built = buildNode({ layers: [objectLayer(attributes, 'test', 'deployment')], facts, schemas: attributeSchemas })
  const run = { id: 'run', events, options: {}, by: 'test' }
  const { resources, warnings } = compile([base], events, recipeNode(built, run))
  return { resources: resources.map(({ name, props }) => [name, props] as const), warnings }
}

t.test('declares nothing by default', async (t) => {
  t.strictSame(plan({}), { resources: [], warnings: [] })
})

t.test('writes the hosts of the stack into /etc/hosts, and removes them', async (t) => {
  const facts = { ...neutralFacts, uid: 0 }
  const opsworks = {
    layers: {
      web: { instances: { web2: { private_ip: '10.0.0.12' }, web1: { private_ip: '10.0.0.11', ip: '192.0.2.1' } } },
      db: { instances: { web1: { private_ip: '10.0.0.11', ip: '192.0.2.1' }, 'no name': { private_ip: '10.0.0.13' } } },
      empty: { instances: { db1: { status: 'online' } } },
    },
  }
  const of = (hosts_file: boolean | null, given: Facts = facts) =>
    plan({ opsworks, converge: { hosts_file } }, given, ['configure'])
  t.strictSame(of(null).resources, [])
  const block = '10.0.0.11 web1\n192.0.2.1 web1-ext\n10.0.0.12 web2\n'
  t.match(of(true).resources, [[/block_in_file/, { path: '/etc/hosts', block }]])
  t.match(of(false).resources, [[/block_in_file/, { path: '/etc/hosts', absent: true }]])
  const ordinary = of(true, { ...facts, uid: 1000 })
  t.strictSame(ordinary.resources, [])
  t.match(JSON.stringify(ordinary.warnings), 'stays as it is')
})

t.test('installs packages in any version, or in a given one', async (t) => {
  const { resources } = plan({ converge: { packages: ['zip', ['poppler-utils', '22.12*'], 'curl'] } })
  t.strictSame(resources, [
    ['package curl zip', { names: ['zip', 'curl'] }],
    ['package poppler-utils', { names: { 'poppler-utils': '22.12*' } }],
  ])
})

const anns = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGy3 ann'

t.test('makes the accounts of people with their keys and rights, and expires others of the group', async (t) => {
  const facts = { ...neutralFacts, uid: 0 }
  const ssh_users = {
    2001: {
      name: 'ann',
      public_key: `${anns}\n\n${anns.replace('Gy3', 'Gy4')}\n`,
      sudoer: true,
      email: 'ann@example.com',
    },
    2002: { name: 'bob', public_key: null, sudoer: 'false' },
  }
  const { resources } = plan({ ssh_users }, facts, ['configure'])
  t.strictSame(
    resources.map(([name]) => name),
    [
      'group opsworks',
      'group_logins opsworks without others',
      'package sudo',
      'sudoers opsworks-ssh-users',
      'user ann',
      'authorized_key ann',
      'file /home/ann/.ssh/authorized_keys2',
      'user bob',
      'authorized_key bob',
      'file /home/bob/.ssh/authorized_keys2',
      'group_logins opsworks',
    ],
  )
  const props = resources.map(([, props]) => props)
  t.match(props[1], { accounts: ['ann', 'bob'], uids: { ann: 2001, bob: 2002 }, lift: false })
  t.match(props[3], { users: ['ann'], runAs: ['ALL'], noPassword: true })
  t.match(props[4], { uid: 2001, group: 'opsworks', home: '/home/ann', shell: '/bin/bash' })
  t.match(props[5], { keys: [anns, anns.replace('Gy3', 'Gy4')], exclusive: true })
  t.match(props[8], { keys: [], exclusive: true })
  const nobody = plan({ ssh_users: {} }, facts, ['setup', 'configure'])
  t.match(nobody.resources[2], [/sudoers/, { absent: true }])
  t.match(nobody.resources[3], ['group_logins opsworks', { accounts: [] }])
  t.equal(nobody.resources.length, 4, 'once, though both events declare them')
})

t.test('refuses people who cannot be accounts', async (t) => {
  const ann = { name: 'ann' }
  for (const [ssh_users, message] of [
    [{ 0: ann }, /ssh_users\.0: .*the number of an account, from 1000 to 99999/],
    [{ 2001: {} }, /ssh_users\.2001\.name/],
    ...['a b', 'ALL', 'root:x'].map((name) => [{ 2001: { name } }, /ssh_users\.2001\.name/] as const),
    [{ 2001: { ...ann, public_key: 'my key' } }, /ssh_users\.2001\.public_key: .*public keys as in a \.pub file/],
    [{ 2001: { ...ann, public_key: `command="x" ${anns}` } }, /without options/],
    [{ 2001: ann, 2002: ann }, /ssh_users\.2002\.name is the name of ssh_users\.2001 too/],
  ] as const)
    t.throws(() => plan({ ssh_users }, { ...neutralFacts, uid: 0 }, ['setup']), { message })
})

t.test('sets the kernel settings and limits of the platform, and those laid over them', async (t) => {
  const facts = { ...neutralFacts, uid: 0 }
  const settings = (opsworks_initial_setup: object) => plan({ opsworks_initial_setup }, facts).resources
  t.equal(settings({ sysctl: {} }).length, 7)
  const sysctl = { 'net.core.somaxconn': 4096, 'net.ipv4.tcp_tw_reuse': null, 'vm.swappiness': '10' }
  const found = settings({ sysctl })
  t.equal(found.length, 8)
  t.match(found.at(-3), ['sysctl net.core.somaxconn', { value: 4096 }])
  t.match(found.at(-2), ['sysctl net.ipv4.tcp_tw_reuse', { absent: true }])
  t.match(found.at(-1), ['sysctl vm.swappiness', { value: '10' }])
  t.equal(
    settings({ sysctl: { 'net/core/somaxconn': 4096 } }).length,
    7,
    'another spelling of a setting of the platform',
  )
  t.throws(() => settings({ sysctl: { 'vm.swappiness': 1, 'vm/swappiness': 2 } }), {
    message: /another spelling of vm\.swappiness/,
  })
  const lines = (limits: object) => settings({ limits }).map(([, props]) => (props as { content: string }).content)
  t.match(lines({}), ['changes are overwritten.\nroot - nofile 65536\n* - nofile 65536\n'])
  t.match(lines({ nofile: null, nproc: 'unlimited' }), ['overwritten.\nroot - nproc unlimited\n* - nproc unlimited\n'])
  t.throws(() => settings({ limits: { nofiles: 1 } }), { message: /opsworks_initial_setup\.limits/ })
  t.throws(() => settings({ sysctl: { somaxconn: 1 } }), { message: /the name of a kernel setting/ })
  for (const limits of [{ nofile: 2_000_000 }, { nofile: 'unlimited' }, { nproc: 0 }, { nice: 30 }])
    t.throws(() => settings({ limits }), { message: /opsworks_initial_setup\.limits\./ }, JSON.stringify(limits))
  t.match(settings({ limits: { nofile: null } }), [['file /etc/security/limits.d/60-converge.conf', { absent: true }]])
})

t.test('turns automatic updates on', async (t) => {
  const { resources } = plan({
    converge: { automatic_updates: true },
    apt: { unattended_upgrades: { mail: 'ops@example.com', package_blacklist: ['nginx', 'haproxy'] } },
  })
  t.match(resources, [
    ['package unattended-upgrades', {}],
    [
      'file /etc/apt/apt.conf.d/52unattended-upgrades-converge',
      {
        content:
          '// Written by converge, changes are overwritten.\nUnattended-Upgrade::Mail "ops@example.com";\nUnattended-Upgrade::Package-Blacklist {\n  "nginx";\n  "haproxy";\n};\n',
        mode: '0644',
      },
    ],
    [
      'file /etc/apt/apt.conf.d/20auto-upgrades',
      {
        content:
          '// Written by converge, changes are overwritten.\nAPT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n',
      },
    ],
  ])
  t.equal(resources.length, 3)
})

t.test('turns automatic updates off, and leaves the package installed', async (t) => {
  const { resources } = plan({ converge: { automatic_updates: false } })
  t.match(resources, [['file /etc/apt/apt.conf.d/20auto-upgrades', { content: /Unattended-Upgrade "0";\n$/ }]])
  t.equal(resources.length, 1)
})

t.test('sets the time zone, and restarts cron, which reads it when it starts', async (t) => {
  const { resources } = plan({ system: { timezone: 'Europe/Zurich' } })
  t.match(resources, [
    ['package cron tzdata', {}],
    ['timezone /etc/localtime', { zone: 'Europe/Zurich' }],
    ['service_restart cron', { services: [{ name: 'cron' }], start: false, adopt: true }],
  ])
  const reported = [
    /the time zone stays as it is: a change needs root and the whole system \(run converge as root, or remove/,
  ]
  const system = { timezone: 'Etc/UTC' }
  t.match(plan({ system }, { ...neutralFacts, uid: 1000 }), { resources: [], warnings: reported })
  t.throws(() => plan({ system: { timezone: '../etc/passwd' } }), { message: /system\.timezone/ })
})

t.test('refuses values that apt would read differently', async (t) => {
  const attributes = { converge: { automatic_updates: true }, apt: { unattended_upgrades: { mail: 'a"; x "' } } }
  t.throws(() => plan(attributes), {
    message: /apt\.unattended_upgrades\.mail cannot be written: apt\.conf cannot hold a quote/,
  })
})

t.test('warns an ordinary user, or a run with a prefix', async (t) => {
  const converge = { packages: ['zip'], automatic_updates: true }
  const reported = [/^packages \(zip\) and automatic updates are left out: they need root and the whole system \(/]
  t.match(plan({ converge }, { ...neutralFacts, uid: 1000 }), { resources: [], warnings: reported })
  t.match(plan({ converge: { ...converge, prefix: '/home/me' } }), { resources: [], warnings: reported })
})

t.test('takes part in setup, and declares nothing in other events', async (t) => {
  for (const event of lifecycleEvents.slice(1)) t.strictSame(plan({}, neutralFacts, [event]).resources, [])
  t.notOk(base.events.has('build'), 'but nothing to build: no host is asked for that which has no other role that does')
})
