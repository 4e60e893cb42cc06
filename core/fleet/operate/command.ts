/** Runs one command on one host: reports its output and exit status, and ends it by deadline or interrupt. */
import { constants } from 'node:os'
import { StringDecoder } from 'node:string_decoder'
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import { withDeadline } from '../remote/answer_deadline.ts'
import type { HostConnection } from '../remote/host_connection.ts'
import type { RemoteProcess } from '../remote/ssh_transport.ts'
import { beginMarker, commandScript } from './command_script.ts'

export type Output = 'stdout' | 'stderr'

export interface CommandRequest {
  readonly words: readonly string[]
  /** Account to run it as, which requires a login as root; null: the account of the login. */
  readonly account: string | null
  /** One line for its standard input; default: the input is empty. */
  readonly input?: string | undefined
  /** Seconds; 0: no limit. */
  readonly timeout: number
  /** Ends the command. */
  readonly interrupt: AbortSignal
  readonly onOutput: (text: string, from: Output) => void
  /** Characters of output after which the command is ended; default: no limit. */
  readonly maxOutput?: number
  /** Called when the command begins. */
  readonly onBegin?: () => void
}

/** Seconds for the host to end the command: 5 until SIGKILL, and the network round trip. */
const endingSeconds = 8

/**
 * @returns exit status of the command
 * @throws CONNECT_FAILED and the like, SUDO_REFUSED, COMMAND_TIMEOUT, OUTPUT_TOO_LONG, INTERRUPTED, CONNECTION_LOST
 */
export async function runCommand(connection: HostConnection, request: CommandRequest): Promise<number> {
  const { words, account, input, timeout, interrupt, onBegin, maxOutput = Number.POSITIVE_INFINITY } = request
  if (interrupt.aborted) throw interrupted()
  const hasInput = input === undefined ? '' : 'input'
  const started = await untilAborted(
    connection.runScript(commandScript, [account ?? '', hasInput, ...words]),
    interrupt,
  )
  const { process } = started
  const ending = new Ending(process, interrupt)
  let size = 0
  const onOutput: CommandRequest['onOutput'] = (text, from) => {
    size += text.length
    if (size > maxOutput) ending.end(outputTooLong(maxOutput))
    else request.onOutput(text, from)
  }
  process.stdin.on('error', () => undefined)
  if (input !== undefined) process.stdin.write(`${input}\n`)
  const errors = new OutputAfterMark((text) => onOutput(text, 'stderr'))
  errors.add(started.errors())
  process.stderr.on('data', (text: string) => errors.add(text))
  const decoder = new StringDecoder()
  let resolveBegun: () => void = () => undefined
  const hasBegun = new Promise<void>((resolve) => {
    resolveBegun = resolve
  })
  const output = new OutputAfterMark(
    (text) => onOutput(text, 'stdout'),
    () => {
      resolveBegun()
      onBegin?.()
    },
  )
  process.stdout.on('data', (chunk: Buffer) => output.add(decoder.write(chunk)))
  try {
    await withDeadline(connection.limits.first, () => Promise.race([hasBegun, process.ended, ending.ended]))
    ending.endAfter(timeout)
    const { code, signal } = await Promise.race([process.ended, ending.ended])
    output.end(decoder.end())
    errors.end()
    if (ending.error !== null) throw ending.error
    if (!output.hasBegun) throw await connection.startFailure(started, 'the command could not be started')
    return code ?? signalStatus(signal)
  } catch (thrown) {
    output.end(decoder.end())
    errors.end()
    throw ending.error ?? asConvergeError(thrown)
  } finally {
    ending.close()
    process.close()
  }
}

/** Returns the exit status that a shell has for a signal, which SSH names without SIG; 255 for an unknown end. */
function signalStatus(signal: string | null): number {
  const number = signal === null ? undefined : constants.signals[`SIG${signal.replace(/^SIG/, '')}` as NodeJS.Signals]
  return number === undefined ? 255 : 128 + number
}

/** Rejects on an interrupt, without a wait for a connection that is being opened. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(interrupted())
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** Ends a command by its deadline or an interrupt, and stops waiting for a host that does not end it. */
class Ending {
  error: ConvergeError | null = null
  readonly ended: Promise<never>
  private giveUp: (error: ConvergeError) => void = () => undefined
  private readonly timers: NodeJS.Timeout[] = []

  constructor(
    private readonly process: RemoteProcess,
    private readonly interrupt: AbortSignal,
  ) {
    this.ended = new Promise((_, reject) => {
      this.giveUp = reject
    })
    this.ended.catch(() => undefined)
    if (interrupt.aborted) this.onInterrupt()
    else interrupt.addEventListener('abort', this.onInterrupt)
  }

  /** @param seconds 0: no limit */
  endAfter(seconds: number): void {
    // The longest delay of a timer in Node.js.
    if (seconds > 0) this.after(Math.min(seconds, 2_147_483), () => this.end(timedOut(seconds)))
  }

  close(): void {
    for (const timer of this.timers) clearTimeout(timer)
    this.interrupt.removeEventListener('abort', this.onInterrupt)
  }

  private readonly onInterrupt = () => this.end(interrupted())

  /** Ends the command, and stops waiting for it after some seconds. */
  end(why: ConvergeError): void {
    if (this.error !== null) return
    this.error = why
    this.process.stdin.end()
    this.after(endingSeconds, () => this.giveUp(why))
  }

  private after(seconds: number, act: () => void): void {
    this.timers.push(setTimeout(act, seconds * 1000))
  }
}

/** Passes on the text of a stream after the line that marks the beginning. */
class OutputAfterMark {
  hasBegun = false
  private before = ''

  constructor(
    private readonly pass: (text: string) => void,
    private readonly onBegin: () => void = () => undefined,
  ) {}

  add(text: string): void {
    if (this.hasBegun) {
      if (text !== '') this.pass(text)
      return
    }
    this.before = (this.before + text).slice(-100_000)
    const mark = `\n${beginMarker}\n`
    const at = this.before.indexOf(mark)
    if (at < 0) return
    this.hasBegun = true
    this.onBegin()
    const rest = this.before.slice(at + mark.length)
    this.before = ''
    if (rest !== '') this.pass(rest)
  }

  end(rest = ''): void {
    this.add(rest)
  }
}

const timedOut = (seconds: number) =>
  new ConvergeError(`the command did not end within ${seconds} s`, {
    code: 'COMMAND_TIMEOUT',
    hint: 'add --timeout with more seconds, or --timeout 0 for no limit',
  })

const outputTooLong = (limit: number) =>
  new ConvergeError(`the command was ended: it printed more than ${limit >> 20} MiB`, {
    code: 'OUTPUT_TOO_LONG',
    hint: 'look at what it prints with converge stack ssh, or write the output to a file on the host',
  })

const interrupted = () => new ConvergeError('interrupted', { code: 'INTERRUPTED' })
