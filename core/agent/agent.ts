/** The agent of a host: takes its commands from the bus, runs each once, and answers as often as it is asked. */
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  commandLifetime,
  connectBus,
  fetchedMessages,
  type JsMsg,
  type NatsConnection,
  type Streams,
  streamsOf,
} from '../bus/connection.ts'
import { type KeyPair, keyPairOf } from '../bus/keys.ts'
import {
  type AnswerContent,
  type Beat,
  type EnrolmentAnswer,
  inputContent,
  inputEnvelope,
  parseJson,
  pingContent,
  pongId,
  signMessage,
} from '../bus/protocol.ts'
import { type CommandContent, openCommand, openMessage, sealMessage } from '../bus/sealing.ts'
import { commandStream, hostToken, inboxPrefix, type Subjects, subjectsOf } from '../bus/subjects.ts'
import { asConvergeError } from '../model/errors.ts'
import type { AgentDirectory, AgentKeys } from './agent_directory.ts'
import { JournalledCommand, type OutputLimits } from './journalled_command.ts'
import { LoadMeter } from './load.ts'
import { ServerClock } from './server_clock.ts'

export interface AgentOptions {
  readonly directory: AgentDirectory
  readonly version: string
  readonly log: (line: string) => void
  /** Milliseconds between two beats; default: 10 s. */
  readonly beatMs?: number
  readonly outputLimits?: OutputLimits
}

/** Milliseconds. */
const [workingMs, fetchMs, retryMs] = [7000, 30_000, 1000]
/** The most commands whose journal is kept. */
const keptCommands = 200
/** The most deliveries of an input whose command has not arrived. */
const maxDeliveries = 20

export class Agent {
  private connection: NatsConnection | null = null
  private readonly commands = new Map<string, JournalledCommand>()
  private readonly enrolment: EnrolmentAnswer & AgentKeys
  private readonly subjects: Subjects
  private keys: KeyPair | null = null
  private isStopped = false
  private fetching: { stop(): void } | null = null
  private readonly serverClock = new ServerClock()
  private wakeUp: () => void = () => undefined

  constructor(private readonly options: AgentOptions) {
    this.enrolment = options.directory.load()
    this.subjects = subjectsOf(this.enrolment.stack)
  }

  /** Works until it is stopped. */
  async run(): Promise<void> {
    const { host, address, port, certificate, seed } = this.enrolment
    this.keys = await keyPairOf(seed)
    this.loadJournal()
    const login = { address, port, certificate, seed, inboxPrefix: inboxPrefix(host) }
    const connection = await connectBus({ ...login, name: `agent of ${host}`, waits: true })
    this.connection = connection
    if (this.isStopped) return connection.close()
    this.options.log(`connected to ${address}:${port}`)
    void this.watchConnection(connection)
    connection.subscribe(this.subjects.wake(host), {
      callback: (error, message) => {
        if (error === null) this.onPing(message.string())
      },
    })
    const meter = new LoadMeter()
    const beat = setInterval(() => this.beat(meter), this.options.beatMs ?? 10_000)
    this.beat(meter)
    try {
      const streams = await streamsOf(connection)
      while (!this.isStopped && !connection.isClosed()) {
        const hadConsumer = await this.takeCommands(streams)
        if (!hadConsumer) await this.pause()
      }
    } finally {
      clearInterval(beat)
    }
  }

  /** Ends the connection. Commands that run continue, and the next agent answers for them. */
  async stop(): Promise<void> {
    this.isStopped = true
    this.fetching?.stop()
    this.wakeUp()
    await this.connection?.close()
  }

  private async watchConnection(connection: NatsConnection): Promise<void> {
    for await (const { type } of connection.status()) {
      if (type === 'disconnect') this.options.log('the bus does not answer; trying again until it does')
      if (type !== 'reconnect') continue
      this.options.log('connected again')
      // A request that the old connection has sent gets no answer.
      this.fetching?.stop()
      this.wakeUp()
    }
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, retryMs)
      this.wakeUp = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** @returns false where the bus has no consumer for this host, which the control plane then makes */
  private async takeCommands({ js }: Streams): Promise<boolean> {
    try {
      const consumer = await js.consumers.get(commandStream, hostToken(this.enrolment.host))
      const { ts } = await consumer.info(true)
      if (ts !== undefined) this.serverClock.set(Date.parse(String(ts)))
      const messages = await consumer.fetch({ max_messages: fetchedMessages, expires: fetchMs, idle_heartbeat: 5000 })
      this.fetching = messages
      for await (const message of messages) await this.take(message)
      return true
    } catch (thrown) {
      if (!this.isStopped) this.options.log(`no commands can be taken: ${asConvergeError(thrown).message}`)
      return false
    } finally {
      this.fetching = null
    }
  }

  private async take(message: JsMsg): Promise<void> {
    // The bus delivers it again, to the next agent.
    if (this.isStopped) return
    try {
      const text = message.string()
      const input = inputEnvelope.safeParse(parseJson(text))
      if (input.success) return this.takeInput(input.data, message)
      const { stack, host, identity, control } = this.enrolment
      const command = await openCommand(text, { stack, host, identity, control })
      if (command === null) {
        this.options.log('a message that the control plane has not signed for this host was dropped')
        message.term()
      } else this.takeCommand(command, message)
    } catch (thrown) {
      this.options.log(`a command could not be read: ${asConvergeError(thrown).message}`)
      message.term()
    }
  }

