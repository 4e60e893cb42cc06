/** Finds lines of a log that explain why a service never becomes ready, to stop waiting for it. */
import type { HostReader } from '../../../core/host/types.ts'
import { longestLogEnd, readFrom } from '../managers/types.ts'

export interface FatalLine {
  /** Text in such a line. */
  readonly text: string
  /** Hints by a text that only some of these lines contain. */
  readonly hints?: Readonly<Record<string, string>>
}

/** A position in a log; the lines after it can be read later. */
export class LogPosition {
  /** The length of the log at that moment, in bytes. */
  private readonly length: number

  constructor(
    private readonly host: HostReader,
    private readonly path: string | undefined,
  ) {
    this.length = this.lengthNow()
  }

  since(): readonly string[] {
    if (this.path === undefined) return []
    const now = this.lengthNow()
    // A log that is shorter than before was rotated.
    const begin = now < this.length ? 0 : this.length
    const text = readFrom(this.host, this.path, Math.max(begin, now - longestLogEnd)).trimEnd()
    return text === '' ? [] : text.split('\n')
  }

  private lengthNow(): number {
    return this.path === undefined ? 0 : (this.host.stat(this.path)?.size ?? 0)
  }
}

const exception = /^(?:Caused by: )?[\w$.]+(?:Exception|Error)\b.*/

/** Returns the first such line with the exception that follows it; null if there is none. */
export function findFatalLine(
  lines: readonly string[],
  fatal: readonly FatalLine[],
): { readonly text: string; readonly hint: string | undefined } | null {
  for (const { text, hints = {} } of fatal) {
    const at = lines.findIndex((line) => line.includes(text))
    if (at === -1) continue
    const reason = lines.slice(at + 1, at + 4).find((line) => exception.test(line)) ?? lines[at] ?? ''
    const hint = Object.entries(hints).find(([part]) => reason.includes(part))?.[1]
    return { text: reason === lines[at] ? reason.trim() : `${text}: ${reason.trim()}`, hint }
  }
  return null
}
