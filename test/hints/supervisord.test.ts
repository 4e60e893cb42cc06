/**
 * Proves the hints about a supervisord that does not start or stop: triggers each on an in-memory host, then follows
 * it.
 */
import t from 'tap'
import type { RequestHandler, VirtualHost } from '../../core/host/virtual.ts'
import { seconds } from '../../core/model/units.ts'
import { supervisord } from '../../resources/supervisor/supervisord.ts'
import { FakeSupervisor } from '../support/fake_supervisor.ts'
import { type Declare, proveResources } from '../support/resource_proofs.ts'

t.test('the hints about supervisord work', async (t) => {
  const source = 'resources/supervisor/supervisord.ts'
  const config = '/srv/site/supervisord.conf'
  const named = '/srv/site/supervisor.sock'
  const fake = new FakeSupervisor({ up: false, socket: named })
  /** Creates the socket that the configuration names. */
  const commands = (argv: readonly string[], _: unknown, host: VirtualHost) => {
    if (argv.join(' ') !== `/usr/bin/supervisord -c ${config}`) return null
    if (host.readText(config)?.includes(`file=${named}\n`)) fake.startSupervisord(host)
    return { status: 0, stdout: '', stderr: '' }
  }
  const ours = { commands, host: { requests: fake.requests } }
  let stopAfter = 1e6
  const slow = new FakeSupervisor({ running: ['web'] })
  const endOnShutdown: RequestHandler = (options, host) => {
    const since = host.readText('/run/ending')
    if (options.body?.includes('supervisor.shutdown')) host.given('/run/ending', `${host.clock}`)
    if (since === null) return slow.requests(options, host)
    return host.clock - Number(since) < stopAfter
      ? {
          status: 200,
          headers: {},
          body: '<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>6</int></value></member><member><name>faultString</name><value><string>SHUTDOWN_STATE</string></value></member></struct></value></fault></methodResponse>',
        }
      : null
  }
  const stop =
    (deadline: number): Declare =>
    (r) =>
      supervisord(r, { config, action: 'stopped', deadline: seconds(deadline) })
  const slowStop = {
    source,
    hint: 'wait until its programs have ended, or set a longer deadline, then run again',
    host: { requests: endOnShutdown },
    given: (host: VirtualHost) => host.given(config, ''),
    broken: stop(5),
  }
  proveResources(t, [
    {
      ...ours,
      source,
      hint: 'set file=/srv/site/supervisor.sock in [unix_http_server] of /srv/site/supervisord.conf, and correct the errors that its log shows',
      given: (host) => host.given(config, '[unix_http_server]\nfile=/tmp/other.sock\n'),
      broken: (r) => supervisord(r, { config, socket: named, deadline: seconds(5) }),
      repair: (host) => host.given(config, `[unix_http_server]\nfile=${named}\n`),
    },
    {
      ...ours,
      source,
      hint: 'end it with all its programs (kill 77), then run again: a second supervisord would start every program twice',
      given: (host) =>
        host
          .given(config, `[unix_http_server]\nfile=${named}\n`)
          .given('/run/supervisord.pid', '77\n')
          .given('/proc/77/cmdline', '/usr/bin/python3\0/usr/bin/supervisord\0'),
      broken: (r) => supervisord(r, { config, socket: named, pidFile: '/run/supervisord.pid' }),
      repair: (host) => host.remove('/proc/77'),
    },
    { ...slowStop, repair: (host) => (host.clock += 1e6) },
    {
      ...slowStop,
      repair: (host) => {
        stopAfter = 20
        host.given('/run/ending', `${host.clock}`)
      },
      repaired: stop(60),
    },
  ])
})
