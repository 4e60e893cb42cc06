/** Tests which listening sockets count as taking a port, by tables of the kernel like those in /proc/net. */
import t from 'tap'
import { VirtualHost } from '../../../../core/host/virtual.ts'
import { isPortTaken } from '../../../../resources/services/readiness/port_in_use.ts'

const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'
const row = (local: string, state = '0A') =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n`
const hostWith = (tcp: string, tcp6 = '') =>
  new VirtualHost().given('/proc/net/tcp', head + tcp).given('/proc/net/tcp6', head + tcp6)
/** A host with one listener, in the table of its address family. */
const hostOf = (listener: string) =>
  / [0-9A-F]{8}:/.test(listener.slice(0, 14)) ? hostWith(listener) : hostWith('', listener)

const localhost = row('0100007F:1F91')
const lan = row('0500000A:1F91')
const everyIpv4 = row('00000000:1F91')
const everyIpv6 = row(`${'0'.repeat(32)}:1F91`)
const mappedLocalhost = row('0000000000000000FFFF00000100007F:1F91')
const localhostOfIpv6 = row('00000000000000000000000001000000:1F91')
const globalIpv6 = row('B80D0120000000000000000001000000:1F91')

const taken = (host: VirtualHost, address: string) => isPortTaken(host, 8081, address)

t.test('counts a socket only if it listens, on this port', async (t) => {
  t.equal(await taken(hostWith(localhost), '127.0.0.1'), true)
  t.equal(await taken(hostWith(row('0100007F:1F92')), '127.0.0.1'), false, 'another port')
  t.equal(await taken(hostWith(row('0100007F:1F91', '06')), '127.0.0.1'), false, 'a connection that is over')
  t.equal(await taken(hostWith(''), '127.0.0.1'), false)
})

t.test('counts a listener whose address overlaps with the wanted one', async (t) => {
  const cases: readonly (readonly [wanted: string, blocking: readonly string[], harmless: readonly string[]])[] = [
    ['127.0.0.1', [localhost, mappedLocalhost, everyIpv4, everyIpv6], [lan, localhostOfIpv6, globalIpv6]],
    ['10.0.0.5', [lan, everyIpv4, everyIpv6], [localhost, mappedLocalhost, globalIpv6]],
    ['0.0.0.0', [localhost, lan, mappedLocalhost, everyIpv4, everyIpv6], [localhostOfIpv6, globalIpv6]],
    ['::1', [localhostOfIpv6, everyIpv6], [localhost, mappedLocalhost, everyIpv4, globalIpv6]],
    ['2001:db8::1', [globalIpv6, everyIpv6], [localhost, everyIpv4, localhostOfIpv6]],
    ['::ffff:127.0.0.1', [localhost, mappedLocalhost, everyIpv4, everyIpv6], [lan, localhostOfIpv6]],
    ['::', [localhost, lan, mappedLocalhost, everyIpv4, everyIpv6, localhostOfIpv6, globalIpv6], []],
    ['site.example', [localhost, lan, localhostOfIpv6, globalIpv6], []],
  ]
  for (const [wanted, blocking, harmless] of cases) {
    for (const listener of blocking)
      t.equal(await taken(hostOf(listener), wanted), true, `${wanted}, taken by ${listener.trim()}`)
    for (const listener of harmless)
      t.equal(await taken(hostOf(listener), wanted), false, `${wanted}, beside ${listener.trim()}`)
  }
})

t.test('connects if the kernel shows no tables', async (t) => {
  const open = new VirtualHost({
    requests: ({ port }) => (port === 8081 ? { status: 200, headers: {}, body: '' } : null),
  })
  t.equal(await isPortTaken(open, 8081, '127.0.0.1'), true)
  t.equal(await isPortTaken(open, 8082, '127.0.0.1'), false)
})
