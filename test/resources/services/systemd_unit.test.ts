/** Tests systemd_unit: writing, loading, enabling and removing units. */
import t from 'tap'
import type { CommandHandler, VirtualHost } from '../../../core/host/virtual.ts'
import { systemd_unit } from '../../../resources/services/systemd_unit.ts'
import { contract, failureOf, planOf, run } from '../../support/contract.ts'

const directory = '/etc/systemd/system'
const name = 'shop.service'
const path = `${directory}/${name}`
const [active, loaded] = ['/run/fake/active', '/run/fake/loaded']

/** `systemctl` keeps in files below /run/fake which units are active, and which text of the unit it has read. */
const commands: CommandHandler = ([program, verb, ...words], _, host) => {
  const unit = words.at(-1) ?? ''
  const text = (path: string) => host.readText(path) ?? ''
  if (program === 'systemd-analyze') {
    const file = unit
    const lines = text(file).split('\n')
    const unknown = lines.flatMap((line, index) =>
      line.startsWith('Restrat')
        ? [`${file}:${index + 1}: Unknown key name 'Restrat' in section 'Service', ignoring.`]
        : [],
    )
    const missing = [`${file.replace(/.*\//, '')}: Command /srv/shop is not executable: No such file or directory`]
    const advice = [
      `${file}:2: Standard output type syslog is obsolete`,
      '/usr/lib/systemd/system/x.service:3: Unknown key, ignoring.',
    ]
    return { status: 1, stderr: [...unknown, ...missing, ...(text(file).includes('syslog') ? advice : [])].join('\n') }
  }
  if (program !== 'systemctl') return null
  const isActive = text(active).includes(unit)
  const file = `${directory}/${unit}`
  if (verb === 'show' && words.includes('--property=NeedDaemonReload'))
    return { stdout: host.stat(loaded) !== null && text(loaded) !== text(file) ? 'yes\n' : 'no\n' }
  if (verb === 'show') {
    if (unit.includes('*')) return { stdout: '' }
    const found = host.stat(file) !== null || isActive
    const status = found
      ? `LoadState=loaded\nActiveState=${isActive ? 'active' : 'inactive'}\n`
      : 'LoadState=not-found\n'
    return { stdout: `Id=${unit}\nNames=${unit}\n${status}` }
  }
  if (verb === 'daemon-reload') host.given(loaded, text(path))
  // A start reads a unit that systemd does not know yet.
  if (verb === 'start' && host.stat(loaded) === null) host.given(loaded, text(path))
  if (verb === 'start') host.given(active, `${unit}\n`)
  if (verb === 'stop') host.given(active, '')
  const links = ['multi-user.target.wants', 'old.target.wants'].map((one) => `${directory}/${one}`)
  if (verb === 'disable') for (const one of links) host.given(`${one}/${unit}`, '')
  if (verb === 'enable') host.given(`${links[0]}/${unit}`, { link: file })
  return {}
}
const host = { commands }
const text = '[Service]\nExecStart=/srv/shop\n\n[Install]\nWantedBy=multi-user.target\n'
const content = { Service: { ExecStart: '/srv/shop' }, Install: { WantedBy: 'multi-user.target' } }
const link = `${directory}/multi-user.target.wants/${name}`
const given =
  (files: Readonly<Record<string, string | { readonly link: string }>> = {}) =>
  (host: VirtualHost) => {
    host
      .given('/run/systemd/system', null)
      .given('/usr/bin/systemd-analyze', '')
      .given('/run/fake', null)
      .given(directory, null)
    for (const [path, content] of Object.entries(files)) host.given(path, content)
  }
const done = { [path]: text, [loaded]: text, [active]: `${name}\n`, [link]: { link: path } }
const noFile = [
  'replace /group = null',
  'replace /owner = null',
  'replace /mode = null',
  'replace /content = null',
  'replace /kind = "absent"',
]

