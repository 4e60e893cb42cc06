/** Tables for people: columns as wide as they have to be, or as the terminal lets them. */
import { cut, fit, shortNames, widthOf } from './text.ts'

export interface Cell {
  readonly text: string
  readonly colour?: ((text: string) => string) | undefined
}

/** No column is made narrower than that before one is left out. */
const narrow = 11
const gap = 2

/**
 * @param rows the heads come first; a column without anything else is left out. The first column has the names of things
 * @param width columns of the terminal; infinite in a pipe, where nothing is cut
 * @param spare columns that may be left out where there is no room, in that order
 */
export function columns(rows: readonly (readonly Cell[])[], width: number, spare: readonly string[]): string[] {
  const heads = rows[0] ?? []
  const needed = heads.map((_, index) => {
    const texts = rows.slice(1).map((row) => widthOf(row[index]?.text ?? ''))
    return Math.max(...texts) > 0 ? Math.max(widthOf(heads[index]?.text ?? ''), ...texts) : 0
  })
  const least = () => sum(needed.map((one) => Math.min(one, narrow)))
  for (const name of spare) if (least() > width) needed[heads.findIndex(({ text }) => text === name)] = 0
  while (sum(needed) > width && Math.max(...needed) > 1) needed[needed.indexOf(Math.max(...needed))]! -= 1
  // Where not even one sign of each finds room, there is no table.
  if (sum(needed) > width) return rows.map((row) => cut(row[0]?.text ?? '', width))
  const names = rows.slice(1).flatMap((row) => row[0]?.text || [])
  const shortened = shortNames(names, needed[0] ?? 0)
  return rows.map((row, at) => {
    const cells = row.flatMap(({ text, colour = String }, index) => {
      const room = needed[index] ?? 0
      const shown = index === 0 && at > 0 ? shortened(text) : text
      return room === 0 ? [] : { text: fit(shown, room), colour }
    })
    // Blanks at the end of a line are no part of it.
    const last = cells.findLastIndex(({ text }) => text.trim() !== '')
    const shown = cells.slice(0, last + 1)
    return shown.map(({ text, colour }, index) => colour(index === last ? text.trimEnd() : text)).join(' '.repeat(gap))
  })
}

function sum(widths: readonly number[]): number {
  const used = widths.filter((one) => one > 0)
  return used.reduce((all, one) => all + one + gap, -gap)
}

/** How long it is ago; nothing for what is no time. */
export function ago(time: string, now: Date): string {
  const minutes = Math.floor((now.getTime() - Date.parse(time)) / 60_000)
  if (Number.isNaN(minutes)) return ''
  if (minutes < 1) return 'just now'
  if (minutes < 120) return `${minutes} min ago`
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h ago` : `${Math.floor(minutes / 1440)} days ago`
}
