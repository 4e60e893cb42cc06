/** Hints of `converge doctor` about the host: each finding is provoked, its remedy is followed, and the check succeeds. */
import { type ChildProcess, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import type { Finding, HostCheck } from '../../core/compile/inspection.ts'
import { LocalHost } from '../../core/host/local.ts'
import { VirtualHost, type VirtualOptions } from '../../core/host/virtual.ts'
import type { JsonObject } from '../../core/node/merge.ts'
import { diskCheck } from '../../recipes/checks/disk.ts'
import { hostChecks } from '../../recipes/checks/host.ts'
import { dropInOverride, overrideCheck, poolOverride } from '../../recipes/checks/overrides.ts'
import { portChecks } from '../../recipes/checks/ports.ts'
import { rightsCheck } from '../../recipes/checks/rights.ts'
import { serverChecks } from '../../recipes/checks/servers.ts'
import { supervisorCheck } from '../../recipes/checks/supervisor.ts'
import { checks as frontendChecks } from '../../recipes/frontend/checks.ts'
import jettyApp from '../../recipes/jetty_app/role.ts'
import type { AppLayout } from '../../recipes/releases/layout.ts'
import { deployed } from '../support/fake_host.ts'
import { HooksMachine } from '../support/hooks_machine.ts'
import { freePort, needs, scratch } from '../support/machine.ts'
import { proveFindings } from '../support/resource_proofs.ts'
import { roleNode } from '../support/role_plans.ts'
import { until } from '../support/waiting.ts'

async function finding(checks: readonly HostCheck[], what: string): Promise<Finding | null> {
  const check = checks.find((one) => one.what === what)
  if (check === undefined) throw new Error(`no check of ${what}: ${checks.map((one) => one.what).join(', ')}`)
  return check.run()
}

t.test('disk space', async (t) => {
  if (!needs(t, ['root', 'tmpfs'])) return
  const host = new LocalHost(scratch(t))
  const run = (...argv: string[]) => host.run(argv)
  const disk = async (options: string, name = 'disk') => {
    const at = `${fs.realpathSync(scratch(t))}/${name}`
    fs.mkdirSync(at)
    await run('mount', '-t', 'tmpfs', '-o', options, 'none', at)
    t.teardown(() => run('umount', at))
    return { at, check: () => diskCheck(host, [at]).run() }
  }
  const space = await disk('size=1030m')
  const inodes = await disk('size=1100m,nr_inodes=10050')
  const closed = await disk('size=1100m', 'a disk')
  const source = 'recipes/checks/disk.ts'
  proveFindings(t, [
    {
      source,
      hint: 'free some space; du -xm … | sort -n | tail lists the largest directories',
      broken() {
        fs.mkdirSync(`${space.at}/large`)
        fs.writeFileSync(`${space.at}/large/file`, Buffer.alloc(16 * 1024 * 1024))
        return space.check()
      },
      async repaired() {
        const { stdout } = await run('sh', '-c', `du -xm ${space.at} | sort -n | tail`)
        t.match(stdout, /^16\t.*\/large$/m)
        fs.rmSync(`${space.at}/large`, { recursive: true })
        return space.check()
      },
    },
    {
      source,
      hint: 'remove files; du --inodes -x … | sort -n | tail lists the directories with the most',
      broken() {
        fs.mkdirSync(`${inodes.at}/many`)
        for (let number = 0; number < 100; number++) fs.writeFileSync(`${inodes.at}/many/${number}`, '')
        return inodes.check()
      },
      async repaired() {
        const { stdout } = await run('sh', '-c', `du --inodes -x ${inodes.at} | sort -n | tail`)
        t.match(stdout, /^101\t.*\/many$/m)
        fs.rmSync(`${inodes.at}/many`, { recursive: true })
        return inodes.check()
      },
    },
    {
      source,
      hint: "check dmesg for errors of the disk, then run: mount -o remount,rw '…/a disk'",
      async broken() {
        await run('mount', '-o', 'remount,ro', closed.at)
        return closed.check()
      },
      async repaired() {
        await run('mount', '-o', 'remount,rw', closed.at)
        return closed.check()
      },
    },
  ])
})

t.test('clock and hooks', async (t) => {
  const source = 'recipes/checks/host.ts'
  const clock = new VirtualHost()
  const clockFinding = async () => finding(await hostChecks(roleNode({}), clock, []), 'clock')
  const machine = new HooksMachine('systemd')
  const hookFinding = async () => finding(await hostChecks(roleNode({}), machine.host, []), 'lifecycle hooks')
  proveFindings(t, [
    {
      source,
      hint: 'synchronize the clock (timedatectl set-ntp true), or set it (date --set)',
      broken: clockFinding,
      repaired() {
        clock.clock = Date.UTC(2026, 0, 1) / 1000
        return clockFinding()
      },
    },
    {
      source,
      hint: 'run converge hooks install again, with the same options',
      async broken() {
        await machine.run('hooks_install')
        machine.host.remove('/etc/systemd/system/converge-shutdown.service')
        return hookFinding()
      },
      async repaired() {
        await machine.run('hooks_install')
        return hookFinding()
      },
    },
    {
      source,
      hint: 'run converge hooks install again, with the same options',
      broken() {
        machine.active.delete('converge-configure.timer')
        machine.host.forgetAnswers()
        return hookFinding()
      },
      async repaired() {
        await machine.run('hooks_install')
        return hookFinding()
      },
    },
    {
      source,
      hint: 'find the cause with converge status, correct it, then run: systemctl start converge-configure.service',
      broken() {
        machine.results.set('converge-configure.service', 'exit-code')
        machine.host.forgetAnswers()
        return hookFinding()
      },
      async repaired() {
        await machine.host.run(['systemctl', 'start', 'converge-configure.service'])
        return hookFinding()
      },
    },
  ])
})

t.test('files of others', async (t) => {
  const source = 'recipes/checks/overrides.ts'
  const pools = '/etc/php/8.2/fpm/pool.d'
  const host = new VirtualHost().given(`${pools}/shop.conf`, '[shop]\n').given(`${pools}/zz.conf`, '[zz]\n[shop]\n')
  const unit = '/etc/systemd/system/varnish.service.d'
  const dropIn = (name: string, text: string) => host.given(`${unit}/${name}`, text)
  dropIn('converge.conf', '[Service]\nExecStart=\nExecStart=/x\n')
  dropIn('override.conf', '[Service]\nLimitNOFILE=9\nExecStart=\nExecStart=/y\n')
  const pool = () => overrideCheck('pool', () => poolOverride(host, `${pools}/shop.conf`, 'shop')).run()
  const varnish = () => overrideCheck('unit', () => dropInOverride(host, 'varnish.service', 'converge.conf')).run()
  proveFindings(t, [
    {
      source,
      hint: 'remove [shop] from /etc/php/8.2/fpm/pool.d/zz.conf: php-fpm merges both pools, and the last file wins',
      broken: pool,
      repaired() {
        host.given(`${pools}/zz.conf`, '[zz]\n')
        return pool()
      },
    },
    {
      source,
      hint: 'remove ExecStart from /etc/systemd/system/varnish.service.d/override.conf: systemd would run its command',
      broken: varnish,
      repaired() {
        dropIn('override.conf', '[Service]\nLimitNOFILE=9\n')
        return varnish()
      },
    },
  ])
})

/** A process of its own that listens at a port. */
async function listener(t: Test, port: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-e', `require('node:net').createServer().listen(${port}, '127.0.0.1')`])
  t.teardown(() => child.kill())
  const host = new LocalHost(scratch(t))
  await until(() => host.listening(port), 'it listens')
  return child
}

t.test('ports', async (t) => {
  if (!needs(t, ['proc'])) return
  const source = 'recipes/checks/ports.ts'
  const port = await freePort()
  const child = await listener(t, port)
  const [host, empty] = [new LocalHost(scratch(t)), new VirtualHost()]
  const at = (ports: readonly number[]) =>
    finding(portChecks(roleNode({ port_app: { ports } }), host, ['port-app']), `port ${ports[0]}`)
  const both = (second: number) => {
    const node = roleNode({ port_app: { ports: [9090, 9091] }, jetty_app: { ports: [9092, second] } })
    return finding(portChecks(node, empty, ['port-app', 'jetty-app']), 'port 9091')
  }
  const other = await freePort()
  const hint = 'stop that program (kill …), or give port_app another port in the attributes'
  proveFindings(t, [
    {
      source,
      hint: 'give one of them another port in the attributes',
      broken: () => both(9091),
      repaired: () => both(9093),
    },
    { source, hint, broken: () => at([port, 1]), repaired: () => at([other, 1]) },
    {
      source,
      hint,
      broken: () => at([port, 1]),
      async repaired() {
        const ended = new Promise((resolve) => child.once('exit', resolve))
        child.kill()
        await ended
        return at([port, 1])
      },
    },
  ])
})

t.test('rights', async (t) => {
  const source = 'recipes/checks/rights.ts'
  const self = { name: 'ann', uid: 1000, gid: 1000, home: '/home/ann', shell: '/bin/sh' }
  const check = (options: VirtualOptions, json: JsonObject = {}, sudo = false) => {
    const host = new VirtualHost(options).given('/home/ann', null, '0755', 'ann')
    if (sudo) host.given('/usr/bin/sudo', '', '0755')
    return rightsCheck(roleNode(json), host, '/home/ann/site').run()
  }
  const prefix = { converge: { prefix: '/home/ann' } }
  proveFindings(t, [
    {
      source,
      hint: 'run as root, or give --prefix DIR',
      broken: () => check({ self }),
      repaired: () => check({}),
    },
    {
      source,
      hint: 'run as root (sudo converge ...), or give --prefix DIR',
      broken: () => check({ self }, {}, true),
      repaired: () => check({ self }, prefix, true),
    },
  ])
})

t.test('servers', async (t) => {
  const source = 'recipes/checks/servers.ts'
  const host: VirtualHost = new VirtualHost({
    commands: ([program, , name = '']) =>
      program === 'getent' ? { status: host.readText('/etc/hosts')?.includes(` ${name}\n`) ? 0 : 2 } : null,
    requests: ({ port }) =>
      port === 8001 && host.stat('/srv/zeo') !== null ? { status: 200, headers: {}, body: '' } : null,
  })
  const node = roleNode({ plone_instances: { zeo: { address: 'zeo1:8001' } } })
  const check = () => finding(serverChecks(node, host, ['zeo-client']), 'server zeo1:8001')
  host.given('/srv/zeo', '')
  proveFindings(t, [
    {
      source,
      hint: 'correct the name in the attributes, or add zeo1 to DNS or /etc/hosts',
      broken: check,
      repaired() {
        host.given('/etc/hosts', '10.0.0.1 zeo1\n')
        return check()
      },
    },
    {
      source,
      hint: 'start the server on zeo1, and open port 8001 in its firewall for this host',
      broken() {
        host.remove('/srv/zeo')
        return check()
      },
      repaired() {
        host.given('/srv/zeo', '')
        return check()
      },
    },
  ])
})

t.test('supervisord', async (t) => {
  const host = await deployed()
  const at = {
    supervisor: { socket: '/var/run/supervisor.sock', confDir: '/etc/supervisor/conf.d' },
    current: '/srv/www/site/current',
  } as AppLayout
  const check = () => supervisorCheck(host.machine, at).run()
  proveFindings(t, [
    {
      source: 'recipes/checks/supervisor.ts',
      hint: 'converge start',
      broken() {
        host.supervisor.die(host.machine)
        host.machine.forgetAnswers()
        return check()
      },
      async repaired() {
        await host.run(['start'])
        return check()
      },
    },
  ])
})

t.test('roles', async (t) => {
  const clients = (status: string) =>
    roleNode({
      opsworks: {
        layers: { plone_instances: { instances: { web1: { hostname: 'web1', private_ip: '10.0.0.1', status } } } },
      },
    } as JsonObject)
  const host = new VirtualHost()
  const balancer = (status: string) => finding(frontendChecks(clients(status), host), 'servers of the balancer')
  const war = '/srv/app.war'
  const warCheck = async () => {
    const checks = (await jettyApp.checks?.(roleNode({ jetty_app: { war: { file: war } } }), host, ['jetty-app'])) ?? []
    return finding(checks, war)
  }
  proveFindings(t, [
    {
      source: 'recipes/frontend/checks.ts',
      hint: 'add the hosts of the clients to opsworks.layers.plone_instances.instances, each with "status": "online"',
      broken: () => balancer('stopped'),
      repaired: () => balancer('online'),
    },
    {
      source: 'recipes/jetty_app/role.ts',
      hint: 'copy the war to this path, or correct jetty_app.war.file',
      broken: warCheck,
      repaired() {
        host.given(war, 'PK')
        return warCheck()
      },
    },
  ])
})
