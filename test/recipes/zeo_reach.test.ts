/** Tests that a run, `status` and `doctor` report a ZEO server that the clients of other hosts cannot reach. */
import t from 'tap'
import { FakeHost } from '../support/fake_host.ts'
import { nothingToDo, succeeded } from '../support/lifecycle.ts'

const client = { status: 'online', private_ip: '10.0.0.7', private_dns_name: 'app1.internal' }

function zeoHost(clients: object): FakeHost {
  const host = new FakeHost({ roles: ['zeo-server'] })
  const opsworks = { instance: { hostname: 'plone1' }, layers: { plone_instances: { instances: clients } } }
  host.attributes = { ...host.attributes, opsworks }
  return host
}

function listensOn(host: FakeHost, address: string): void {
  const conf = `${host.currentRelease('zeo')?.path}/parts/zeoserver/etc/zeo.conf`
  host.machine.given(conf, `<zeo>\naddress ${address}\n</zeo>\n`)
}

const warning = /listens on 127\.0\.0\.1:8001 only/

t.test('warns if clients are on another host', async (t) => {
  const host = zeoHost({ app1: client })
  succeeded(t, await host.run())
  listensOn(host, '127.0.0.1:8001')
  for (const mode of ['run', 'plan'] as const)
    t.match(JSON.stringify((await host.run(['configure'], { mode })).warnings), warning, mode)
  t.match((await host.inspect()).apps?.[0]?.services?.[0]?.detail, warning, 'status')
  listensOn(host, '0.0.0.0:8001')
  t.notMatch(JSON.stringify((await host.run(['configure'])).warnings), warning)
  await nothingToDo(t, host)
})

t.test('does not warn if all clients are on this host', async (t) => {
  const host = zeoHost({})
  succeeded(t, await host.run())
  listensOn(host, '127.0.0.1:8001')
  t.notMatch(JSON.stringify((await host.run(['configure'])).warnings), warning)
})
