/** Measures, shortens and pads text for a screen of a given width. */
import { oneLine } from '../../report/printable.ts'

export { oneLine } from '../../report/printable.ts'

/** Shortens a commit to the digits that identify it. */
export function shortCommit(commit: string): string {
  return oneLine(commit).slice(0, 12)
}

/**
 * Returns the columns that a text takes at most. Characters of wide scripts count twice, and so do some narrow ones: a
 * short row is harmless, but a row that wraps breaks the table.
 */
export function widthOf(text: string): number {
  let width = 0
  for (const sign of text) width += signWidth(sign)
  return width
}

/** Clocks and similar characters, which are wide among narrow ones. */
const wideSigns = /[\u231a\u231b\u2329\u232a\u23e9-\u23ec\u23f0\u23f3\u25fd\u25fe]/

function signWidth(sign: string): number {
  const code = sign.codePointAt(0) ?? 0
  // The arrows, dots and blocks that converge prints take one column.
  const isNarrow = code < 0x1100 || (code >= 0x2000 && code < 0x2600) || (code >= 0x2800 && code < 0x2900)
  return isNarrow && !wideSigns.test(sign) ? 1 : 2
}

/** Shortens a text to at most `width` columns; an ellipsis marks the missing part. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  if (width < 1) return ''
  let shown = ''
  let left = width - 1
  for (const sign of text) {
    left -= signWidth(sign)
    if (left < 0) break
    shown += sign
  }
  return `${shown}…`
}

/**
 * Shortens names that are too wide. The common end (a domain) is removed first, then the common beginning, because
 * neither distinguishes the names.
 */
export function shortNames(names: readonly string[], width: number): (name: string) => string {
  const different = [...new Set(names)].map((name) => [...name])
  const backwards = different.map((signs) => [...signs].reverse())
  const [start, end] = different.length > 1 ? [commonStartLength(different), commonStartLength(backwards)] : [0, 0]
  return (name) => {
    let shorter = name
    const fits = () => widthOf(shorter) <= width
    const signs = [...name]
    for (let left = 2; left <= end && !fits(); left++) shorter = `${signs.slice(0, -left).join('')}…`
    const rest = [...shorter]
    for (let left = 2; left <= start && !fits(); left++) shorter = `…${rest.slice(left).join('')}`
    return cut(shorter, width)
  }
}

function commonStartLength(all: readonly (readonly string[])[]): number {
  const [first = []] = all
  const at = first.findIndex((sign, index) => all.some((other) => other[index] !== sign))
  return at < 0 ? first.length : at
}

/** Pads or shortens a text to exactly `width` columns. */
export function fit(text: string, width: number): string {
  const shown = cut(text, width)
  return shown + ' '.repeat(Math.max(0, width - widthOf(shown)))
}

/** Formats a running time in whole seconds, because tenths would flicker. */
export function elapsed(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 120 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** `1 host`, `2 hosts` */
export function many(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`
}
