/** Redraws rows at the bottom of a terminal, and writes permanent text above them. */
import type { TableSize } from './table.ts'
import { widthOf } from './text.ts'

export class RedrawnRows {
  private shown: readonly string[] = []
  private size: TableSize = { columns: 0, rows: 0 }

  constructor(private readonly write: (text: string) => void) {}

  /** Replaces the displayed rows; it writes only rows that differ. */
  draw(rows: readonly string[], size: TableSize): void {
    if (size.columns !== this.size.columns || size.rows !== this.size.rows) this.resized(size)
    const before = this.shown
    const lines = rows.map((row, index) =>
      // The last row is always written, because typed characters such as ^C appear there.
      row === before[index] && index < rows.length - 1 ? '' : `${row}\x1b[K`,
    )
    this.write(`${this.up()}${lines.join('\r\n')}${before.length > rows.length ? '\x1b[J' : ''}`)
    this.shown = rows
  }

  /** Removes the rows and writes permanent text; the next draw displays the rows again. */
  above(text: string): void {
    this.write(`${this.shown.length === 0 ? '' : `${this.up()}\x1b[J`}${text}`)
    this.shown = []
  }

  /** Clears the rows after a resize: the terminal may have wrapped them, or moved some off the screen. */
  private resized(size: TableSize): void {
    const height = this.shown.reduce((sum, row) => sum + Math.max(1, Math.ceil(widthOf(bare(row)) / size.columns)), 0)
    const up = Math.min(height, size.rows) - 1
    if (height > 0) this.write(`${up > 0 ? `\x1b[${up}A` : ''}\r\x1b[J`)
    this.shown = []
    this.size = size
  }

  private up(): string {
    return this.shown.length > 1 ? `\x1b[${this.shown.length - 1}A\r` : '\r'
  }
}

function bare(row: string): string {
  return row.replace(/\x1b\[\d*m/g, '')
}
