/** Tests supervisor_cleanup: removing programs that an app no longer declares. */
import t from 'tap'
import type { VirtualHost } from '../../../core/host/virtual.ts'
import { VirtualHost as Host } from '../../../core/host/virtual.ts'
import { supervisor_cleanup } from '../../../resources/supervisor/supervisor_cleanup.ts'
import { supervisor_program } from '../../../resources/supervisor/supervisor_program.ts'
import { contract, failureOf, planOf, run } from '../../support/contract.ts'
import { FakeSupervisor } from '../../support/fake_supervisor.ts'

const confDir = '/etc/supervisor/conf.d'
const written = (name: string, app?: string) =>
  `; Written by converge${app === undefined ? '' : ` for ${app}`}; what is changed here by hand is lost.\n[program:${name}]\n`
const files = (host: VirtualHost) =>
  host
    .given(`${confDir}/site-client1.conf`, written('site-client1', 'site'))
    .given(`${confDir}/site-client2.conf`, written('site-client2', 'site'))
    .given(`${confDir}/site-worker.conf`, written('site-worker'))
    .given(`${confDir}/site-two-zeoserver.conf`, written('site-two-zeoserver', 'site-two'))
    .given(`${confDir}/site-own.conf`, '[program:site-own]\n; Written by converge for site;\n')
    .given(`${confDir}/site.conf.orig`, written('site', 'site'))

contract(t, supervisor_cleanup, [
  {
    name: 'removes only programs of the app',
    props: { app: 'site', keep: ['site-client1'] },
    given: files,
    host: { requests: new FakeSupervisor({ running: ['site-client1', 'site-client2', 'site-worker'] }).requests },
    then: (t, host) =>
      t.strictSame(host.list(confDir), [
        'site-client1.conf',
        'site-own.conf',
        'site-two-zeoserver.conf',
        'site-worker.conf',
        'site.conf.orig',
      ]),
  },
  {
    name: 'does nothing if there is no program to remove',
    props: { app: 'other', keep: [] },
    given: files,
    changes: [],
  },
])

t.test('keeps a program of another recipe, whatever its name', async (t) => {
  const fake = new FakeSupervisor({ running: ['site-worker', 'site-old'] })
  const host = new Host({ requests: fake.requests }).given(`${confDir}/site-old.conf`, written('site-old', 'site'))
  const plan = planOf((r) => {
    supervisor_program(r, { name: 'site-worker', command: '/bin/worker' })
    supervisor_program(r, { name: 'site-client1', command: '/bin/client', app: 'site' })
    supervisor_cleanup(r, { app: 'site', keep: ['site-client1'] })
  })
  t.equal(failureOf(await run(plan, host)), undefined)
  t.strictSame(host.list(confDir), ['site-client1.conf', 'site-worker.conf'])
  t.strictSame(fake.states(host), { 'site-worker': 'RUNNING' })
  t.equal((await run(plan, host)).outcome, 'unchanged')
})
