/** Tests the warning about a ZEO server that clients of other hosts cannot reach. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { loopbackProblem, zeo_address } from '../../../resources/zope/zeo_address.ts'
import { contract, planOf, run } from '../../support/contract.ts'

const server = '/srv/www/zeoserver/releases/000001-aa'
const props = { app: 'zeoserver', server, clients: ['app1', 'app2'] }
const conf = `${server}/parts/zeoserver/etc/zeo.conf`
const zeoConf = (address: string) => `%define PORT 8001\n<zeo>\n  address ${address}\n</zeo>\n`
const withZeoConf = (address: string) => (host: VirtualHost) => void host.given(conf, zeoConf(address))

contract(t, zeo_address, [
  {
    name: 'changes nothing for a server on the loopback address',
    props,
    given: withZeoConf('127.0.0.1:8001'),
    changes: [],
  },
  { name: 'changes nothing for a server on all addresses', props, given: withZeoConf('8001'), changes: [] },
  { name: 'does nothing before the first build', props, changes: [] },
])

t.test('warns with the address, the hosts and the setting', async (t) => {
  const host = new VirtualHost()
  withZeoConf('127.0.0.1:$PORT')(host)
  const report = await run(
    planOf((r) => zeo_address(r, props)),
    host,
  )
  t.match(
    JSON.stringify(report.warnings),
    /listens on 127\.0\.0\.1:8001 only .*app1, app2 cannot connect.*address = 0\.0\.0\.0:8001/,
  )
})

t.test('reports only an address of the loopback interface', (t) => {
  const isProblem = (address: string, clients = ['app1']) => {
    const host = new VirtualHost()
    withZeoConf(address)(host)
    return loopbackProblem(host, server, clients) !== null
  }
  for (const address of ['127.0.0.1:8001', '127.0.1.1:8100', 'localhost:8001', '[::1]:8001', '::1:8001'])
    t.ok(isProblem(address), address)
  for (const address of ['8001', '0.0.0.0:8001', '10.0.0.5:8001', 'zeo1:8001', '*:8001', '/run/zeo.sock', ':8001'])
    t.notOk(isProblem(address), address)
  t.notOk(isProblem('127.0.0.1:8001', []), 'no host beside its own has clients')
  t.end()
})
