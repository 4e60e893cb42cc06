/** Tests supervisord: starting it, and what prevents that. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { seconds } from '../../../core/model/units.ts'
import { supervisord } from '../../../resources/supervisor/supervisord.ts'
import { contract, failureOf, planOf, run } from '../../support/contract.ts'
import { FakeSupervisor } from '../../support/fake_supervisor.ts'

const config = '/etc/supervisor/supervisord.conf'

/** Makes a host where `supervisord -c` starts the fake. */
function hostWith(fake: FakeSupervisor, status = 0, logged = '') {
  return {
    requests: fake.requests,
    commands: (argv: readonly string[], _: unknown, host: Parameters<FakeSupervisor['startSupervisord']>[0]) => {
      if (argv.join(' ') !== `/usr/bin/supervisord -c ${config}`) return null
      if (status === 0) fake.startSupervisord(host)
      const log = '/var/log/supervisord.log'
      if (logged !== '') host.given(log, `${host.readText(log) ?? ''}${logged}`)
      return { status, stderr: status === 0 ? '' : 'Error: could not find config file' }
    },
  }
}

const silent = new FakeSupervisor({ up: false, socket: '/other.sock' })

contract(t, supervisord, [
  { name: 'leaves a running supervisord alone', props: { config }, host: hostWith(new FakeSupervisor()), changes: [] },
  {
    name: 'started',
    props: { config },
    host: hostWith(new FakeSupervisor({ up: false })),
    changes: ['replace /running = true'],
  },
  {
    name: 'stopped',
    props: { config, action: 'stopped' },
    host: hostWith(new FakeSupervisor({ running: ['a'] })),
    changes: ['replace /running = false'],
  },
  {
    name: 'leaves a stopped supervisord stopped',
    props: { config, action: 'stopped' },
    host: hostWith(new FakeSupervisor({ up: false })),
    changes: [],
  },
  {
    name: 'fails if the configuration is invalid',
    props: { config },
    host: hostWith(new FakeSupervisor({ up: false }), 2),
    fails: /could not find config file/,
  },
  {
    name: 'fails while another supervisord runs',
    props: { config, pidFile: '/run/supervisord.pid' },
    host: hostWith(new FakeSupervisor({ up: false })),
    given: (host) =>
      host.given('/run/supervisord.pid', '77\n').given('/proc/77/cmdline', '/usr/bin/python3\0/usr/bin/supervisord\0'),
    fails: /process 77.*does not answer at \/var\/run\/supervisor\.sock.*kill 77/s,
  },
  {
    name: 'starts despite a stale pid file',
    props: { config, pidFile: '/run/supervisord.pid' },
    host: hostWith(new FakeSupervisor({ up: false })),
    given: (host) => host.given('/run/supervisord.pid', '77\n').given('/proc/77/cmdline', '/bin/bash\0'),
    changes: ['replace /running = true'],
  },
  {
    name: 'fails if the socket does not appear',
    props: { config, deadline: seconds(5), log: '/var/log/supervisord.log' },
    host: hostWith(silent, 0, 'CRIT no socket\n'),
    given: (host) => host.given('/var/log/supervisord.log', 'an earlier start\n'),
    fails: /supervisord was not running within 5 s(?!.*earlier).*file=\/var\/run\/supervisor\.sock.*CRIT no socket/s,
  },
])

t.test('reports a changed configuration, and restarts nothing', async (t) => {
  const fake = new FakeSupervisor({ up: false })
  const host = new VirtualHost(hostWith(fake)).given(config, '[supervisord]\n')
  const once = async () => {
    const report = await run(
      planOf((r) => void supervisord(r, { config })),
      host,
    )
    t.equal(failureOf(report), undefined)
    return report
  }
  t.equal((await once()).outcome, 'changed')
  t.strictSame((await once()).warnings, [])
  host.given(config, '[supervisord]\nminfds = 9\n')
  for (let times = 0; times < 2; times++) {
    const report = await once()
    t.equal(report.outcome, 'unchanged')
    t.match(report.warnings, [
      /older \/etc\/supervisor\/supervisord\.conf.*\/usr\/bin\/supervisorctl -s unix:\S+ shutdown/,
    ])
  }
  fake.endSupervisord(host)
  await host.sleep(seconds(1))
  host.record('x', 'y')
  t.equal((await once()).outcome, 'changed')
  t.strictSame((await once()).warnings, [])
})
