/** Proves the hints about services and their smoke tests: triggers each on an in-memory host, then follows it. */
import t from 'tap'
import type { CommandHandler, VirtualHost, VirtualOptions } from '../../core/host/virtual.ts'
import { seconds } from '../../core/model/units.ts'
import { file } from '../../resources/files/file.ts'
import { host_program } from '../../resources/packages/host_program.ts'
import { versioned_program } from '../../resources/packages/versioned_program.ts'
import { port_swap } from '../../resources/port_swap/port_swap.ts'
import { smoke_test } from '../../resources/releases/smoke_test.ts'
import { service } from '../../resources/services/service.ts'
import { service_reload } from '../../resources/services/service_reload.ts'
import { service_restart } from '../../resources/services/service_restart.ts'
import { systemd_unit } from '../../resources/services/systemd_unit.ts'
import { unit_command } from '../../resources/services/unit_command.ts'
import { FakeSupervisor } from '../support/fake_supervisor.ts'
import { type Declare, proveResources } from '../support/resource_proofs.ts'

const provider = { kind: 'supervisor' as const }
const confDir = '/etc/supervisor/conf.d'
const hasWeb = (host: VirtualHost): void => {
  host.given(`${confDir}/web.conf`, '[program:web]\ncommand=/srv/web\n')
}
/** A checking program that reports an error if the content of its file is `wrong`. */
const checkCommand: CommandHandler = (_, __, host) =>
  host.readText('/etc/web.conf') === 'wrong' ? { status: 2, stdout: '/etc/web.conf: line 1: wrong\n' } : {}
const correct = (host: VirtualHost) => host.given('/etc/web.conf', 'right')
const damaged = (host: VirtualHost): void => {
  hasWeb(host)
  host.given('/etc/web.conf', 'wrong')
}

t.test('the hint about a service that its socket starts works', async (t) => {
  /** A systemd with a service that runs again as soon as it has stopped, while its socket is there. */
  const systemd: CommandHandler = ([program, verb], _, host) => {
    if (program === 'journalctl') return { stdout: '' }
    const starts = Number(host.readText('/run/starts') ?? '7')
    if (verb === 'stop') host.given('/run/starts', host.lstat('/run/socket') === null ? '0' : `${starts + 1}`)
    if (verb !== 'show') return {}
    const active = starts > 0 ? 'active' : 'inactive'
    return {
      stdout: `Names=log.service\nLoadState=loaded\nActiveState=${active}\nUnitFileState=enabled\nMainPID=${starts}\nInvocationID=${starts}\nType=notify\n`,
    }
  }
  proveResources(t, [
    {
      source: 'resources/services/restart/service_restarter.ts',
      hint: 'stop what starts it as well, such as its socket: systemctl list-dependencies --reverse …',
      given: (host) => host.given('/run/systemd/system', null).given('/run/socket', ''),
      commands: systemd,
      broken: (r) => service(r, { name: 'log', action: 'stopped' }),
      repair: (host) => host.remove('/run/socket'),
    },
  ])
})

