/** Proves the hints about supervisord and its programs: triggers each on an in-memory host, then follows it. */
import t from 'tap'
import { type RequestHandler, VirtualHost } from '../../core/host/virtual.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { service } from '../../resources/services/service.ts'
import { service_reload } from '../../resources/services/service_reload.ts'
import { SupervisorReader } from '../../resources/supervisor/client.ts'
import { supervisor_program } from '../../resources/supervisor/supervisor_program.ts'
import { type Behaviour, FakeSupervisor, type LoadedProgram } from '../support/fake_supervisor.ts'
import { proveCalls } from '../support/proofs.ts'
import { type Declare, proveResources } from '../support/resource_proofs.ts'

const socket = '/var/run/supervisor.sock'
const confDir = '/etc/supervisor/conf.d'
const provider = { kind: 'supervisor' as const }
const web: Declare = (r) => service(r, { name: 'web', provider })
const hasWeb = (host: VirtualHost): void => {
  host.given(`${confDir}/web.conf`, '[program:web]\ncommand=/srv/web\n').given('/srv/web', '#!/bin/sh\n', '0755')
}

t.test('the hints about the connection to supervisord work', async (t) => {
  const source = 'resources/supervisor/client.ts'
  const stopped = new FakeSupervisor({ up: false })
  const upgraded = new FakeSupervisor({ stopped: ['web'] })
  const old: RequestHandler = (options, host) =>
    host.readText('/usr/share/supervisor/version') === '2.2'
      ? {
          status: 200,
          headers: {},
          body: '<methodResponse><params><param><value>RUNNING</value></param></params></methodResponse>',
        }
      : upgraded.requests(options, host)
  const upgrade = (host: VirtualHost) => host.given('/usr/share/supervisor/version', '4.2.5')
  proveResources(t, [
    {
      source,
      hint: 'start it: service supervisor start, or supervisord -c FILE with its own configuration',
      host: { requests: stopped.requests },
      given: hasWeb,
      broken: web,
      repair: (host) => stopped.startSupervisord(host),
    },
    {
      source: 'resources/supervisor/answers.ts',
      hint: 'upgrade supervisor to 3.0 or later',
      host: { requests: old },
      given: (host) => {
        hasWeb(host)
        host.given('/usr/share/supervisor/version', '2.2')
      },
      broken: web,
      repair: upgrade,
    },
  ])

  const running = new FakeSupervisor({ running: ['web'] })
  const repaired = () => new SupervisorReader(new VirtualHost({ requests: running.requests }), socket).getState()
  const asAccount = (uid: number) => () => {
    const self = { name: 'jane', uid, gid: uid, home: '/', shell: '/bin/sh' }
    const requests: RequestHandler = (options, host) => {
      if (!host.isRoot) throw new ConvergeError('connect: permission denied', { code: 'EACCES' })
      return running.requests(options, host)
    }
    return new SupervisorReader(new VirtualHost({ self, requests }), socket).getAllProcessInfo()
  }
  proveCalls(t, [
    {
      source,
      hint: 'run converge as root, or as the account that supervisord runs as',
      broken: asAccount(1000),
      repaired: asAccount(0),
    },
    {
      source: 'resources/supervisor/xmlrpc.ts',
      hint: 'set the socket to file of [unix_http_server] in the configuration of supervisord',
      broken: () => {
        const other: RequestHandler = () => ({ status: 200, headers: {}, body: '{"name": "docker"}' })
        return new SupervisorReader(new VirtualHost({ requests: other }), '/run/docker.sock').getAllProcessInfo()
      },
      repaired,
    },
  ])
})

