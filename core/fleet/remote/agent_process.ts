/** Runs a command on a host by its agent, and repeats what the bus has lost of its input and output. */
import { PassThrough, Writable } from 'node:stream'
import { acknowledgeWait } from '../../bus/connection.ts'
import {
  type AnswerContent,
  answerContent,
  type InputContent,
  type PongContent,
  type TakenOutput,
} from '../../bus/protocol.ts'
import { openMessage, sealMessage } from '../../bus/sealing.ts'
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import type { ControlBus } from './control_bus.ts'
import type { RemoteProcess } from './ssh_transport.ts'

/** Bytes of input in one message. */
const partBytes = 32 * 1024
/** Bytes of input that are on their way at most. */
const inputWindow = 1024 * 1024
/** Bytes of output after which the agent learns that they were passed on; it sends four times as many without that. */
const takenBytes = 1024 * 1024

/** Milliseconds after which a command that the agent does not know is sent again. */
const resendMs = 2500
/** How often a command is sent again to an agent that answers. */
const maxResends = 8
/** Milliseconds without progress after which input is repeated: longer than the bus waits before it delivers it again. */
const repeatMs = (acknowledgeWait + 10) * 1000

interface ProcessEnd {
  readonly code: number | null
  readonly signal: string | null
}

/** A command on a host, whose streams survive a loss of the bus: what is missing is asked for again. */
export class AgentProcess {
  readonly remote: RemoteProcess
  private readonly out = new PassThrough()
  private readonly err = new PassThrough()
  private readonly received = { out: 0, err: 0 }
  /** Bytes of output that the reader has taken. */
  readonly taken: TakenOutput = { out: 0, err: 0 }
  private reported = 0
  /** The input that the command has not read yet, in order: the bus may lose what it has stored. */
  private inputs: { readonly at: number; readonly data: Buffer; readonly isLast: boolean }[] = []
  private inputBytes = 0
  /** Bytes of input that the command has read. */
  private readInput = 0
  private progressAt = 0
  private waitsForRead: (() => void) | null = null
  private resends = 0
  /** Whether the bus may have lost input. */
  private mayLackInput = false
  private hasClosedInput = false
  private sentAt = 0
  private previous: PongContent['commands'][string] | undefined
  private isOver = false
  private resolveEnd: (end: ProcessEnd) => void = () => undefined
  private rejectEnd: (error: ConvergeError) => void = () => undefined
  private readonly forget: () => void

  constructor(
    private readonly bus: ControlBus,
    private readonly host: string,
    private readonly id: string,
    private readonly key: Buffer,
    private readonly sealed: string,
    private readonly events: { readonly over: () => void; readonly onTaken: () => void },
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
    // If the bus is away, or has lost its streams, the next pong shows that the command is missing.
    await this.quietly(this.bus.store(this.host, this.sealed, `${this.id}/${this.resends}`))
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
    if (isBehind && isSame && !this.isReaderSlow) void this.quietly(this.tell({ kind: 'resume', ...this.received }))
    this.onRead(state.in)
    if (this.mayLackInput || (state.in < this.inputBytes && performance.now() - this.progressAt > repeatMs)) {
      this.mayLackInput = false
      this.progressAt = performance.now()
      void this.quietly(this.repeatInput())
    }
  }

  /** Whether output has arrived that the reader has not taken: the agent then waits, and nothing is lost. */
  private get isReaderSlow(): boolean {
    return this.received.out + this.received.err - this.taken.out - this.taken.err > takenBytes
  }

  /** The bus that is back may have lost what it had stored. */
  onReconnect(): void {
    this.mayLackInput = true
  }

  /** Ends it on this side. */
  lose(error: ConvergeError): void {
    if (this.isOver) return
    this.remote.close()
    this.finish(() => this.rejectEnd(error))
  }

  private async startAgain(): Promise<void> {
    if (++this.resends > maxResends) return this.fail(unreadable(this.host))
    await this.quietly(this.bus.prepare(this.host))
    await this.start()
    await this.quietly(this.repeatInput())
  }

  /** A bus that is away shows in the next pong; one that is full does not recover in time. */
  private async quietly(work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (thrown) {
      this.bus.forget(this.host)
      this.mayLackInput = true
      const { message } = asConvergeError(thrown)
      if (/maximum (?:bytes|messages)|no space|insufficient/i.test(message)) this.fail(busFull(this.host, message))
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
    if (this.inputBytes - data.length === this.readInput) this.progressAt = performance.now()
    if (!this.isOver) void this.quietly(this.tellPart(part))
    while (!this.isOver && this.inputBytes - this.readInput > inputWindow)
      await new Promise<void>((resolve) => {
        this.waitsForRead = resolve
      })
  }

  private onRead(bytes: number): void {
    if (bytes <= this.readInput) return
    this.readInput = bytes
    this.progressAt = performance.now()
    this.inputs = this.inputs.filter(({ at, data, isLast }) => isLast || at + data.length > bytes)
    this.waitsForRead?.()
  }

  private async repeatInput(): Promise<void> {
    for (const part of this.inputs) await this.tellPart(part)
  }

  private tellPart({ at, data, isLast }: { readonly at: number; readonly data: Buffer; readonly isLast: boolean }) {
    // The bus drops a part that it still has.
    const messageId = `${this.id}/${this.resends}/${at}${isLast ? '/last' : ''}`
    return this.tell({ kind: 'input', at, data: data.toString('base64'), isLast }, messageId)
  }

  private tell(content: InputContent, messageId?: string): Promise<void> {
    const input = Buffer.from(sealMessage(this.key, 'to host', content)).toString('base64')
    return this.bus.store(this.host, JSON.stringify({ id: this.id, input }), messageId)
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
      case 'taken':
        return this.onRead(answer.in)
      case 'out':
      case 'err': {
        const { kind } = answer
        const data = Buffer.from(answer.data, 'base64')
        const known = this.received[kind] - answer.at
        // A gap: the next pong shows it, and what is missing is asked for.
        if (known < 0 || known >= data.length) return
        this.received[kind] += data.length - known
        this[kind].write(data.subarray(known), () => this.onTaken(kind, data.length - known))
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

  private onTaken(kind: 'out' | 'err', bytes: number): void {
    this.taken[kind] += bytes
    const total = this.taken.out + this.taken.err
    if (this.isOver || total - this.reported < takenBytes) return
    this.reported = total
    this.events.onTaken()
  }

  private fail(error: ConvergeError): void {
    if (!this.isOver) this.finish(() => this.rejectEnd(error))
  }

  private finish(settle: () => void): void {
    this.isOver = true
    this.waitsForRead?.()
    this.forget()
    this.events.over()
    this.out.end()
    this.err.end()
    this.remote.stdin.destroy()
    settle()
  }
}

const busFull = (host: string, reason: string) =>
  new ConvergeError(`the bus cannot store a command for ${host}: ${reason}`, {
    code: 'BUS_FULL',
    hint: 'check the disk of the control plane, and that the other hosts take their commands: converge agent list',
  })

const unreadable = (host: string) =>
  new ConvergeError(`the agent of ${host} answers, but cannot read its commands`, {
    code: 'COMMAND_UNREADABLE',
    hint: `enrol the host again: run converge agent invite ${host} here, and converge agent enrol TOKEN on the host`,
  })

const agentRestarted = (host: string) =>
  new ConvergeError(`the agent of ${host} was started again while the command ran`, { code: 'CONNECTION_LOST' })