  private takeCommand(command: CommandContent, message: JsMsg): void {
    const known = this.commands.get(command.id)
    if (known !== undefined) return this.workOn(known, message)
    const refusal = this.refusalOf(command, message)
    if (refusal !== null) {
      this.options.log(`refused a command: ${refusal.message}`)
      this.answer(command, { kind: 'refused', ...refusal })
      message.ack()
      return
    }
    const { directory } = this.options
    if (command.revision !== null && command.revision > directory.revision()) directory.saveRevision(command.revision)
    const started = new JournalledCommand(
      command,
      join(directory.commands, command.id),
      this.answer,
      this.options.outputLimits,
    )
    try {
      started.start()
    } catch (thrown) {
      const { message: reason } = asConvergeError(thrown)
      this.options.log(`a command could not be started: ${reason}`)
      this.answer(command, { kind: 'refused', code: 'NOT_STARTED', message: `the host cannot start it: ${reason}` })
      message.ack()
      return
    }
    this.commands.set(command.id, started)
    this.workOn(started, message)
    this.prune()
  }

  private refusalOf({ lifetime, revision }: CommandContent, message: JsMsg): { code: string; message: string } | null {
    // Both times are of the server: neither clock of the host nor of the control plane counts.
    const age = (this.serverClock.now() - message.time.getTime()) / 1000
    if (age > lifetime)
      return {
        code: 'COMMAND_EXPIRED',
        message: `the command is ${Math.round(age)} s old, and was valid for ${lifetime} s`,
      }
    const newest = this.options.directory.revision()
    if (revision !== null && revision < newest)
      return {
        code: 'SUPERSEDED',
        message: `rollout ${revision} is superseded: this host has accepted rollout ${newest}`,
      }
    return null
  }

  /** Tells the bus that a command is being worked on until it has ended. */
  private workOn(command: JournalledCommand, message: JsMsg): void {
    const timer = setInterval(() => {
      if (!this.isStopped) message.working()
    }, workingMs)
    void command.ended.then(() => {
      clearInterval(timer)
      if (!this.isStopped) message.ack()
    })
  }

  private takeInput({ id, input }: { readonly id: string; readonly input: string }, message: JsMsg): void {
    const command = this.commands.get(id)
    if (command === undefined) {
      // The command itself may still be on its way; it may also have been refused.
      if (message.info.deliveryCount > maxDeliveries) message.term()
      else message.nak(500)
      return
    }
    const key = Buffer.from(command.content.key, 'base64')
    const content = inputContent.safeParse(openMessage(key, 'to host', Buffer.from(input, 'base64')))
    if (!content.success) return message.term()
    const { data } = content
    if (data.kind === 'close') command.close()
    else if (data.kind === 'resume') command.resume(data.out, data.err)
    else if (!command.input(data.at, Buffer.from(data.data, 'base64'), data.isLast)) return message.nak(200)
    message.ack()
  }

  private readonly answer = (command: CommandContent, answer: AnswerContent): void => {
    const key = Buffer.from(command.key, 'base64')
    this.publish(this.subjects.answer(this.enrolment.host, command.id), sealMessage(key, 'from host', answer))
  }

  /** While the bus is away, nothing is lost: the control plane asks again for what it lacks. */
  private publish(subject: string, content: Uint8Array | string): void {
    const { connection } = this
    if (connection === null || this.isStopped || connection.isClosed()) return
    connection.publish(subject, content)
  }

  private onPing(text: string): void {
    const ping = pingContent.safeParse(parseJson(text))
    if (!ping.success || this.keys === null) return
    this.wakeUp()
    const states = Object.entries(ping.data.commands).flatMap(([id, taken]) => {
      const command = this.commands.get(id)
      command?.passOn(taken)
      return command === undefined ? [] : [[id, command.state] as const]
    })
    const pong = { nonce: ping.data.nonce, commands: Object.fromEntries(states) }
    this.publish(this.subjects.answer(this.enrolment.host, pongId), signMessage(this.keys, 'pong', pong))
  }

  private beat(meter: LoadMeter): void {
    if (this.keys === null) return
    const content: Beat = {
      ...meter.read(),
      generation: this.options.directory.revision(),
      version: this.options.version,
    }
    this.publish(this.subjects.beat(this.enrolment.host), signMessage(this.keys, 'beat', content))
  }

  /** Takes over the commands of an earlier agent. */
  private loadJournal(): void {
    const { commands } = this.options.directory
    if (!existsSync(commands)) return
    for (const name of readdirSync(commands)) {
      const command = JournalledCommand.load(join(commands, name), this.answer, this.options.outputLimits)
      if (command === null) rmSync(join(commands, name), { recursive: true, force: true })
      else this.commands.set(name, command)
    }
  }

  /** Removes the oldest commands that have ended; one that the bus may deliver again stays, and is not run twice. */
  private prune(): void {
    if (this.commands.size <= keptCommands) return
    const { commands: directory } = this.options.directory
    const ended = [...this.commands.values()]
      .filter(({ hasEnded }) => hasEnded)
      .map(({ id }) => ({ id, time: statSync(join(directory, id)).mtimeMs }))
      .filter(({ time }) => Date.now() - time > 2 * commandLifetime * 1000)
      .sort((a, b) => a.time - b.time)
    for (const { id } of ended.slice(0, this.commands.size - keptCommands)) {
      rmSync(join(directory, id), { recursive: true, force: true })
      this.commands.delete(id)
    }
  }
}
