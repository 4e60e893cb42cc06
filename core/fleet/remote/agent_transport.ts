/** Runs commands on hosts by their agents: the transport that replaces SSH where the stack file says so. */
import { randomBytes } from 'node:crypto'
import type { BusDirectory, EnrolledHost } from '../../bus/bus_directory.ts'
import { commandLifetime } from '../../bus/connection.ts'
import { isSignedBy } from '../../bus/keys.ts'
import { openSigned, pongContent, pongId } from '../../bus/protocol.ts'
import { sealCommand } from '../../bus/sealing.ts'
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import { AgentProcess } from './agent_process.ts'
import { ControlBus } from './control_bus.ts'
import type { RemoteProcess, SshTransport } from './ssh_transport.ts'

/** Milliseconds. */
const [pingMs, firstPingMs] = [3000, 250]

/** Bytes that Linux accepts as one argument. */
const longestCommand = 128 * 1024 - 1

export interface AgentLimits {
  /** Until an agent must have answered the first time. Seconds. */
  readonly connect: number
  /** Without an answer, until a connection counts as lost. Seconds. */
  readonly silence: number
}

export const defaultAgentLimits: AgentLimits = { connect: 10, silence: 20 }

/** Shares between all connections to agents one connection to the bus, which ends with the last of them. */
export class AgentConnector {
  private bus: Promise<ControlBus> | null = null
  private users = 0

  constructor(
    private readonly directory: BusDirectory,
    private readonly limits: AgentLimits = defaultAgentLimits,
  ) {}

  /**
   * @param host name in the stack file
   * @throws NOT_ENROLLED, CONNECT_FAILED
   */
  async open(host: string): Promise<SshTransport> {
    const enrolled = this.directory.host(host)
    if (enrolled === null)
      throw new ConvergeError(`no agent is enrolled for ${host}`, {
        code: 'NOT_ENROLLED',
        hint: `run converge agent invite ${host} here, and converge agent enrol TOKEN on the host`,
        usage: true,
      })
    this.users++
    this.bus ??= ControlBus.connect(this.directory)
    try {
      const bus = await this.bus
      await bus.prepare(host)
      const transport = new AgentTransport(bus, enrolled, this.directory, this.limits, () => this.release())
      await transport.greet()
      return transport
    } catch (thrown) {
      await this.release()
      throw connectFailed(host, thrown)
    }
  }

  private async release(): Promise<void> {
    this.users--
    if (this.users > 0 || this.bus === null) return
    const { bus } = this
    this.bus = null
    await (await bus.catch(() => null))?.close()
  }
}

function connectFailed(host: string, thrown: unknown): ConvergeError {
  const error = asConvergeError(thrown)
  if (error.code === 'CONNECT_FAILED' || error.usage) return error
  return new ConvergeError(`cannot reach the agent of ${host}: the bus does not answer: ${error.message}`, {
    code: 'CONNECT_FAILED',
    hint: 'check that the control plane of the stack is running: converge control',
    cause: thrown,
  })
}

class AgentTransport implements SshTransport {
  readonly closed: Promise<ConvergeError | null>
  private settle: (end: ConvergeError | null) => void = () => undefined
  private end: ConvergeError | null | undefined
  private readonly commands = new Map<string, AgentProcess>()
  /** Number of the rollout that has locked the host, which only rises; null for other commands. */
  private revision: number | null = null
  private lastPong = performance.now()
  private readonly nonces = new Set<string>()
  private hasAnswered: () => void = () => undefined
  private readonly timer: NodeJS.Timeout
  private readonly forget: (() => void)[]

  constructor(
    private readonly bus: ControlBus,
    private readonly host: EnrolledHost,
    private readonly directory: BusDirectory,
    private readonly limits: AgentLimits,
    private readonly released: () => Promise<void>,
  ) {
    this.closed = new Promise((resolve) => {
      this.settle = resolve
    })
    this.forget = [
      bus.on(bus.subjects.answer(host.host, pongId), (message) => void this.onPong(message)),
      bus.onReconnect(() => {
        for (const command of this.commands.values()) command.onReconnect()
        this.ping()
      }),
    ]
    this.timer = setInterval(() => this.onTimer(), pingMs)
  }

