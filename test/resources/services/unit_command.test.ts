/** Tests unit_command: reading the command of a unit of a package. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { file } from '../../../resources/files/file.ts'
import { package_ } from '../../../resources/packages/package.ts'
import { unit_command } from '../../../resources/services/unit_command.ts'
import { contract, failureOf, planOf, run } from '../../support/contract.ts'

const props = { unit: 'varnish.service', without: 'converge.conf' }
const unit = (command: string) => `[Unit]\nDescription=x\n[Service]\nExecStart=${command}\n`
const dropIn = (command: string) => `[Service]\nExecStart=\nExecStart=${command}\n`

contract(t, unit_command, [
  {
    name: "reads the command of a package's unit",
    props,
    given: (host) => void host.given('/usr/lib/systemd/system/varnish.service', unit('/usr/sbin/varnishd -F')),
    changes: [],
  },
  { name: 'fails if the unit does not exist', props, fails: /varnish\.service is not installed, or has no ExecStart/ },
  {
    name: 'fails if the unit has no command',
    props,
    given: (host) => void host.given('/usr/lib/systemd/system/varnish.service', '[Service]\nType=oneshot\n'),
    fails: /has no ExecStart/,
  },
])

t.test("reads the command as systemd does, without converge's drop-in", async (t) => {
  const cases: [name: string, given: Record<string, string>, command: string][] = [
    ['that of the package', {}, '/packaged'],
    ['a unit in the older directory', { '/lib/systemd/system/varnish.service': unit('/older') }, '/packaged'],
    ['a unit of the operator', { '/etc/systemd/system/varnish.service': unit('/own') }, '/own'],
    [
      'without the drop-in of converge',
      { '/etc/systemd/system/varnish.service.d/converge.conf': dropIn('/ours') },
      '/packaged',
    ],
    ['a drop-in of the operator', { '/etc/systemd/system/varnish.service.d/a.conf': dropIn('/a') }, '/a'],
    [
      'the last drop-in counts, wherever it is',
      {
        '/etc/systemd/system/varnish.service.d/a.conf': dropIn('/a'),
        '/usr/lib/systemd/system/varnish.service.d/b.conf': dropIn('/b'),
      },
      '/b',
    ],
    [
      'of two drop-ins with one name, that of the operator',
      {
        '/etc/systemd/system/varnish.service.d/a.conf': dropIn('/a'),
        '/usr/lib/systemd/system/varnish.service.d/a.conf': dropIn('/b'),
      },
      '/a',
    ],
    ['other files are no drop-ins', { '/etc/systemd/system/varnish.service.d/a.old': dropIn('/a') }, '/packaged'],
  ]
  for (const [name, given, command] of cases) {
    const host = new VirtualHost().given('/usr/lib/systemd/system/varnish.service', unit('/packaged'))
    for (const [path, text] of Object.entries(given)) host.given(path, text)
    const plan = planOf((r) => void file(r, { path: '/srv/command', content: unit_command(r, props).command }))
    t.strictSame(failureOf(await run(plan, host)), undefined, name)
    t.equal(host.readText('/srv/command'), command, name)
  }
})

t.test('a plan before the installation does not know the command', async (t) => {
  const plan = planOf((r) => {
    package_(r, { names: ['varnish'] })
    file(r, { path: '/srv/command', content: unit_command(r, props).command })
  })
  const report = await run(plan, new VirtualHost({ base: new VirtualHost() }), 'plan')
  t.strictSame(failureOf(report), undefined)
  t.strictSame(
    report.resources.map(({ outcome }) => outcome),
    ['planned', 'unknown', 'unknown'],
  )
})
