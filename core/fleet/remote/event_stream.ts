/** Parses the event stream and the command output that a host sends back. */
import { ConvergeError } from '../../model/errors.ts'
import { shortLine } from '../../model/excerpt.ts'
import type { FailureReport } from '../../report/events.ts'
import { isFailure, isRunReport, shortFailure } from '../../report/replay.ts'
import type { RunEvent, RunResult } from '../host_client.ts'
import type { RemoteProcess } from './ssh_transport.ts'

/** No line or answer of converge is longer, and longer ones are not read into memory. */
const maxLineBytes = 32 << 20
/** The most that one run may send, however long it takes. */
const maxRunBytes = 1 << 30
/** Levels of an event or an answer: deeper values cannot be written as JSON again. */
const maxDepth = 100

/** Collects the events of a run, and counts how many bytes of its file have been read. */
export class RunEventStream {
  isStarted = false
  /** Whether the run has sent any event. */
  hasEvents = false
  bytes = 0
  status: number | undefined
  report: RunResult['report'] = null
  error: FailureReport | null = null
  /** The beginning of an incomplete line. */
  private rest: Buffer[] = []
  private restLength = 0
  private isBeforeHeader = true
  /** Number of the current stream. */
  private stream = 0
  /** Bytes that arrived before the header line, in all streams. */
  private headerBytes = 0

  constructor(private readonly onEvent: (event: RunEvent) => void) {}

  /** Begins another stream: it starts with its own header line, and continues after the last complete event. */
  restart(): void {
    this.stream++
    this.isBeforeHeader = true
    this.rest = []
    this.restLength = 0
  }

  /** Bytes of the events that have arrived, an incomplete line included. */
  get received(): number {
    return this.bytes + this.restLength
  }

  /**
   * Reads the stream of a run.
   * @returns the missing items, where the run was not started; undefined at the end
   */
  async readStream(process: RemoteProcess, onAnswer = () => {}): Promise<string[] | undefined> {
    const stream = this.stream
    for await (const chunk of process.stdout) {
      // Another stream has replaced this one.
      if (stream !== this.stream) return undefined
      onAnswer()
      for (const readLine of this.splitLines(Buffer.from(chunk as Uint8Array), process)) {
        const missing = this.addLine(readLine.toString('utf8'), readLine.length + 1)
        if (missing !== undefined) return missing
        if (this.headerBytes > maxLineBytes || this.bytes > maxRunBytes) throw outputTooLong(process)
        if (this.status !== undefined) {
          process.close()
          return undefined
        }
      }
    }
    return undefined
  }

  /** Yields the lines that end in a chunk; each byte is copied once, however long a line is. */
  private *splitLines(chunk: Buffer, process: RemoteProcess): Generator<Buffer> {
    let from = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const line = Buffer.concat([...this.rest, chunk.subarray(from, end)])
      this.rest = []
      this.restLength = 0
      from = end + 1
      yield line
    }
    const rest = chunk.subarray(from)
    this.rest.push(rest)
    this.restLength += rest.length
    if (this.restLength > maxLineBytes) throw outputTooLong(process)
  }

  private addLine(line: string, bytes: number): string[] | undefined {
    const event = parseJsonLine(line)
    if (this.isBeforeHeader) {
      this.headerBytes += bytes
      if (Array.isArray(event?.missing)) return onlyStrings(event.missing)
      this.isStarted ||= event?.started !== undefined
      this.isBeforeHeader = event?.started === undefined
      return undefined
    }
    this.bytes += bytes
    this.hasEvents ||= event?.event !== 'exit'
    if (event === null || typeof event.event !== 'string') return undefined
    if (event.event === 'exit') this.status = Number.isInteger(event.status) ? (event.status as number) : invalidStatus
    else {
      if (event.event === 'end') this.report = isRunReport(event.report) ? event.report : null
      if (event.event === 'error') this.error = isFailure(event) ? shortFailure(event) : null
      this.onEvent(event as unknown as RunEvent)
    }
    return undefined
  }
}

