/** Proves the hints of `converge doctor` about ports, servers and programs of roles: triggers each, then follows it. */
import { type ChildProcess, spawn } from 'node:child_process'
import t, { type Test } from 'tap'
import { LocalHost } from '../../core/host/local.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import type { JsonObject } from '../../core/node/merge.ts'
import type { App } from '../../recipes/app/app.ts'
import { portChecks } from '../../recipes/checks/ports.ts'
import { serverChecks } from '../../recipes/checks/servers.ts'
import { supervisorCheck } from '../../recipes/checks/supervisor.ts'
import { checks as frontendChecks } from '../../recipes/frontend/checks.ts'
import jettyApp from '../../recipes/jetty_app/role.ts'
import { deployed } from '../support/fake_host.ts'
import { freePort, needs, scratch } from '../support/machine.ts'
import { findingOf, proveFindings } from '../support/resource_proofs.ts'
import { roleNode } from '../support/role_plans.ts'
import { until } from '../support/wait_until.ts'

/** Starts a separate process that listens on a port. */
async function listener(t: Test, port: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-e', `require('node:net').createServer().listen(${port}, '127.0.0.1')`])
  t.teardown(() => child.kill())
  const host = new LocalHost(scratch(t))
  await until(() => host.listening(port), 'it listens')
  return child
}

t.test('the hints about ports work', async (t) => {
  if (!needs(t, ['proc'])) return
  const source = 'recipes/checks/ports.ts'
  const port = await freePort()
  const child = await listener(t, port)
  const [host, empty] = [new LocalHost(scratch(t)), new VirtualHost()]
  const at = (ports: readonly number[]) =>
    findingOf(portChecks(roleNode({ port_app: { ports } }), host, ['port-app']), `port ${ports[0]}`)
  const both = (second: number) => {
    const node = roleNode({ port_app: { ports: [9090, 9091] }, jetty_app: { ports: [9092, second] } })
    return findingOf(portChecks(node, empty, ['port-app', 'jetty-app']), 'port 9091')
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

t.test('the hints about servers work', async (t) => {
  const source = 'recipes/checks/servers.ts'
  const host: VirtualHost = new VirtualHost({
    commands: ([program, , name = '']) =>
      program === 'getent' ? { status: host.readText('/etc/hosts')?.includes(` ${name}\n`) ? 0 : 2 } : null,
    requests: ({ port }) =>
      port === 8001 && host.stat('/srv/zeo') !== null ? { status: 200, headers: {}, body: '' } : null,
  })
  const node = roleNode({ plone_instances: { zeo: { address: 'zeo1:8001' } } })
  const check = () => findingOf(serverChecks(node, host, ['zeo-client']), 'server zeo1:8001')
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

t.test('the hints about supervisord work', async (t) => {
  const host = await deployed()
  const at = {
    supervisor: { socket: '/var/run/supervisor.sock', confDir: '/etc/supervisor/conf.d' },
    current: '/srv/www/site/current',
  } as App
  const check = () => supervisorCheck(host.machine, at).run()
  proveFindings(t, [
    {
      source: 'recipes/checks/supervisor.ts',
      hint: 'converge start',
      broken() {
        host.supervisor.endSupervisord(host.machine)
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

t.test('the hints about roles work', async (t) => {
  const clients = (status: string) =>
    roleNode({
      opsworks: {
        layers: { plone_instances: { instances: { web1: { hostname: 'web1', private_ip: '10.0.0.1', status } } } },
      },
    } as JsonObject)
  const host = new VirtualHost()
  const balancer = (status: string) => findingOf(frontendChecks(clients(status), host), 'servers of the balancer')
  const war = '/srv/app.war'
  const warCheck = async () => {
    const checks = (await jettyApp.checks?.(roleNode({ jetty_app: { war: { file: war } } }), host, ['jetty-app'])) ?? []
    return findingOf(checks, war)
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
