import t from 'tap'
import { VirtualHost } from '../../../../core/host/virtual.ts'
import { isPortTaken } from '../../../../resources/services/readiness/port_in_use.ts'

const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'
const row = (local: string, state = '0A') =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n`
const hostWith = (tcp: string, tcp6 = '') =>
  new VirtualHost().given('/proc/net/tcp', head + tcp).given('/proc/net/tcp6', head + tcp6)

t.test('finds listening processes', async (t) => {
  const taken = (host: VirtualHost, address = '127.0.0.1') => isPortTaken(host, 8081, address)
  t.equal(await taken(hostWith(row('0100007F:1F91'))), true)
  t.equal(await taken(hostWith(row('0100007F:1F92'))), false, 'another port')
  t.equal(await taken(hostWith(row('0100007F:1F91', '06'))), false, 'a connection that is over')
  t.equal(await taken(hostWith(row('0500000A:1F91'))), false, 'another address')
  t.equal(await taken(hostWith(row('0500000A:1F91')), '10.0.0.5'), true)
  t.equal(await taken(hostWith(row('0500000A:1F91')), 'site.example'), true, 'a name may be any address')
  t.equal(await taken(hostWith(row('00000000:1F91'))), true, 'all addresses')
  t.equal(await taken(hostWith('', row('00000000000000000000000000000000:1F91'))), true, 'all addresses of IPv6')
  t.equal(await taken(hostWith('', row('0000000000000000FFFF00000100007F:1F91'))), true, 'mapped')
  t.equal(await taken(hostWith('')), false)
})

t.test('connects if the kernel shows no tables', async (t) => {
  const open = new VirtualHost({
    requests: ({ port }) => (port === 8081 ? { status: 200, headers: {}, body: '' } : null),
  })
  t.equal(await isPortTaken(open, 8081, '127.0.0.1'), true)
  t.equal(await isPortTaken(open, 8082, '127.0.0.1'), false)
})
