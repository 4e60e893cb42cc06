/** Finds lines of a log that explain why a service never becomes ready, to stop waiting for it. */

export interface FatalLine {
  /** Text in such a line. */
  readonly text: string
  /** Hints by a text that only some of these lines contain. */
  readonly hints?: Readonly<Record<string, string>>
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
