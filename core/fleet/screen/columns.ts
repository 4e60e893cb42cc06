/** Tables for people: columns as wide as they have to be. */
import { cut, fit, widthOf } from './text.ts'

export interface Cell {
  readonly text: string
  readonly colour?: ((text: string) => string) | undefined
}

/** Each column as wide as it has to be; where that is too much for the terminal, the widest give way. */
export function columns(rows: readonly (readonly Cell[])[], width: number): string[] {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => widthOf(row[index]?.text ?? ''))))
  const used = widths.map((one, index) => (rows.slice(1).some((row) => row[index]?.text) ? one : 0))
  const total = () => used.reduce((sum, one) => sum + (one > 0 ? one + 2 : 0), 0)
  while (total() > width && Math.max(...used) > 6) used[used.indexOf(Math.max(...used))]! -= 1
  return rows.map((row) => {
    const cells = row.flatMap(({ text, colour = String }, index) => {
      const room = used[index] ?? 0
      return room === 0 ? [] : colour(fit(text, room))
    })
    const line = cells.join('  ').replace(/ +$/, '')
    return total() <= width ? line : cut(row.map(({ text }) => text).join('  '), width)
  })
}

/** How long it is ago; nothing for what is no time. */
export function ago(time: string, now: Date): string {
  const minutes = Math.floor((now.getTime() - Date.parse(time)) / 60_000)
  if (Number.isNaN(minutes)) return ''
  if (minutes < 1) return 'just now'
  if (minutes < 120) return `${minutes} min ago`
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h ago` : `${Math.floor(minutes / 1440)} days ago`
}