/** Exit status of a host that reports no valid one. */
const invalidStatus = 255

/** Parses one line as a JSON object or array; null for anything else, and for values that are nested too deeply. */
export function parseJsonLine(line: string): Record<string, unknown> | null {
  // A cheap check first, for a host that writes millions of other lines.
  if (!/^[\s]*[{[]/.test(line)) return null
  try {
    const value = JSON.parse(line) as unknown
    return typeof value === 'object' && value !== null && !isTooDeep(value) ? (value as Record<string, unknown>) : null
  } catch {
    // A line that a crash left incomplete, or output of the login shell.
    return null
  }
}

/**
 * Parses the output of the ask script: the missing items, or the output of the command. Output of the account's login
 * shell may come first.
 */
export function parseQueryOutput(
  output: string,
): { readonly missing: readonly string[] } | { readonly answer: string } {
  let offset = 0
  for (const line of output.split('\n')) {
    offset += line.length + 1
    const event = parseJsonLine(line)
    if (Array.isArray(event?.missing)) return { missing: onlyStrings(event.missing) }
    if (event?.asked === true) return { answer: output.slice(offset) }
  }
  return { answer: output }
}

/** Parses the output of a read-only command: one JSON document, or JSON lines. */
export function parseQueryAnswer(output: string): unknown {
  try {
    const value = JSON.parse(output) as unknown
    return isTooDeep(value) ? undefined : value
  } catch {
    const lines = output.split('\n').filter((line) => line !== '')
    const values = lines.map(parseJsonLine)
    return lines.length > 0 && values.every((value) => value !== null) ? values : undefined
  }
}

/** Returns the error that a read-only command printed instead of an answer, or after a part of it; null without one. */
export function reportedError(answer: unknown): ConvergeError | null {
  const last: unknown = Array.isArray(answer) ? answer.at(-1) : answer
  if (typeof last !== 'object' || last === null || (last as { event?: unknown }).event !== 'error') return null
  if (!isFailure(last)) return null
  const { message, problems = [], ...details } = shortFailure(last)
  const messages = problems.map((problem) => problem.message).join('\n')
  return new ConvergeError(message, { ...details, output: details.output ?? (messages || undefined) })
}

/** Not recursive, because the host decides how deep the value is. */
function isTooDeep(value: unknown): boolean {
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth) return true
    const next: unknown[] = []
    for (const one of level)
      if (typeof one === 'object' && one !== null)
        for (const child of Object.values(one)) if (typeof child === 'object' && child !== null) next.push(child)
    level = next
  }
  return false
}

function onlyStrings(values: readonly unknown[]): string[] {
  return values.filter((value) => typeof value === 'string')
}

/**
 * Reads the whole standard output of a command.
 * @param onAnswer called for each part of it
 * @throws REMOTE_FAILED where it is longer than any expected answer
 */
export async function readText(process: RemoteProcess, onAnswer = () => {}): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of process.stdout) {
    onAnswer()
    chunks.push(Buffer.from(chunk as Uint8Array))
    size += (chunk as Uint8Array).length
    if (size > maxLineBytes) throw outputTooLong(process)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Reads until `enough` is true; later output is read and dropped. */
export function readUntil({ stdout }: RemoteProcess, enough: (text: string) => boolean): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    stdout.on('data', (chunk: Buffer) => {
      if (text.length > 100_000 || enough(text)) return
      text += chunk.toString('utf8')
      if (text.length > 100_000 || enough(text)) resolve(text)
    })
    stdout.on('close', () => resolve(text))
  })
}

export function lastLines(text: string): string {
  return text
    .trim()
    .split('\n')
    .slice(-20)
    .map((line) => shortLine(line))
    .join('\n')
}

function outputTooLong(process: RemoteProcess): ConvergeError {
  process.close()
  return new ConvergeError('the host sent more output than any command of converge has', {
    code: 'REMOTE_FAILED',
    hint: 'remove what writes to standard output from the startup files of the account on the host, such as ~/.bashrc',
  })
}