  /** @throws CONNECT_FAILED where the agent does not answer */
  async greet(): Promise<void> {
    const { connect } = this.limits
    const answered = new Promise<boolean>((resolve) => {
      this.hasAnswered = () => resolve(true)
      setTimeout(() => resolve(false), connect * 1000).unref()
    })
    const retry = setInterval(() => this.ping(), firstPingMs)
    this.ping()
    const isThere = await answered
    clearInterval(retry)
    if (isThere) return
    this.stop()
    throw new ConvergeError(`the agent of ${this.host.host} has not answered for ${connect} s`, {
      code: 'CONNECT_FAILED',
      hint: 'check the service on the host: systemctl status converge-agent, journalctl -u converge-agent',
    })
  }

  fence(): void {
    this.revision = this.directory.nextRevision()
  }

  async exec(command: string): Promise<RemoteProcess> {
    if (this.end !== undefined) throw this.end ?? closedHere()
    if (Buffer.byteLength(command) > longestCommand)
      throw new ConvergeError(`a command for ${this.host.host} is longer than ${longestCommand} bytes`, {
        code: 'COMMAND_TOO_LONG',
        hint: 'put the commands into a file on the host, and run that file',
        usage: true,
      })
    const { bus, host, revision } = this
    const id = randomBytes(16).toString('hex')
    const key = randomBytes(32)
    const content = {
      id,
      stack: bus.stack,
      host: host.host,
      command,
      key: key.toString('base64'),
      lifetime: commandLifetime,
      revision,
    }
    const sealed = await sealCommand(content, host.recipient, bus.keys)
    const process = new AgentProcess(bus, host.host, id, key, sealed, {
      over: () => this.commands.delete(id),
      onTaken: () => this.ping(),
    })
    this.commands.set(id, process)
    await process.start()
    return process.remote
  }

  close(): void {
    this.finish(null)
  }

  private onTimer(): void {
    const silentMs = performance.now() - this.lastPong
    if (silentMs > this.limits.silence * 1000)
      return this.finish(
        new ConvergeError(
          `the connection to ${this.host.host} was lost: its agent has been silent for ${Math.round(silentMs / 1000)} s`,
          {
            code: 'CONNECTION_LOST',
          },
        ),
      )
    this.ping()
  }

  private ping(): void {
    const nonce = randomBytes(12).toString('hex')
    this.nonces.add(nonce)
    if (this.nonces.size > 100) this.nonces.delete([...this.nonces][0] ?? '')
    const commands = Object.fromEntries([...this.commands].map(([id, { taken }]) => [id, taken]))
    const ping = { nonce, commands }
    this.bus.publish(this.bus.subjects.wake(this.host.host), JSON.stringify(ping))
  }

  private async onPong(message: Uint8Array): Promise<void> {
    const text = Buffer.from(message).toString('utf8')
    const isSigned = (content: Uint8Array, signature: Uint8Array) => isSignedBy(this.host.key, content, signature)
    const pong = await openSigned(text, 'pong', pongContent, isSigned)
    // Each process that talks to the host pings it, and gets all pongs.
    if (pong === null || !this.nonces.delete(pong.nonce)) return
    this.lastPong = performance.now()
    this.hasAnswered()
    for (const [id, command] of this.commands) command.compare(pong.commands[id])
  }

  private finish(end: ConvergeError | null): void {
    if (this.end !== undefined) return
    this.stop()
    this.end = end
    for (const command of this.commands.values()) command.lose(end ?? closedHere())
    this.settle(end)
    void this.released()
  }

  private stop(): void {
    clearInterval(this.timer)
    for (const forget of this.forget) forget()
  }
}

const closedHere = () => new ConvergeError('the connection was closed here', { code: 'CONNECTION_LOST' })
