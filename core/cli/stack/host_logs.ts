/** Reads the logs of one host, and follows them across lost connections. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { LimitFunction } from 'p-limit'
import { runCommand } from '../../fleet/operate/command.ts'
import { LogResume, resentLines } from '../../fleet/operate/log_resume.ts'
import { type LogLine, LogReader, type LogSource, logWords } from '../../fleet/operate/logs.ts'
import { storedSecrets } from '../../fleet/operate/stored_secrets.ts'
import type { HostConnection } from '../../fleet/remote/host_connection.ts'
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import type { ReachableHost } from './hosts.ts'
import { connectionTo } from './operate.ts'
import type { SelectableHost } from './select.ts'

/** A host with its selected logs. */
export interface LoggedHost {
  readonly host: ReachableHost<SelectableHost>
  readonly sources: readonly LogSource[]
}

export interface LogRequest {
  /** Number of lines from the end of each log. */
  readonly lines: number
  readonly follow: boolean
  readonly interrupt: AbortSignal
  /** Limits how many hosts are connected to, or read, at the same time. */
  readonly limit: LimitFunction
}

export interface LogListener {
  /** Called before the first line of a host, with further texts to hide in its lines. */
  secrets(host: string, texts: readonly string[]): void
  line(host: string, line: LogLine): void
  failed(host: string, error: ConvergeError): void
  connection(host: string, state: 'lost' | 'back', detail: string): void
}

/** Time limit for reading the existing lines, in seconds. */
const readingSeconds = 120

/** Pause before the first attempt to reconnect, in seconds; each later pause is twice as long. */
const firstPause = 1
/** Longest pause between two attempts to reconnect, in seconds. */
const longestPause = 15

/** Silence after which a host has sent all earlier lines again. */
const quietMs = 500
/** Time after which the lines of a busy log count as new, even without such a silence. */
const longestResentMs = 10_000

export class HostLogs {
  private readonly resume: LogResume
  private readonly reader: LogReader
  private problems = ''
  private hasBegun = false
  private resentSince = 0
  private timer: NodeJS.Timeout | undefined

  constructor(
    private readonly logged: LoggedHost,
    private readonly request: LogRequest,
    private readonly listener: LogListener,
  ) {
    this.resume = new LogResume((line) => listener.line(this.name, line))
    this.reader = new LogReader(
      logged.sources,
      (line) => this.resume.add(line),
      (line) => this.resume.skip(line),
    )
  }

  /** @returns whether it succeeded; Ctrl-C is the usual end of following */
  async read(): Promise<boolean> {
    const { follow, interrupt } = this.request
    try {
      const { host } = this.logged
      const connection = connectionTo(host, host.sudo !== 'none')
      try {
        await (follow ? this.follow(connection) : this.readLogs(connection, this.request.lines))
        return true
      } finally {
        connection.close()
      }
    } catch (thrown) {
      if (follow && interrupt.aborted) return true
      this.end()
      this.listener.failed(this.name, asConvergeError(thrown))
      return false
    } finally {
      // End the connection after Ctrl-C, too.
      this.end()
    }
  }

  private get name(): string {
    return this.logged.host.selectable.name
  }

  /** @throws if the first connection fails, or if a further attempt cannot succeed */
  private async follow(connection: HostConnection): Promise<void> {
    const { lines, interrupt, limit } = this.request
    for (let attempt = 0; ; ) {
      try {
        await limit(() => connection.connect(false))
        const isBack = attempt > 0
        attempt = 0
        if (isBack) this.listener.connection(this.name, 'back', '')
        await this.readLogs(connection, this.hasBegun ? resentLines : lines)
        return
      } catch (thrown) {
        const error = asConvergeError(thrown)
        if (interrupt.aborted || !this.hasBegun || !isTemporary(error)) throw error
        if (attempt === 0) this.handleLostConnection(connection, error)
        await sleep(Math.min(firstPause * 2 ** attempt, longestPause) * 1000, undefined, { signal: interrupt })
        attempt++
      }
    }
  }

  private handleLostConnection(connection: HostConnection, { message }: ConvergeError): void {
    connection.reset()
    // The name of the host is printed beside it: drop it from the message.
    this.listener.connection(this.name, 'lost', message.replace(/^.*?: connection lost: /, ''))
    this.settle()
    this.reader.reset()
    this.resume.beginResend()
    this.resentSince = 0
  }

  private async readLogs(connection: HostConnection, lines: number): Promise<void> {
    const { follow, interrupt } = this.request
    this.problems = ''
    if (!this.hasBegun) this.listener.secrets(this.name, await storedSecrets(connection, interrupt))
    const status = await runCommand(connection, {
      words: logWords(this.logged.sources, lines, follow),
      account: null,
      timeout: follow ? 0 : readingSeconds,
      interrupt,
      onOutput: (text, from) => {
        if (from === 'stdout') this.add(text)
        else this.problems = (this.problems + text).slice(-4000)
      },
      onBegin: () => {
        this.hasBegun = true
      },
    })
    const problem = this.problems.trim()
    // While the script follows a log, only a signal ends it, e.g. when the host reboots.
    if (follow && status > 128 && problem === '')
      throw new ConvergeError('the host has ended the session', { code: 'CONNECTION_LOST' })
    if (problem !== '' || status !== 0)
      throw new ConvergeError(problem || `exit status ${status}`, { code: 'LOGS_NOT_READ' })
  }

  private add(text: string): void {
    this.reader.add(text)
    if (!this.resume.isResending) return
    const now = performance.now()
    this.resentSince ||= now
    clearTimeout(this.timer)
    const left = longestResentMs - (now - this.resentSince)
    this.timer = setTimeout(() => this.settle(), Math.min(quietMs, left))
  }

  private settle(): void {
    clearTimeout(this.timer)
    this.resume.endResend()
  }

  private end(): void {
    this.reader.end()
    this.settle()
  }
}

/** Decides whether a later attempt may succeed: the host boots, or the network is down. */
function isTemporary({ code }: ConvergeError): boolean {
  return ['CONNECTION_LOST', 'CONNECT_FAILED', 'HOST_SILENT'].includes(code)
}
