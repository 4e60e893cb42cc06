/** Tests hostname: the name now and at boot. */
import t from 'tap'
import type { CommandHandler } from '../../../core/host/virtual.ts'
import { hostname } from '../../../resources/system/hostname.ts'
import { contract, planOf } from '../../support/contract.ts'

const running = '/proc/sys/kernel/hostname'
const commands: CommandHandler = ([program, name], _, host) => {
  if (program !== 'hostname') return null
  host.given(running, `${name}\n`)
  return {}
}

contract(t, hostname, [
  {
    name: 'renames the host',
    props: { name: 'web1' },
    host: { commands },
    given: (host) => void host.given('/etc/hostname', '# old\nip-10-0-0-5\n').given(running, 'ip-10-0-0-5\n'),
    changes: ['replace /running = "web1"', 'replace /boot = "web1"'],
    then: (t, host) => void t.equal(host.readText('/etc/hostname'), 'web1\n'),
  },
  {
    name: 'corrects the name only at boot',
    props: { name: 'web1' },
    host: { commands },
    given: (host) => void host.given(running, 'web1\n'),
    changes: ['replace /boot = "web1"'],
  },
  {
    name: 'leaves a correct name alone',
    props: { name: 'web1' },
    given: (host) => void host.given('/etc/hostname', 'web1').given(running, 'web1\n'),
    changes: [],
  },
  {
    name: 'fails without root',
    props: { name: 'web1' },
    host: { self: { name: 'me', uid: 1000, gid: 1000, home: '/home/me', shell: '/bin/sh' } },
    fails: /only root.*hostname web1/,
  },
])

t.test('refuses a text that is not a host name', async (t) => {
  for (const name of ['', 'a b', '-a', 'a_b', 'a\n', 'x'.repeat(65), 'a..b'])
    t.throws(() => planOf((r) => hostname(r, { name })), { code: 'INVALID_PROP' })
})