t.test('the hints about faults of supervisord work', async (t) => {
  const source = 'resources/supervisor/faults.ts'
  /** Finds the command of a program and opens its log, as supervisord does when it starts it. */
  const programs = (_: string, { config }: LoadedProgram, host: VirtualHost): Behaviour => {
    const option = (name: string) => new RegExp(`^${name}=(\\S+)`, 'm').exec(config)?.[1] ?? ''
    const command = host.stat(option('command'))
    if (command === null) return { fault: 20 }
    if (!/[1357]/.test(command.mode)) return { fault: 21 }
    const log = option('stdout_logfile')
    return log !== '' && host.stat(log.replace(/\/[^/]*$/, '')) === null ? { fault: 50 } : {}
  }
  const fake = new FakeSupervisor({ programs, stopped: ['web'] })
  const without = new FakeSupervisor({ confDir: '/srv/none' })
  const elsewhere = new FakeSupervisor({ confDir: '/srv/conf.d', stopped: ['web'] })
  const refuseWith =
    (fault: number, method: string, isBroken: (host: VirtualHost) => boolean): RequestHandler =>
    (options, host) =>
      options.body?.includes(`>supervisor.${method}`) && isBroken(host)
        ? {
            status: 200,
            headers: {},
            body: `<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>${fault}</int></value></member><member><name>faultString</name><value><string>REFUSED</string></value></member></struct></value></fault></methodResponse>`,
          }
        : fake.requests(options, host)
  const missing = { host: { requests: fake.requests }, broken: web }
  proveResources(t, [
    {
      source,
      ...missing,
      hint: 'install the program (converge.packages, or packages of the layer), or correct the first word of the command (such as port_app.command): supervisord looks for it at that path, or on its own PATH where it has no slash',
      given: (host) => host.given(`${confDir}/web.conf`, '[program:web]\ncommand=/srv/web\n'),
      repair: (host) => host.given('/srv/web', '#!/bin/sh\n', '0755'),
    },
    {
      source,
      ...missing,
      hint: 'make the command executable (chmod +x), and its directories accessible to the account of the program',
      given: (host) => {
        hasWeb(host)
        host.setMode('/srv/web', '0644')
      },
      repair: (host) => host.setMode('/srv/web', '0755'),
    },
    {
      source,
      ...missing,
      hint: 'read the log of supervisord (logfile in [supervisord]), correct the error there, then run again',
      given: (host) => {
        hasWeb(host)
        host.given(`${confDir}/web.conf`, '[program:web]\ncommand=/srv/web\nstdout_logfile=/var/log/web/out.log\n')
      },
      repair: (host) => host.given('/var/log/web', null),
    },
    {
      source,
      hint: 'add the directory of the .conf file to files in [include] of supervisord.conf, then run again',
      host: {
        requests: (options, host) => {
          const reads = host.readText('/etc/supervisor/supervisord.conf')?.includes('/srv/conf.d/*.conf')
          return (reads ? elsewhere : without).requests(options, host)
        },
      },
      given: (host) =>
        host
          .given('/srv/conf.d/web.conf', '[program:web]\ncommand=/srv/web\n')
          .given('/etc/supervisor/supervisord.conf', '[include]\nfiles = conf.d/*.conf\n'),
      broken: (r) => service(r, { name: 'web', provider }),
      repair: (host) =>
        host.given('/etc/supervisor/supervisord.conf', '[include]\nfiles = conf.d/*.conf /srv/conf.d/*.conf\n'),
    },
    {
      source,
      hint: 'wait until it has ended, start it (service supervisor start), then run again',
      host: { requests: refuseWith(6, '', (host) => host.lstat('/run/ending') !== null) },
      given: (host) => {
        hasWeb(host)
        host.given('/run/ending', '')
      },
      broken: web,
      repair: (host) => host.remove('/run/ending'),
    },
    {
      source,
      hint: 'correct the file that the message names, then run again; the running programs are not touched',
      host: {
        requests: refuseWith(
          92,
          'reloadConfig',
          (host) => !/^\[program:x\]\n(\w+=.*\n)*$/.test(host.readText(`${confDir}/x.conf`) ?? ''),
        ),
      },
      given: (host) => {
        hasWeb(host)
        host.given(`${confDir}/x.conf`, '[program:x]\ncommand\n')
      },
      broken: web,
      repair: (host) => host.given(`${confDir}/x.conf`, '[program:x]\ncommand=/bin/true\n'),
    },
    {
      source,
      hint: 'upgrade supervisor to 3.2 or later',
      host: {
        requests: refuseWith(1, 'signalProcess', (host) => host.readText('/usr/share/supervisor/version') === '3.1'),
      },
      given: (host) => {
        hasWeb(host)
        host.given('/usr/share/supervisor/version', '3.1')
      },
      broken: (r) => {
        web(r)
        service_reload(r, { name: 'web', provider })
      },
      repair: (host) => host.given('/usr/share/supervisor/version', '4.2.5'),
    },
  ])
})

t.test('the hints about programs work', async (t) => {
  const program: Declare = (r) => supervisor_program(r, { name: 'web', command: '/srv/web' })
  const foreign = (host: VirtualHost) => host.given(`${confDir}/web.conf`, '[program:web]\ncommand=/srv/other\n')
  const own = {
    source: 'resources/supervisor/managed_files.ts',
    hint: 'give the program another name, or move the file away: mv /etc/supervisor/conf.d/web.conf /etc/supervisor/conf.d/web.conf.old',
    given: foreign,
    broken: program,
  }
  let isKilled = false
  const stubborn = new FakeSupervisor({
    running: ['web'],
    programs: () => ({ stopAfter: isKilled ? 0 : 1e6 }),
  })
  proveResources(t, [
    { ...own, repair: (host) => host.rename(`${confDir}/web.conf`, `${confDir}/web.conf.old`) },
    { ...own, repaired: (r) => supervisor_program(r, { name: 'shop', command: '/srv/web' }) },
    {
      source: 'resources/supervisor/conflicting_definitions.ts',
      hint: 'remove [program:web] from /etc/supervisor/conf.d/old.conf: supervisord merges both, and the last file wins',
      given: (host) => host.given(`${confDir}/old.conf`, '[program:web]\ncommand=/srv/old\n'),
      broken: program,
      repair: (host) => host.given(`${confDir}/old.conf`, ''),
    },
    {
      source: 'resources/supervisor/conflicting_definitions.ts',
      hint: 'remove web from programs of [group:all] in /etc/supervisor/conf.d/old.conf: supervisord would know it as all:web only',
      given: (host) => host.given(`${confDir}/old.conf`, '[group:all]\nprograms=web,mail\n'),
      broken: program,
      repair: (host) => host.given(`${confDir}/old.conf`, '[group:all]\nprograms=mail\n'),
    },
    {
      source: 'resources/supervisor/remove_program.ts',
      hint: 'end its process: kill -9 $(supervisorctl -s unix:///var/run/supervisor.sock pid web)',
      host: { requests: stubborn.requests },
      given: (host) => host.given(`${confDir}/web.conf`, '; Written by converge; by hand.\n[program:web]\n'),
      broken: (r) => supervisor_program(r, { name: 'web', command: '/srv/web', absent: true }),
      repair: () => {
        isKilled = true
      },
    },
  ])
})
