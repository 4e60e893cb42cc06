/** Proves the hints about balancers: triggers each on an in-memory host, then follows it. */
import t from 'tap'
import { VirtualHost } from '../../core/host/virtual.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { seconds } from '../../core/model/units.ts'
import { BalancerClient, BalancerReader } from '../../resources/balancer/haproxy_runtime.ts'
import { service_restart } from '../../resources/services/service_restart.ts'
import { FakeHaproxy } from '../support/fake_haproxy.ts'
import { FakeSupervisor } from '../support/fake_supervisor.ts'
import { proveCalls } from '../support/proofs.ts'
import { proveResources } from '../support/resource_proofs.ts'

const provider = { kind: 'supervisor' as const }
const confDir = '/etc/supervisor/conf.d'
const hasWeb = (host: VirtualHost): void => {
  host.given(`${confDir}/web.conf`, '[program:web]\ncommand=/srv/web\n')
}

t.test('the hints about balancers work', async (t) => {
  const socket = '/run/haproxy.sock'
  const backends = { site: ['c1', 'c2'] }
  const hosts = (level: 'admin' | 'operator', listening = true) =>
    new VirtualHost({
      exchanges: new FakeHaproxy([{ at: socket, backends, level, listening: () => listening }]).exchanges,
    })
  const drain = (host: VirtualHost, name = 'site/c1') =>
    new BalancerClient(host, { socket }).drain({ name, sticky: false, checked: true })
  const list = (host: VirtualHost, at = socket) => new BalancerReader(host, { socket: at }).servers()
  const asAccount = (uid: number) =>
    new VirtualHost({
      self: { name: 'jane', uid, gid: uid, home: '/', shell: '/bin/sh' },
      exchanges: (options, host) => {
        if (!host.isRoot) throw new ConvergeError('connect: permission denied', { code: 'EACCES' })
        return new FakeHaproxy([{ at: socket, backends }]).exchanges(options, host)
      },
    })
  const source = 'resources/balancer/haproxy_runtime.ts'
  const unreachable =
    'start haproxy (service haproxy start), or set the balancer to the path or address after "stats socket" in haproxy.cfg'
  proveCalls(t, [
    { source, hint: unreachable, broken: () => list(hosts('admin', false)), repaired: () => list(hosts('admin')) },
    {
      source,
      hint: unreachable,
      broken: () => list(hosts('admin'), '/run/other.sock'),
      repaired: () => list(hosts('admin')),
    },
    {
      source,
      hint: 'run converge as root, or let the account use the socket: set user, group or mode after "stats socket" in haproxy.cfg',
      broken: () => list(asAccount(1000)),
      repaired: () => list(asAccount(0)),
    },
    {
      source,
      hint: 'add "level admin" to the line "stats socket" of haproxy.cfg, then reload haproxy',
      broken: () => drain(hosts('operator')),
      repaired: () => drain(hosts('admin')),
    },
    {
      source,
      hint: 'correct the name: converge balancer list shows the servers of the balancer',
      broken: () => drain(hosts('admin'), 'site/c3'),
      repaired: () => drain(hosts('admin'), 'site/c2'),
    },
  ])

  const supervisor = new FakeSupervisor({ running: ['web'], programs: () => ({ port: 8081 }) })
  /** Decides whether the server has the page that the health check requests. */
  const healthy = (name: string, host: VirtualHost) =>
    name === 'site/other' || host.readText('/etc/haproxy/haproxy.cfg')?.includes('option httpchk GET /ok') === true
  const haproxy = new FakeHaproxy([{ at: socket, backends: { site: ['web', 'other'] }, tracking: true, healthy }])
  proveResources(t, [
    {
      source: 'resources/balancer/draining.ts',
      hint: 'compare the request of its health check (option httpchk in haproxy.cfg) with the answer of the server',
      part: true,
      host: { requests: supervisor.requests, exchanges: haproxy.exchanges },
      given: (host) => {
        hasWeb(host)
        host.given('/etc/haproxy/haproxy.cfg', 'option httpchk GET /typo\n')
      },
      broken: (r) =>
        service_restart(r, {
          services: [{ name: 'web', ready: { port: 8081 }, server: 'site/web' }],
          balancers: [{ socket }],
          provider,
          deadline: seconds(9),
        }),
      repair: (host) => host.given('/etc/haproxy/haproxy.cfg', 'option httpchk GET /ok\n'),
    },
  ])
})