t.test('the hints about services of the system work', async (t) => {
  const source = 'resources/services/managers/system.ts'
  const unit = '/etc/systemd/system/web.service'
  /** A systemd with the units in /etc/systemd/system, where a link to /dev/null masks one. */
  const systemd: CommandHandler = ([program, verb], _, host) => {
    if (program === 'dpkg') host.given(unit, '[Service]\nExecStart=/srv/web\n')
    if (program === 'journalctl') return { stdout: '' }
    const isMasked = host.lstat(unit)?.kind === 'link'
    const text = isMasked ? '' : host.readText(unit)
    if (verb === 'show') {
      const active = host.lstat('/run/web') === null ? 'inactive' : 'active'
      const load = text === null ? 'not-found' : isMasked ? 'masked' : 'loaded'
      return {
        stdout: `Names=web.service\nLoadState=${load}\nActiveState=${active}\nUnitFileState=${isMasked ? 'masked' : 'enabled'}\nMainPID=7\nType=notify\n`,
      }
    }
    const refuse = (why: string) => ({ status: 1, stderr: `Failed to start web.service: Unit web.service ${why}.\n` })
    if ((verb === 'start' || verb === 'enable') && isMasked) return refuse('is masked')
    if (verb === 'start' && !text?.includes('ExecStart=/')) return refuse('has a bad unit file setting')
    if (verb === 'start') host.given('/run/web', '')
    return {}
  }
  const initScripts: CommandHandler = ([, , verb], _, host) => {
    if (verb === 'start') host.given('/run/web', '')
    return { status: host.lstat('/run/web') === null ? 3 : 0 }
  }
  const booted = (host: VirtualHost) => host.given('/run/systemd/system', null)
  const web: Declare = (r) => service(r, { name: 'web' })
  const common = { commands: systemd, broken: web }
  const masked = {
    ...common,
    source: 'resources/services/managers/masked_unit.ts',
    hint: 'run systemctl unmask web.service, or set action to stopped',
    given: (host: VirtualHost) => booted(host).given(unit, { link: '/dev/null' }),
  }
  proveResources(t, [
    {
      ...common,
      source,
      hint: 'declare its package with packages() before the service, or correct the name of the service',
      given: booted,
      repair: (host) => host.given(unit, '[Service]\nExecStart=/srv/web\n'),
    },
    {
      ...common,
      source,
      hint: 'declare its package with packages() before the service, or correct the name of the service',
      given: (host) => booted(host).given(unit, '[Service]\nExecStart=/srv/web\n'),
      broken: (r) => service(r, { name: 'wbe' }),
      repaired: web,
    },
    {
      ...common,
      source,
      hint: 'declare its package with packages() before the service, or correct the name of the service',
      commands: initScripts,
      repair: (host) => host.given('/etc/init.d/web', '#!/bin/sh\n', '0755'),
    },
    { ...masked, repair: (host) => host.given(unit, '[Service]\nExecStart=/srv/web\n') },
    { ...masked, repaired: (r) => service(r, { name: 'web', action: 'stopped' }) },
    {
      ...masked,
      broken: (r) => service(r, { name: 'web', enabled: true }),
      repair: (host) => host.given(unit, '[Service]\nExecStart=/srv/web\n'),
    },
    {
      ...common,
      source,
      hint: 'correct what systemctl status web.service shows, then run again',
      given: (host) => booted(host).given(unit, '[Service]\nExecStart=bin/web\n'),
      repair: (host) => host.given(unit, '[Service]\nExecStart=/srv/web\n'),
    },
  ])
})

const runsNode: Declare = (r) => host_program(r, { program: 'node', attribute: 'port_app.command' })
const setupInstalls: Declare = (r) =>
  host_program(r, { program: 'node', attribute: 'port_app.command', packages: 'deploy.shop.os_packages' })
const installsNode = (host: VirtualHost) => host.given('/usr/bin/node', '', '0755')
const hasShell = (host: VirtualHost) => host.given('/usr/bin/sh', '', '0755')
const runsShell: Declare = (r) => host_program(r, { program: 'sh', attribute: 'port_app.command' })
const shopRelease = '/srv/www/shop/releases/000001-1a2b3c4d'
const ofRelease =
  'commit bin/smoke with the mode of an executable (git add --chmod=+x), have the build create it, or correct deploy.shop.migrate_command'
const runsOfRelease =
  (program: string): Declare =>
  (r) =>
    host_program(r, { program, attribute: 'deploy.shop.migrate_command', release: shopRelease })

