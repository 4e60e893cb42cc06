/** Tests sysctl: settings of the kernel now and at boot. */
import t from 'tap'
import type { CommandHandler, VirtualHost } from '../../../core/host/virtual.ts'
import { sysctl } from '../../../resources/system/sysctl.ts'
import { contract, planOf } from '../../support/contract.ts'

const proc = '/proc/sys/vm/swappiness'
const file = '/etc/sysctl.d/99-converge-vm-swappiness.conf'
const commands: CommandHandler = ([program, , , setting = ''], _, host) => {
  if (program !== 'sysctl') return null
  const [key = '', value = ''] = setting.split('=')
  if (value === '9999') return { status: 255, stderr: 'sysctl: setting key "vm.swappiness": Invalid argument' }
  host.given(`/proc/sys/${key.includes('/') ? key : key.replaceAll('.', '/')}`, `${value.replaceAll(' ', '\t')}\n`)
  return {}
}
const given = (files: Readonly<Record<string, string>>) => (host: VirtualHost) => {
  host.given('/etc/sysctl.d', null).given(proc, '60\n')
  for (const [path, content] of Object.entries(files)) host.given(path, content)
}
const props = { key: 'vm.swappiness', value: 10 }
const host = { commands }

contract(t, sysctl, [
  {
    name: 'sets the value now and at boot',
    props,
    host,
    given: given({}),
    changes: ['replace /running = "10"', 'replace /boot = "10"'],
    then: (t, host) => void t.equal(host.readText(file), 'vm.swappiness = 10\n'),
  },
  {
    name: 'leaves a correct setting alone',
    props,
    host,
    given: given({ [proc]: '10\n', [file]: 'vm.swappiness=10\n' }),
    changes: [],
  },
  {
    name: 'corrects the setting only at boot',
    props,
    host,
    given: given({ [proc]: '10\n' }),
    changes: ['replace /boot'],
  },
  {
    name: 'corrects the setting only now',
    props,
    host,
    given: given({ [file]: 'vm.swappiness = 10\n' }),
    changes: ['replace /running'],
  },
  {
    name: 'writes a value of several words',
    props: { key: 'net.ipv4.tcp_rmem', value: '1 2  3' },
    host,
    given: given({ '/proc/sys/net/ipv4/tcp_rmem': '4\t5\t6\n' }),
    changes: ['replace /running = "1 2 3"', 'replace /boot = "1 2 3"'],
  },
  {
    name: 'writes a key with a dot in a name',
    props: { key: 'net/ipv4/conf/eth0.100/rp_filter', value: 1 },
    host,
    given: given({ '/proc/sys/net/ipv4/conf/eth0.100/rp_filter': '0\n' }),
    changes: ['replace /running', 'replace /boot'],
  },
  {
    name: 'removes the file of a setting',
    props: { key: 'vm.swappiness', absent: true },
    host,
    given: given({ [file]: 'vm.swappiness = 1\n' }),
    changes: ['replace /boot = null'],
  },
  {
    name: 'does nothing if the file to remove is missing',
    props: { key: 'vm.swappiness', absent: true },
    host,
    given: given({}),
    changes: [],
  },
  {
    name: 'accepts the same value in a later file',
    props,
    host,
    given: given({ '/etc/sysctl.d/zz.conf': 'vm/swappiness=10\n' }),
    changes: ['replace', 'replace'],
  },
  {
    name: 'accepts another value in an earlier file',
    props,
    host,
    given: given({ '/etc/sysctl.d/10.conf': 'vm.swappiness=1\n' }),
    changes: ['replace', 'replace'],
  },
  {
    name: 'ignores a later file that another of its name hides',
    props,
    host,
    given: given({ '/etc/sysctl.d/zz.conf': '', '/usr/lib/sysctl.d/zz.conf': 'vm.swappiness=1\n' }),
    changes: ['replace', 'replace'],
  },
  {
    name: 'fails if the kernel does not have the setting',
    props: { key: 'vm.nonsense', value: 1 },
    host,
    given: given({}),
    fails: /no setting vm\.nonsense.*ls \/proc\/sys\/vm\/nonsense/,
  },
])

t.test('reports another value in a later file, and a value that the kernel refuses', async (t) => {
  const { failureOf, run } = await import('../../support/contract.ts')
  const { VirtualHost } = await import('../../../core/host/virtual.ts')
  const plan = (value: number) => planOf((r) => sysctl(r, { key: 'vm.swappiness', value }))
  const overridden = new VirtualHost(host)
  given({ '/etc/sysctl.d/zz.conf': '# x\n-vm.swappiness = 5\n' })(overridden)
  t.match(failureOf(await run(plan(10), overridden)), { code: 'OVERRIDDEN', message: /would set vm\.swappiness to 5/ })
  t.strictSame(overridden.changes, [])
  const refusing = new VirtualHost(host)
  given({})(refusing)
  t.match(failureOf(await run(plan(9999), refusing)), { code: 'COMMAND_FAILED' })
  t.equal(refusing.readText(file), null, 'the next boot does not meet the wrong value')
})

t.test('refuses an invalid setting', async (t) => {
  for (const wrong of [
    { key: 'a' },
    { key: '../../etc/x' },
    { key: 'a.b c' },
    { value: 'a\nb' },
    { value: '' },
    { value: '#x' },
    { value: undefined },
  ])
    t.throws(() => planOf((r) => sysctl(r, { ...props, ...wrong } as never)), JSON.stringify(wrong))
})
