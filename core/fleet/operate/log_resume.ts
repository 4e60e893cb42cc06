/** Resumes logs after a lost connection: the host sends the end of each again, and lines that were sent before are dropped. */
import type { LogLine } from './logs.ts'

/** Lines of each log that the host sends again after a lost connection. */
export const resentLines = 1000

/** Last lines of each log that are remembered, to find the position in it again. */
const rememberedLines = 10

export class LogResume {
  private readonly recent = new Map<string, string[]>()
  /** By log, the lines since `beginResend`; null: each line is a new one. */
  private resent: Map<string, LogLine[]> | null = null

  constructor(private readonly emit: (line: LogLine) => void) {}

  get isResending(): boolean {
    return this.resent !== null
  }

  add(line: LogLine): void {
    if (this.resent === null) return this.passOn(line)
    const key = keyOf(line)
    const lines = this.resent.get(key)
    if (lines === undefined) this.resent.set(key, [line])
    else lines.push(line)
  }

  /** Remembers a line that the reader filters out: the host sends it again as well. */
  skip(line: LogLine): void {
    if (this.resent === null) this.remember(line)
  }

  /** Collects lines, which may be repetitions, until `endResend`. */
  beginResend(): void {
    this.resent = new Map()
  }

  /** Passes on the lines that are new. */
  endResend(): void {
    const resent = this.resent ?? new Map<string, LogLine[]>()
    this.resent = null
    for (const [key, lines] of resent)
      for (const line of lines.slice(countOfKnown(lines, this.recent.get(key) ?? []))) this.passOn(line)
  }

  private passOn(line: LogLine): void {
    this.remember(line)
    this.emit(line)
  }

  private remember(line: LogLine): void {
    const key = keyOf(line)
    const lines = this.recent.get(key) ?? []
    lines.push(line.line)
    if (lines.length > rememberedLines) lines.shift()
    this.recent.set(key, lines)
  }
}

function keyOf({ program, file }: LogLine): string {
  return JSON.stringify([program, file])
}

/**
 * Counts the lines at the beginning that were sent before.
 * @param recent the last known lines, in their order
 */
function countOfKnown(lines: readonly LogLine[], recent: readonly string[]): number {
  if (recent.length === 0) return 0
  const isKnown = (end: number, known: readonly string[]) =>
    known.every((line, index) => lines[end - known.length + index]?.line === line)
  for (let end = lines.length; end >= recent.length; end--) if (isKnown(end, recent)) return end
  // After a rotation of the file, the first of the known lines are in the file before it.
  for (let count = Math.min(recent.length, lines.length); count > 0; count--)
    if (isKnown(count, recent.slice(-count))) return count
  return 0
}