t.test('the hints about files of system packages work', async (t) => {
  const source = 'resources/services/unit_command.ts'
  const hint = 'declare its package with packages() before this, or correct the name of the unit'
  const command =
    (unit: string): Declare =>
    (r) =>
      unit_command(r, { unit, without: 'converge.conf' })
  const installed = (host: VirtualHost) =>
    host.given('/usr/lib/systemd/system/varnish.service', '[Service]\nExecStart=/usr/sbin/varnishd -F\n')
  proveResources(t, [
    { source, hint, broken: command('varnish.service'), repair: installed },
    { source, hint, given: installed, broken: command('vanish.service'), repaired: command('varnish.service') },
    {
      source: 'resources/packages/versioned_program.ts',
      hint: 'run setup first, or declare its package with packages() before this',
      broken: (r) => versioned_program(r, { path: '/usr/sbin/php-fpm' }),
      repair: (host) => host.given('/usr/sbin/php-fpm8.4', '', '0755'),
    },
    {
      source: 'resources/packages/host_program.ts',
      hint: 'install node on this host, or correct port_app.command',
      broken: runsNode,
      repair: installsNode,
    },
    {
      source: 'resources/packages/host_program.ts',
      hint: 'install node on this host, or correct port_app.command',
      given: hasShell,
      broken: runsNode,
      repaired: runsShell,
    },
    {
      source: 'resources/packages/host_program.ts',
      hint: 'add the package of node to deploy.shop.os_packages and run setup, or correct port_app.command',
      broken: setupInstalls,
      repair: installsNode,
    },
    {
      source: 'resources/packages/host_program.ts',
      hint: 'add the package of node to deploy.shop.os_packages and run setup, or correct port_app.command',
      given: hasShell,
      broken: setupInstalls,
      repaired: runsShell,
    },
    {
      source: 'resources/packages/host_program.ts',
      hint: ofRelease,
      given: (host) => host.given(`${shopRelease}/bin/smoke`, '', '0644'),
      broken: runsOfRelease('bin/smoke'),
      repair: (host) => host.given(`${shopRelease}/bin/smoke`, '', '0755'),
    },
    {
      source: 'resources/packages/host_program.ts',
      hint: ofRelease,
      given: (host) => host.given(`${shopRelease}/bin/test`, '', '0755'),
      broken: runsOfRelease('bin/smoke'),
      repaired: runsOfRelease('bin/test'),
    },
  ])
})

t.test('the hints about restarts and reloads work', async (t) => {
  let isHeld = true
  const supervisor = new FakeSupervisor({
    running: ['web'],
    programs: () => ({ port: 8081, holdsPort: isHeld ? 1e6 : 0 }),
  })
  const orphaned = new FakeSupervisor({
    running: ['nginx'],
    programs: () => ({ port: 8081, holdsPort: isHeld ? 1e6 : 0 }),
  })
  const free = () => {
    isHeld = false
  }
  const failing = new FakeSupervisor({
    running: ['web'],
    programs: (_, __, host) =>
      host.readText('/etc/web.conf') === 'wrong' ? { dies: { after: 1, as: 'FATAL' } } : { port: 8081 },
  })
  const restart =
    (when: string, name = 'web'): Declare =>
    (r) => {
      const changed = file(r, { path: '/srv/changed', content: when })
      service_restart(r, {
        services: [{ name, ready: { port: 8081 } }],
        provider,
        deadline: seconds(9),
        when: [changed],
      })
    }
  proveResources(t, [
    {
      source: 'resources/services/restart/service_restarter.ts',
      hint: "find the process with ss -ltnp 'sport = :8081' and end it, then run again",
      part: true,
      host: { requests: supervisor.requests },
      given: hasWeb,
      broken: restart('1'),
      repair: free,
    },
    {
      source: 'resources/services/restart/service_restarter.ts',
      hint: 'end the workers of the nginx whose master process was killed: kill -QUIT …; then run again',
      part: true,
      host: { requests: orphaned.requests },
      given: (host) => {
        isHeld = true
        host.given(`${confDir}/nginx.conf`, '[program:nginx]\ncommand=/usr/sbin/nginx\n')
        // The worker 43 has a master process.
        const processes = { 30: ['nginx: master process', 1], 43: ['nginx: worker process', 30], 44: ['sleep', 1] }
        const orphans = { 41: ['nginx: worker process', 1], 42: ['nginx: worker process', 1] }
        for (const [pid, [title, parent]] of Object.entries({ ...processes, ...orphans }))
          host.given(`/proc/${pid}/cmdline`, `${title}`).given(`/proc/${pid}/stat`, `${pid} (nginx) S ${parent} 1`)
      },
      broken: restart('1', 'nginx'),
      repair: free,
    },
    {
      source: 'resources/services/restart/service_restarter.ts',
      hint: "find the process with ss -ltnp 'sport = :8081' and end it, then run again",
      part: true,
      host: { requests: orphaned.requests },
      given: (host) => {
        isHeld = true
        host.given(`${confDir}/nginx.conf`, '[program:nginx]\ncommand=/usr/sbin/nginx\n')
      },
      broken: restart('1', 'nginx'),
      repair: free,
    },
    {
      source: 'resources/services/restart/restart_failure.ts',
      hint: "find the process with ss -ltnp 'sport = :8081' and end it, then run again; correct the cause, then run again: it continues with web",
      host: { requests: supervisor.requests },
      given: (host) => {
        isHeld = true
        hasWeb(host)
      },
      broken: restart('1'),
      repair: free,
    },
    {
      source: 'resources/services/restart/restart_failure.ts',
      hint: 'correct the cause, then run again: it continues with web',
      host: { requests: failing.requests },
      given: damaged,
      broken: restart('1'),
      repair: correct,
    },
    {
      source: 'resources/services/config_check.ts',
      hint: 'correct its configuration, then run again; it still runs with its current one',
      host: { requests: new FakeSupervisor({ running: ['web'] }).requests },
      commands: checkCommand,
      given: damaged,
      broken: (r) => service_reload(r, { name: 'web', provider, check: ['web', '-t'] }),
      repair: correct,
    },
  ])
})

