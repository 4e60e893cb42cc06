/** Lines of a log that say why a service never becomes ready, so that nobody waits for it. */
import type { HostReader } from '../../core/host/types.ts'
import { endOfFile } from './types.ts'

export interface FatalLine {
  /** Text in such a line. */
  readonly text: string
  /** Text that only some of them have, and what to do then. */
  readonly hints?: Readonly<Record<string, string>>
}

/** What was logged after a moment. */
export class LogMark {
  private readonly lines: number

  constructor(
    private readonly host: HostReader,
    private readonly path: string | undefined,
  ) {
    this.lines = this.all().length
  }

  since(): readonly string[] {
    const all = this.all()
    // A log that is shorter than before was rotated.
    return all.length < this.lines ? all : all.slice(this.lines)
  }

  private all(): readonly string[] {
    const text = this.path === undefined ? '' : endOfFile(this.host, this.path, Number.POSITIVE_INFINITY)
    return text === '' ? [] : text.split('\n')
  }
}

const exception = /^(?:Caused by: )?[\w$.]+(?:Exception|Error)\b.*/

/** The first such line with the exception that follows it; null where there is none. */
export function fatalLine(
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
