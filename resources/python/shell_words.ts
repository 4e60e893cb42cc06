/** Splits a line into words as a shell does for simple words: quotes and backslashes, nothing expanded. */
import { shellUnquoted } from '../../core/text/shell.ts'

const word = /(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+/sy

/** Returns the words of a line, or null if a quote is not closed. */
export function shellSplit(line: string): string[] | null {
  const words: string[] = []
  let at = 0
  for (;;) {
    while (/\s/.test(line[at] ?? '')) at++
    if (at >= line.length) return words
    word.lastIndex = at
    const found = word.exec(line)
    if (found === null) return null
    words.push(shellUnquoted(found[0]))
    at = word.lastIndex
    if (at < line.length && !/\s/.test(line[at] ?? '')) return null
  }
}