t.test('the hints about a server that is replaced on another port work', async (t) => {
  let isStranger = true
  const supervisor = new FakeSupervisor({
    running: ['nginx'],
    programs: (name) => (name === 'shop-9090' || name === 'shop-9190' ? { port: Number(name.slice(5)) } : {}),
  })
  const taken: VirtualOptions['requests'] = (options, host) =>
    options.port === 9090 && isStranger
      ? { status: 200, headers: {}, body: 'a stranger' }
      : supervisor.requests(options, host)
  let status = 500
  const failRestart = () =>
    new FakeSupervisor({
      running: ['nginx'],
      programs: (name) =>
        name === 'nginx'
          ? {}
          : {
              port: Number(name.slice(5)),
              get status() {
                return status
              },
            },
    }).requests
  const shop =
    (ports: [number, number], more: { readonly attribute?: string; readonly logDir?: string } = {}): Declare =>
    (r) =>
      port_swap(r, {
        ...(more.logDir && { logDir: more.logDir }),
        ...(more.attribute && { ready: { path: '/ok', attribute: more.attribute } }),
        name: 'shop',
        ports,
        command: ['/srv/shop/server', '%{port}'],
        directory: '/srv/shop',
        upstream: { path: '/etc/nginx/conf.d/shop.conf', name: 'shop' },
        reload: { name: 'nginx', provider, check: ['nginx', '-t'] },
        deadline: seconds(20),
      })
  const given = (host: VirtualHost): void => {
    host.given('/etc/nginx/conf.d', null).given(`${confDir}/nginx.conf`, '[program:nginx]\n')
  }
  const port = {
    source: 'resources/port_swap/port_swap.ts',
    hint: "find the process with ss -ltnp 'sport = :9090' and end it, or give shop other ports; nothing was changed",
    host: { requests: taken },
    commands: checkCommand,
    given,
    broken: shop([9090, 9091]),
  }
  const unwell = (more: Parameters<typeof shop>[1]) => ({
    host: { requests: failRestart() },
    commands: checkCommand,
    given: (host: VirtualHost) => {
      given(host)
      status = 500
    },
    broken: shop([9090, 9091], more),
    repair: () => {
      status = 200
    },
  })
  const source = 'resources/services/restart/service_restarter.ts'
  proveResources(t, [
    { source, hint: 'read the log of the program for the cause', ...unwell({}) },
    {
      source,
      hint: 'read /var/log/shop-9090.log for the cause, or correct the path or the status in port_app.health',
      ...unwell({ logDir: '/var/log', attribute: 'port_app.health' }),
    },
    { ...port, repaired: shop([9190, 9191]) },
    {
      ...port,
      repair: () => {
        isStranger = false
      },
    },
    {
      source: 'resources/port_swap/web_server.ts',
      hint: 'correct the file that the output names, then run again; it still runs with its current configuration',
      host: { requests: supervisor.requests },
      commands: checkCommand,
      given: (host) => {
        given(host)
        host.given('/etc/web.conf', 'wrong')
      },
      broken: shop([9090, 9091]),
      repair: correct,
    },
  ])
})

