/** Text on a screen of a given width: on one line, cut where it is too long, and never wider than it seems. */
import { oneLine } from '../../report/printable.ts'

export { oneLine } from '../../report/printable.ts'

/** As much of a commit as tells it from others. */
export function shortCommit(commit: string): string {
  return oneLine(commit).slice(0, 12)
}

/**
 * Columns that a text takes at most. Signs of the scripts that are drawn wide count twice, and so do some that are not: a
 * row that is too short is ugly, one that wraps breaks the table.
 */
export function widthOf(text: string): number {
  let width = 0
  for (const sign of text) width += signWidth(sign)
  return width
}

/** Clocks and the like, wide among signs that are not. */
const wideSigns = /[\u231a\u231b\u2329\u232a\u23e9-\u23ec\u23f0\u23f3\u25fd\u25fe]/

function signWidth(sign: string): number {
  const code = sign.codePointAt(0) ?? 0
  // Arrows, dots and blocks, as we use them ourselves, take one.
  const isNarrow = code < 0x1100 || (code >= 0x2000 && code < 0x2600) || (code >= 0x2800 && code < 0x2900)
  return isNarrow && !wideSigns.test(sign) ? 1 : 2
}

/** At most so many columns of a text; what is missing is shown by a sign. */
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
 * How names are shown that may be too wide: what all of them have alike goes first, at the end (a domain), then at the
 * beginning, since that tells nobody from another.
 */
export function shortNames(names: readonly string[], width: number): (name: string) => string {
  const different = [...new Set(names)].map((name) => [...name])
  const backwards = different.map((signs) => [...signs].reverse())
  const [start, end] = different.length > 1 ? [alikeAtStart(different), alikeAtStart(backwards)] : [0, 0]
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

function alikeAtStart(all: readonly (readonly string[])[]): number {
  const [first = []] = all
  const at = first.findIndex((sign, index) => all.some((other) => other[index] !== sign))
  return at < 0 ? first.length : at
}

/** Exactly so many columns. */
export function fit(text: string, width: number): string {
  const shown = cut(text, width)
  return shown + ' '.repeat(Math.max(0, width - widthOf(shown)))
}

/** Time that goes by: in whole seconds, since tenths would only flicker. */
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
