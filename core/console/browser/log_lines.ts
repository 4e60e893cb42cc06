/** Stores the lines of a log, also by host, and finds text in them. A log only grows. */
import type { LogLine } from './rollout_model.ts'

export class LogLines {
  private readonly all: LogLine[] = []
  private readonly byHost = new Map<string, LogLine[]>()

  add(lines: readonly LogLine[]): void {
    for (const line of lines) {
      this.all.push(line)
      if (line.host === undefined) continue
      const own = this.byHost.get(line.host)
      if (own === undefined) this.byHost.set(line.host, [line])
      else own.push(line)
    }
  }

  /**
   * Returns the lines of a host. The array grows with the log.
   * @param host null for the lines of all hosts
   */
  of(host: string | null): readonly LogLine[] {
    return host === null ? this.all : (this.byHost.get(host) ?? [])
  }
}

/** Finds lines with a text, in upper or lower case, and continues where it stopped when lines were added. */
export class LogSearch {
  private readonly found: number[] = []
  private searched = 0
  private readonly wanted: string

  constructor(
    private readonly lines: readonly LogLine[],
    text: string,
  ) {
    this.wanted = text.toLowerCase()
  }

  /** Returns the positions of the lines so far, in their order. */
  matches(): readonly number[] {
    if (this.wanted === '') return []
    for (; this.searched < this.lines.length; this.searched++)
      if (plainLine(this.lines[this.searched]).toLowerCase().includes(this.wanted)) this.found.push(this.searched)
    return this.found
  }
}

/** Returns a line as a file contains it. */
export function plainLine(line: LogLine | undefined): string {
  if (line === undefined) return ''
  return line.host === undefined ? line.text : `${line.host} ${line.text}`
}