t.test('the hints about smoke tests work', async (t) => {
  const source = 'resources/releases/smoke_test.ts'
  const hint = 'correct the app and deploy again, or roll back'
  const requests: VirtualOptions['requests'] = (_, host) => ({
    status: host.readText('/srv/current/app') === 'broken' ? 500 : 200,
    headers: {},
    body: 'Welcome',
  })
  const given = (host: VirtualHost): void => {
    host.given('/srv/1/app', 'sound').given('/srv/2/app', 'broken').given('/srv/current', { link: '/srv/2' })
  }
  const test =
    (release: string): Declare =>
    (r) =>
      smoke_test(r, {
        app: 'site',
        directory: `/srv/${release}`,
        requests: [{ port: 80, path: '/' }],
        deadline: seconds(3),
      })
  proveResources(t, [
    {
      source,
      hint,
      host: { requests },
      given,
      broken: test('2'),
      repair: (host) => host.given('/srv/3/app', 'sound').given('/srv/current', { link: '/srv/3' }),
      repaired: test('3'),
    },
    {
      source,
      hint,
      host: { requests },
      given,
      broken: test('2'),
      repair: (host) => host.given('/srv/current', { link: '/srv/1' }),
      repaired: test('1'),
    },
  ])
})

t.test('the hints about units of the recipe work', async (t) => {
  const source = 'resources/services/systemd_unit.ts'
  const path = '/etc/systemd/system/shop.service'
  const commands: CommandHandler = ([program, verb, ...words], _, host) => {
    const file = words.at(-1) ?? ''
    if (program === 'systemd-analyze' && host.readText(file)?.includes('Restrat'))
      return { status: 1, stderr: `${file}:2: Unknown key 'Restrat' in section [Service], ignoring.` }
    if (verb === 'enable') host.given('/etc/systemd/system/multi-user.target.wants/shop.service', { link: path })
    return {}
  }
  const given = (host: VirtualHost) => host.given('/usr/bin/systemd-analyze', '').given('/etc/systemd/system', null)
  const content = { Service: { ExecStart: '/srv/shop' } }
  const unit: Declare = (r) => systemd_unit(r, { name: 'shop.service', content })
  const common = { commands, given, broken: unit }
  proveResources(t, [
    {
      ...common,
      source,
      hint: 'run systemctl unmask shop.service, or remove the unit from the recipe',
      given: (host) => given(host).given(path, { link: '/dev/null' }),
      repair: (host) => host.remove(path),
    },
    {
      ...common,
      source,
      hint: 'add WantedBy=multi-user.target (for a timer timers.target, for a socket sockets.target) to [Install], or remove enabled',
      broken: (r) => systemd_unit(r, { name: 'shop.service', content, enabled: true }),
      repaired: (r) =>
        systemd_unit(r, {
          name: 'shop.service',
          content: { ...content, Install: { WantedBy: 'multi-user.target' } },
          enabled: true,
        }),
    },
    {
      ...common,
      source,
      hint: 'remove action from the unit, or declare it only on hosts with systemd',
      broken: (r) => systemd_unit(r, { name: 'shop.service', content, action: 'running' }),
      repaired: unit,
    },
    {
      ...common,
      source: 'resources/services/verify_unit.ts',
      hint: 'correct the lines; if only a later version of systemd knows them, set verify to false',
      broken: (r) => systemd_unit(r, { name: 'shop.service', content: { Service: { Restrat: true } } }),
      repaired: (r) =>
        systemd_unit(r, { name: 'shop.service', content: { Service: { Restrat: true } }, verify: false }),
    },
  ])
})