contract(t, systemd_unit, [
  {
    name: 'writes, enables and starts a unit',
    props: { name, content, enabled: true, action: 'running' },
    host,
    given: given(),
    changes: [
      'replace /state = "running"',
      'add /links/0 = "multi-user.target.wants/shop.service"',
      'replace /group',
      'replace /owner',
      'replace /mode = "0644"',
      'replace /content',
      'replace /kind = "file"',
    ],
    then(t, host) {
      t.equal(host.readText(path), text)
      t.equal(host.readText(loaded), text, 'systemd has read it')
      t.strictSame(
        host.list(directory).filter((name) => name.includes('check')),
        [],
      )
    },
  },
  {
    name: 'leaves a correct unit alone',
    props: { name, content: text, enabled: true, action: 'running' },
    host,
    given: given(done),
    changes: [],
  },
  {
    name: 'loads a changed text, and restarts nothing',
    props: {
      name,
      content: { ...content, Service: { ExecStart: '/srv/shop', Environment: ['A=1', 'B=2'], Restart: true } },
    },
    host,
    given: given(done),
    changes: ['replace /content'],
    then(t, host) {
      t.match(host.readText(path), '[Service]\nExecStart=/srv/shop\nEnvironment=A=1\nEnvironment=B=2\nRestart=yes\n')
      t.equal(host.readText(loaded), host.readText(path))
      t.notOk(host.changes.some((change) => /stop|start/.test(change)))
    },
  },
  {
    name: 'loads a text that systemd has not read',
    props: { name, content },
    host,
    given: given({ ...done, [loaded]: 'old' }),
    changes: ['replace /isOutdated = false'],
  },
  {
    name: 'removes what an earlier section [Install] enabled',
    props: { name, content, enabled: true },
    host,
    given: given({ ...done, [link]: '', [`${directory}/old.target.wants/${name}`]: { link: path } }),
    changes: ['replace /links/0 = "multi-user.target.wants/shop.service"'],
  },
  {
    name: 'disables and stops a unit',
    props: { name, content, enabled: false, action: 'stopped' },
    host,
    given: given(done),
    changes: ['replace /state = "stopped"', 'remove /links/0'],
  },
  {
    name: 'removes a unit',
    props: { name, absent: true },
    host,
    given: given(done),
    changes: ['replace /state = "absent"', 'remove /links/0', ...noFile],
    then: (t, host) => void t.equal(host.readText(active), ''),
  },
  {
    name: 'does nothing if the unit to remove is missing',
    props: { name, absent: true },
    host,
    given: given(),
    changes: [],
  },
  {
    name: 'removes a file that hides the unit of a package, which stays active',
    props: { name, absent: true },
    host,
    given: given({ ...done, [`/usr/lib/systemd/system/${name}`]: 'x' }),
    changes: noFile,
    then: (t, host) => void t.equal(host.readText(active), `${name}\n`),
  },
  {
    name: 'fails at a misspelt setting',
    props: { name, content: { Service: { ExecStart: '/srv/shop', Restrat: 'always' } } },
    host,
    given: given(done),
    fails:
      /systemd would not use all lines of shop\.service.*set verify to false shop\.service:3: Unknown key name 'Restrat'/,
    then: (t, host) => void t.equal(host.readText(path), text),
  },
  {
    name: 'accepts a setting of a later systemd',
    props: { name, content: { Service: { ExecStart: '/srv/shop', Restrat: 'always' } }, verify: false },
    host,
    given: given(done),
    changes: ['replace /content'],
  },
  {
    name: 'writes a template unit',
    props: { name: 'shop@.service', content },
    host: {
      commands: (argv, options, host) =>
        argv.includes('show') ? { status: 1, stderr: 'not a unit name' } : commands(argv, options, host),
    },
    given: given(),
    changes: ['replace /group', 'replace /owner', 'replace /mode', 'replace /content', 'replace /kind'],
    then: (t, host) => void t.ok(host.changes.includes('run systemctl daemon-reload')),
  },
  {
    name: 'writes a unit on a host without systemd',
    props: { name, content, enabled: true },
    host: { commands },
    changes: ['add /links/0', 'replace /group', 'replace /owner', 'replace /mode', 'replace /content', 'replace /kind'],
  },
  {
    name: 'fails to start a unit without systemd',
    props: { name, content, action: 'running' },
    host,
    fails: /systemd does not run/,
  },
  {
    name: 'fails to enable a unit that no other unit starts',
    props: { name, content: { Service: {} }, enabled: true },
    host,
    given: given(),
    fails: /cannot be enabled/,
  },
  {
    name: 'masked',
    props: { name, content },
    host,
    given: given({ [path]: { link: '/dev/null' } }),
    fails: /masked.*systemctl unmask/,
  },
])

t.test('warns with the advice of systemd', async (t) => {
  const virtual = new (await import('../../../core/host/virtual.ts')).VirtualHost(host)
  given()(virtual)
  const report = await run(
    planOf((r) => systemd_unit(r, { name, content: '[Service]\nStandardOutput=syslog\nExecStart=/srv/shop' })),
    virtual,
  )
  t.equal(failureOf(report), undefined)
  t.strictSame(report.warnings, [
    'systemd_unit shop.service: systemd warns of shop.service:2: Standard output type syslog is obsolete',
  ])
})

t.test('refuses an invalid unit', async (t) => {
  for (const wrong of [
    { name: 'shop', content },
    { name: '../x.service', content },
    { name },
    { name: 'shop@.service', content, enabled: true },
    { name, content: { Service: { ExecStart: 'a\nb' } } },
    { name, content: { Service: { ExecStart: 'a\\' } } },
    { name, content: { 'a]': {} } },
    { name, content: { Service: { 'a=b': 'c' } } },
  ])
    t.throws(() => planOf((r) => systemd_unit(r, wrong as never)), JSON.stringify(wrong))
})
