/** Starts a bus with its control plane in this process, and agents of it. */
import { Agent } from '../../core/agent/agent.ts'
import { AgentDirectory } from '../../core/agent/agent_directory.ts'
import { enrol } from '../../core/agent/enrol.ts'
import type { OutputLimits } from '../../core/agent/journalled_command.ts'
import { BusDirectory } from '../../core/bus/bus_directory.ts'
import { connectBus, connectControl, type NatsConnection, type Streams, streamsOf } from '../../core/bus/connection.ts'
import { type ControlPlane, startControlPlane } from '../../core/bus/control_plane.ts'
import { commandStream, inboxPrefix } from '../../core/bus/subjects.ts'
import { type Owner, scratch } from './machine.ts'
import { freeBusPort, natsServer } from './nats_server.ts'

export class TestBus {
  readonly log: string[] = []
  private streams: Promise<Streams> | null = null

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
      listen: { host: '127.0.0.1', port: await freeBusPort() },
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
  startAgent(
    host: string,
    outputLimits?: OutputLimits,
  ): { readonly agent: Agent; readonly ended: Promise<void>; readonly log: readonly string[] } {
    const log: string[] = []
    const agent = new Agent({
      directory: this.agentDirectory(host),
      version: '0',
      log: (line) => void log.push(line),
      ...(outputLimits === undefined ? {} : { outputLimits }),
    })
    const ended = agent.run()
    this.owner.teardown(async () => {
      await agent.stop()
      await ended
    })
    return { agent, ended, log }
  }

  /** Counts the messages that the stream of commands has stored since it was made. */
  async storedMessages(): Promise<number> {
    const { manager } = await this.controlStreams()
    return (await manager.streams.info(commandStream)).state.last_seq
  }

  /** Sets how much the stream of commands can store. Bytes. */
  async limitStream(bytes: number): Promise<void> {
    const { manager } = await this.controlStreams()
    await manager.streams.update(commandStream, { max_bytes: bytes })
  }

  private controlStreams(): Promise<Streams> {
    this.streams ??= connectControl(this.directory, 'test').then(async (connection) => {
      this.owner.teardown(() => connection.close())
      return streamsOf(connection)
    })
    return this.streams
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
