/** Runs a command on a host by its agent, and repeats what the bus has lost of its input and output. */
import { PassThrough, Writable } from 'node:stream'
import { type AnswerContent, answerContent, type InputContent, type PongContent } from '../../bus/protocol.ts'
import { openMessage, sealMessage } from '../../bus/sealing.ts'
import { ConvergeError } from '../../model/errors.ts'
import type { ControlBus } from './control_bus.ts'
import type { RemoteProcess } from './ssh_transport.ts'

/** Bytes of input in one message. */
const partBytes = 256 * 1024

/** Milliseconds after which a command that the agent does not know is sent again. */
const resendMs = 2500

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
    private readonly bus: ControlBus,
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
