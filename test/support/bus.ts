/** Starts a bus with its control plane in this process, and agents of it. */
import { Agent } from '../../core/agent/agent.ts'
import { AgentDirectory } from '../../core/agent/agent_directory.ts'
import { enrol } from '../../core/agent/enrol.ts'
import { BusDirectory } from '../../core/bus/bus_directory.ts'
import { connectBus, type NatsConnection } from '../../core/bus/connection.ts'
import { type ControlPlane, startControlPlane } from '../../core/bus/control_plane.ts'
import { inboxPrefix } from '../../core/bus/subjects.ts'
import { freePort, type Owner, scratch } from './machine.ts'
import { natsServer } from './nats_server.ts'

export class TestBus {
  readonly log: string[] = []

  private constructor(
    readonly directory: BusDirectory,
    readonly control: ControlPlane,
    private readonly scratch: string,
    private readonly owner: Owner,
    log: string[],
  ) {
    this.log = log
  }

  static async start(t: Owner): Promise<TestBus> {
    const at = scratch(t)
    const directory = new BusDirectory(`${at}/bus`)
    await directory.prepare({
      stack: 'shop',
      listen: { host: '127.0.0.1', port: await freePort() },
      address: '127.0.0.1',
    })
    const log: string[] = []
    const options = { directory, program: natsServer() ?? '', log: (line: string) => log.push(line) }
    const control = await startControlPlane({ ...options, log: (line) => void log.push(line) })
    t.teardown(() => control.stop())
    return new TestBus(directory, control, at, t, log)
  }

  agentDirectory(host: string): AgentDirectory {
    return new AgentDirectory(`${this.scratch}/${host}`)
  }

  async enrol(host: string): Promise<AgentDirectory> {
    const directory = this.agentDirectory(host)
    await enrol(this.directory.invite(host, 60, Date.now()), directory)
    return directory
  }

  /** Starts the agent of an enrolled host. */
  startAgent(host: string): { readonly agent: Agent; readonly ended: Promise<void>; readonly log: readonly string[] } {
    const log: string[] = []
    const agent = new Agent({ directory: this.agentDirectory(host), version: '0', log: (line) => void log.push(line) })
    const ended = agent.run()
    this.owner.teardown(async () => {
      await agent.stop()
      await ended
    })
    return { agent, ended, log }
  }

  /** Connects with the keys of a host, as a program on it could. */
  async connectAs(host: string): Promise<NatsConnection> {
    const { address, port, certificate, seed } = this.agentDirectory(host).load()
    const connection = await connectBus({
      address,
      port,
      certificate,
      seed,
      name: host,
      inboxPrefix: inboxPrefix(host),
    })
    this.owner.teardown(() => connection.close())
    return connection
  }
}
