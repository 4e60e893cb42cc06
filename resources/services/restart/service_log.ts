/** Reads what a service logged during its start or reload, for errors: lines of earlier starts would mislead. */
import type { HostReader } from '../../../core/host/types.ts'
import { asConvergeError } from '../../../core/model/errors.ts'
import { LogPosition } from '../managers/log_position.ts'
import { type LogMark, lastLines, lastLinesOfFile, type ServiceManager } from '../managers/types.ts'

const quotedLines = 20

interface LoggingService {
  readonly name: string
  /** The log of the program itself. If it has no lines, the log that the manager keeps is read instead. */
  readonly log?: string | undefined
}

interface LogStart {
  readonly action: 'start' | 'reload'
  readonly position: LogPosition | null
  readonly managerMark: LogMark
}

export class ServiceLog {
  private marked: LogStart | null = null

  constructor(
    private readonly host: HostReader,
    private readonly manager: ServiceManager,
    private readonly service: LoggingService,
  ) {}

  /** Marks the end of both logs. The other methods return only lines after it. */
  async mark(action: LogStart['action']): Promise<void> {
    const { name, log } = this.service
    const position = log === undefined ? null : new LogPosition(this.host, log)
    // A log that cannot be read must not keep the service from its start; `end` reports the error.
    const managed = await this.manager
      .markLog(name)
      .catch((error: unknown): LogMark => ({ linesSince: () => Promise.reject(asConvergeError(error)) }))
    this.marked = { action, position, managerMark: managed }
  }

  /** Returns the lines of the program's own log after the mark. */
  ownLines(): readonly string[] {
    return this.marked?.position?.lines() ?? []
  }

  /** Returns the last lines after the mark, or of the whole log if there is no mark. */
  async end(): Promise<string> {
    const { name, log } = this.service
    const logText = this.marked === null ? this.endOfOwnLog() : lastLines(this.ownLines().join('\n'), quotedLines)
    if (logText !== '') return logText
    try {
      if (this.marked === null) return await this.manager.log(name, quotedLines)
      const lines = await this.marked.managerMark.linesSince(quotedLines)
      return lines === '' && log !== undefined ? `(${log} has no lines since the ${this.marked.action})` : lines
    } catch (error) {
      // The failure of the service matters more than the failure to read its log.
      return `(no log: ${asConvergeError(error).message})`
    }
  }

  private endOfOwnLog(): string {
    const { log } = this.service
    return log === undefined ? '' : lastLinesOfFile(this.host, log, quotedLines)
  }
}
