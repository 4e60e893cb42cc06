/** Formats tables: columns as wide as their content, or as the terminal allows. */
import { cut, fit, shortNames, widthOf } from './text.ts'

export interface Cell {
  readonly text: string
  readonly colour?: ((text: string) => string) | undefined
}

/** Columns are made narrower down to this width; then whole columns are left out. */
const minWidth = 11
const gap = 2

/**
 * Formats a table.
 * @param rows the heads come first; a column without other content is left out; the first column has the names
 * @param width columns of the terminal; infinite in a pipe, where nothing is shortened
 * @param spare columns that may be left out where space is short, in that order
 */
export function columns(rows: readonly (readonly Cell[])[], width: number, spare: readonly string[]): string[] {
  const heads = rows[0] ?? []
  const needed = heads.map((_, index) => {
    const texts = rows.slice(1).map((row) => widthOf(row[index]?.text ?? ''))
    return Math.max(...texts) > 0 ? Math.max(widthOf(heads[index]?.text ?? ''), ...texts) : 0
  })
  const least = () => sum(needed.map((one) => Math.min(one, minWidth)))
  for (const name of spare) if (least() > width) needed[heads.findIndex(({ text }) => text === name)] = 0
  while (sum(needed) > width && Math.max(...needed) > 1) needed[needed.indexOf(Math.max(...needed))]! -= 1
  // Without space for one character of each column, only the first one is printed.
  if (sum(needed) > width) return rows.map((row) => cut(row[0]?.text ?? '', width))
  const names = rows.slice(1).flatMap((row) => row[0]?.text || [])
  const shortened = shortNames(names, needed[0] ?? 0)
  return rows.map((row, at) => {
    const cells = row.flatMap(({ text, colour = String }, index) => {
      const room = needed[index] ?? 0
      const shown = index === 0 && at > 0 ? shortened(text) : text
      return room === 0 ? [] : { text: fit(shown, room), colour }
    })
    // No blanks at the end of a line.
    const last = cells.findLastIndex(({ text }) => text.trim() !== '')
    const shown = cells.slice(0, last + 1)
    return shown.map(({ text, colour }, index) => colour(index === last ? text.trimEnd() : text)).join(' '.repeat(gap))
  })
}

function sum(widths: readonly number[]): number {
  const used = widths.filter((one) => one > 0)
  return used.reduce((all, one) => all + one + gap, -gap)
}

/** Formats how long ago a time was; empty for an invalid time. */
export function ago(time: string, now: Date): string {
  const minutes = Math.floor((now.getTime() - Date.parse(time)) / 60_000)
  if (Number.isNaN(minutes)) return ''
  if (minutes < 1) return 'just now'
  if (minutes < 120) return `${minutes} min ago`
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h ago` : `${Math.floor(minutes / 1440)} days ago`
}
