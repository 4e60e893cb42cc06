/** Runs commands on hosts by their agents: the transport that replaces SSH where the stack file says so. */
import { randomBytes } from 'node:crypto'
import { PassThrough, Writable } from 'node:stream'
import type { BusDirectory, EnrolledHost } from '../../bus/bus_directory.ts'
import {
  commandLifetime,
  connectControl,
  ensureConsumer,
  ensureStream,
  type NatsConnection,
  type Streams,
  streamsOf,
} from '../../bus/connection.ts'
import { isSignedBy, type KeyPair, keyPairOf } from '../../bus/keys.ts'
import {
  type AnswerContent,
  answerContent,
  type InputContent,
  openSigned,
  type PongContent,
  pongContent,
  pongId,
} from '../../bus/protocol.ts'
import { openMessage, sealCommand, sealMessage } from '../../bus/sealing.ts'
import { type Subjects, subjectsOf } from '../../bus/subjects.ts'
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import type { RemoteProcess, SshTransport } from './ssh_transport.ts'

/** Milliseconds. */
const [pingMs, firstPingMs] = [3000, 250]

export interface AgentLimits {
  /** Until an agent must have answered the first time. Seconds. */
  readonly connect: number
  /** Without an answer, until a connection counts as lost. Seconds. */
  readonly silence: number
}

export const defaultAgentLimits: AgentLimits = { connect: 10, silence: 20 }

/** Bytes of input in one message. */
const partBytes = 256 * 1024

/** Shares between all connections to agents one connection to the bus, which ends with the last of them. */
export class AgentConnector {
  private bus: Promise<Bus> | null = null
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
    this.bus ??= Bus.connect(this.directory)
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

type Listener = (message: Uint8Array) => void

/** The connection of the control plane to its bus. */
class Bus {
  private readonly listeners = new Map<string, Set<Listener>>()
  private readonly reconnectListeners = new Set<() => void>()
  private prepared = new Map<string, Promise<void>>()
  private pending = new Set<Promise<unknown>>()

  private constructor(
    readonly connection: NatsConnection,
    private readonly streams: Streams,
    readonly stack: string,
    readonly keys: KeyPair,
    readonly subjects: Subjects,
  ) {
    connection.subscribe(subjects.answers, {
      callback: (error, { subject, data }) => {
        if (error === null) for (const listener of this.listeners.get(subject) ?? []) listener(data)
      },
    })
    void this.watch()
  }

  static async connect(directory: BusDirectory): Promise<Bus> {
    const { stack, control } = directory.settings()
    const connection = await connectControl(directory, 'rollout')
    return new Bus(connection, await streamsOf(connection), stack, await keyPairOf(control.seed), subjectsOf(stack))
  }

  private async watch(): Promise<void> {
    for await (const { type } of this.connection.status()) {
      if (type !== 'reconnect') continue
      // The bus may have lost what it stored.
      this.prepared.clear()
      for (const listener of this.reconnectListeners) listener()
    }
  }

  /** Creates the stream, and the consumer of a host, where they are missing. */
  prepare(host: string): Promise<void> {
    const known = this.prepared.get(host)
    if (known !== undefined) return known
    const work = ensureStream(this.streams, this.stack).then(() => ensureConsumer(this.streams, this.stack, host))
    this.prepared.set(host, work)
    work.catch(() => this.prepared.delete(host))
    return work
  }

  forget(host: string): void {
    this.prepared.delete(host)
  }

  on(subject: string, listener: Listener): () => void {
    const all = this.listeners.get(subject) ?? new Set()
    this.listeners.set(subject, all.add(listener))
    return () => {
      all.delete(listener)
      if (all.size === 0) this.listeners.delete(subject)
    }
  }

  onReconnect(listener: () => void): () => void {
    this.reconnectListeners.add(listener)
    return () => this.reconnectListeners.delete(listener)
  }

  /** Stores a message for a host; the server has written it to the disk when the promise resolves. */
  store(host: string, content: string): Promise<void> {
    const stored = this.streams.js.publish(this.subjects.command(host), content).then(() => undefined)
    this.pending.add(stored)
    const done = () => this.pending.delete(stored)
    stored.then(done, done)
    return stored
  }

  publish(subject: string, content: string): void {
    if (!this.connection.isClosed()) this.connection.publish(subject, content)
  }

  async close(): Promise<void> {
    // Among them may be the message that releases a lock.
    await Promise.race([Promise.allSettled(this.pending), new Promise((resolve) => setTimeout(resolve, 2000).unref())])
    await this.connection.close()
  }
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
    private readonly bus: Bus,
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
      bus.onReconnect(() => this.ping()),
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
    const process = new AgentProcess(bus, host.host, id, key, sealed, () => this.commands.delete(id))
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
    const ping = { nonce, commands: [...this.commands.keys()] }
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

/** Milliseconds after which a command that the agent does not know is sent again. */
const resendMs = 2500

interface ProcessEnd {
  readonly code: number | null
  readonly signal: string | null
}

/** A command on a host, whose streams survive a loss of the bus: what is missing is asked for again. */
class AgentProcess {
  readonly remote: RemoteProcess
  private readonly out = new PassThrough()
  private readonly err = new PassThrough()
  private readonly received = { out: 0, err: 0 }
  /** All input so far, in order: the bus may lose what it has stored. */
  private readonly inputs: { readonly at: number; readonly data: Buffer; readonly isLast: boolean }[] = []
  private inputBytes = 0
  private hasClosedInput = false
  private sentAt = 0
  private previous: PongContent['commands'][string] | undefined
  private isOver = false
  private resolveEnd: (end: ProcessEnd) => void = () => undefined
  private rejectEnd: (error: ConvergeError) => void = () => undefined
  private readonly forget: () => void

