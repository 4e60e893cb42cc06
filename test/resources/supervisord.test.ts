import t from 'tap'
import { seconds } from '../../core/model/units.ts'
import { supervisord } from '../../resources/supervisord.ts'
import { contract } from '../support/contract.ts'
import { FakeSupervisor } from '../support/fake_supervisor.ts'

const config = '/etc/supervisor/supervisord.conf'

/** A host where `supervisord -c` brings up what the fake stands for. */
function hostWith(fake: FakeSupervisor, status = 0) {
  return {
    requests: fake.requests,
    commands: (argv: readonly string[], _: unknown, host: Parameters<FakeSupervisor['startSupervisord']>[0]) => {
      if (argv.join(' ') !== `/usr/bin/supervisord -c ${config}`) return null
      if (status === 0) fake.startSupervisord(host)
      return { status, stderr: status === 0 ? '' : 'Error: could not find config file' }
    },
  }
}

const silent = new FakeSupervisor({ up: false, socket: '/other.sock' })

contract(t, supervisord, [
  { name: 'runs already', props: { config }, host: hostWith(new FakeSupervisor()), changes: [] },
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
    name: 'stopped already',
    props: { config, action: 'stopped' },
    host: hostWith(new FakeSupervisor({ up: false })),
    changes: [],
  },
  {
    name: 'a configuration it does not take',
    props: { config },
    host: hostWith(new FakeSupervisor({ up: false }), 2),
    fails: /could not find config file/,
  },
  {
    name: 'a socket that does not come',
    props: { config, deadline: seconds(5), log: '/var/log/supervisord.log' },
    host: hostWith(silent),
    given: (host) => host.given('/var/log/supervisord.log', 'CRIT no socket\n'),
    fails: /supervisord was not running within 5 s.*file=\/var\/run\/supervisor\.sock.*CRIT no socket/s,
  },
])