  constructor(
    private readonly bus: Bus,
    private readonly host: string,
    private readonly id: string,
    private readonly key: Buffer,
    private readonly sealed: string,
    private readonly over: () => void,
  ) {
    const ended = new Promise<ProcessEnd>((resolve, reject) => {
      this.resolveEnd = resolve
      this.rejectEnd = reject
    })
    ended.catch(() => undefined)
    this.forget = bus.on(bus.subjects.answer(host, id), (message) => this.onAnswer(message))
    const stdin = new Writable({
      write: (chunk: Buffer, _encoding, done) => this.sendInput(Buffer.from(chunk)).then(() => done(), done),
      final: (done) => this.sendPart(Buffer.alloc(0), true).then(() => done(), done),
    })
    this.remote = {
      stdin,
      stdout: this.out,
      stderr: this.err,
      ended,
      close: () => {
        if (!this.isOver) void this.tell({ kind: 'close' }).catch(() => undefined)
      },
    }
  }

  async start(): Promise<void> {
    this.sentAt = performance.now()
    try {
      await this.bus.store(this.host, this.sealed)
    } catch {
      // The bus is away, or has lost its streams: the next pong shows that the command is missing.
      this.bus.forget(this.host)
    }
  }

  /** Compares how far the host is with what has arrived, and repeats what is missing. */
  compare(state: PongContent['commands'][string] | undefined): void {
    if (this.isOver) return
    const { previous } = this
    this.previous = state
    if (state === undefined) {
      if (performance.now() - this.sentAt > resendMs) void this.startAgain()
      return
    }
    const isBehind = state.out > this.received.out || state.err > this.received.err || state.hasEnded
    // Something may be on its way: only what two answers in a row miss is lost.
    const isSame = previous !== undefined && previous.out === state.out && previous.err === state.err
    if (isBehind && isSame) void this.quietly(this.tell({ kind: 'resume', ...this.received }))
    const total = this.inputBytes
    if (previous !== undefined && previous.in === state.in && state.in < total)
      void this.quietly(this.repeatInput(state.in))
  }

  /** Ends it on this side. */
  lose(error: ConvergeError): void {
    if (this.isOver) return
    this.remote.close()
    this.finish(() => this.rejectEnd(error))
  }

  private async startAgain(): Promise<void> {
    await this.quietly(this.bus.prepare(this.host))
    await this.start()
    await this.quietly(this.repeatInput(0))
  }

  /** Whatever fails here shows in the next pong. */
  private async quietly(work: Promise<void>): Promise<void> {
    try {
      await work
    } catch {
      this.bus.forget(this.host)
    }
  }

  private async sendInput(data: Buffer): Promise<void> {
    for (let at = 0; at < data.length; at += partBytes) await this.sendPart(data.subarray(at, at + partBytes), false)
  }

  private async sendPart(data: Buffer, isLast: boolean): Promise<void> {
    if (this.hasClosedInput) return
    this.hasClosedInput = isLast
    const part = { at: this.inputBytes, data, isLast }
    this.inputs.push(part)
    this.inputBytes += data.length
    if (!this.isOver) await this.quietly(this.tellPart(part))
  }

  private async repeatInput(from: number): Promise<void> {
    for (const part of this.inputs) if (part.at + part.data.length > from || part.isLast) await this.tellPart(part)
  }

  private tellPart({ at, data, isLast }: { readonly at: number; readonly data: Buffer; readonly isLast: boolean }) {
    return this.tell({ kind: 'input', at, data: data.toString('base64'), isLast })
  }

  private tell(content: InputContent): Promise<void> {
    const input = Buffer.from(sealMessage(this.key, 'to host', content)).toString('base64')
    return this.bus.store(this.host, JSON.stringify({ id: this.id, input }))
  }

  private onAnswer(message: Uint8Array): void {
    if (this.isOver) return
    // A message that was not made with the key of the command is somebody else's.
    const answer = answerContent.safeParse(openMessage(this.key, 'from host', message))
    if (answer.success) this.onContent(answer.data)
  }

  private onContent(answer: AnswerContent): void {
    switch (answer.kind) {
      case 'acknowledged':
        return
      case 'out':
      case 'err': {
        const { kind } = answer
        const data = Buffer.from(answer.data, 'base64')
        const known = this.received[kind] - answer.at
        // A gap: the next pong shows it, and what is missing is asked for.
        if (known < 0 || known >= data.length) return
        this.received[kind] += data.length - known
        this[kind].write(data.subarray(known))
        return
      }
      case 'ended': {
        const { code, signal, out, err } = answer
        if (out > this.received.out || err > this.received.err) {
          void this.quietly(this.tell({ kind: 'resume', ...this.received }))
          return
        }
        // A command of an earlier agent, of whose end nobody knows: as when a connection is lost.
        if (signal === 'lost') return this.lose(agentRestarted(this.host))
        return this.finish(() => this.resolveEnd({ code, signal }))
      }
      case 'refused':
        return this.finish(() =>
          this.rejectEnd(
            new ConvergeError(`${this.host} refuses the command: ${answer.message}`, {
              code: answer.code,
              hint: 'run the command again',
            }),
          ),
        )
    }
  }

  private finish(settle: () => void): void {
    this.isOver = true
    this.forget()
    this.over()
    this.out.end()
    this.err.end()
    this.remote.stdin.destroy()
    settle()
  }
}

const agentRestarted = (host: string) =>
  new ConvergeError(`the agent of ${host} was started again while the command ran`, { code: 'CONNECTION_LOST' })
