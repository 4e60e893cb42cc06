/** Finds the values of secret columns in tables: CSV, the output of psql and mysql, rows of COPY. */
import type { Bounds } from './value_bounds.ts'

const delimiters = ['\t', ';', ',', '|'] as const
/** Lines without cells below the header. */
const rule = /^[\s+|=-]*-{2}[\s+|=-]*$/
const nameInTable = /^[\w.@-]{1,60}$/
const copy = /^\s*copy\s[^()]{1,120}\(([^()]{1,4000})\)\s+from\s+stdin\b.*;\s*$/i
const maxHeader = 4000

interface Columns {
  readonly delimiter: string
  /** Whether the column is secret, for each column. */
  readonly secret: readonly boolean[]
}

/**
 * Returns the positions of the values.
 * @param isSecret whether the name of a column is secret
 */
export function tableSecrets(text: string, isSecret: (name: string) => boolean): readonly Bounds[] {
  const found: Bounds[] = []
  let columns: Columns | null = null
  let start = 0
  for (const line of text.split('\n')) {
    const cells = columns === null || rule.test(line) ? null : rowCells(line, columns)
    if (columns !== null && cells !== null)
      found.push(...secretCells(cells, columns).map((cell) => ({ start: start + cell.start, end: start + cell.end })))
    else if (columns === null || !rule.test(line)) columns = tableColumns(line, isSecret)
    start += line.length + 1
  }
  return found
}

/** Returns the columns of a line that is the header of a table with a secret column; null for any other line. */
export function tableColumns(line: string, isSecret: (name: string) => boolean): Columns | null {
  if (line.length > maxHeader) return null
  const copied = copy.exec(line)?.[1]
  if (copied !== undefined) return columnsOf(copied.split(','), '\t', isSecret)
  for (const delimiter of delimiters) {
    const names = withoutBorder(line, delimiter).split(delimiter)
    if (names.length >= 2) return columnsOf(names, delimiter, isSecret)
  }
  return null
}

/** Decides whether a line continues a table. */
export function isTableRow(line: string, columns: Columns): boolean {
  return rule.test(line) || rowCells(line, columns) !== null
}

function columnsOf(cells: readonly string[], delimiter: string, isSecret: (name: string) => boolean): Columns | null {
  const names = cells.map((cell) => cell.trim().replaceAll(/^["'`]|["'`]$/g, ''))
  if (!names.every((name) => nameInTable.test(name))) return null
  const secret = names.map((name) => isSecret(name))
  return secret.includes(true) ? { delimiter, secret } : null
}

function withoutBorder(line: string, delimiter: string): string {
  return delimiter === '|' ? line.replace(/^\s*\||\|\s*$/g, '') : line
}

/** Returns the cells of a row; null if their number differs from that of the columns. */
function rowCells(line: string, { delimiter, secret }: Columns): readonly Bounds[] | null {
  if (line.trim() === '') return null
  const from = delimiter === '|' ? (/^\s*\|/.exec(line)?.[0].length ?? 0) : 0
  const to = delimiter === '|' ? line.replace(/\|\s*$/, '').length : line.length
  const cells: Bounds[] = []
  let start = from
  let isQuoted = false
  for (let at = from; at <= to && cells.length <= secret.length; at++) {
    if (line.charAt(at) === '"') isQuoted = !isQuoted
    if (at !== to && (isQuoted || line.charAt(at) !== delimiter)) continue
    cells.push({ start, end: at })
    start = at + 1
  }
  return cells.length === secret.length ? cells.map((cell) => trimmed(line, cell)) : null
}

function secretCells(cells: readonly Bounds[], { secret }: Columns): readonly Bounds[] {
  return cells.filter(({ start, end }, index) => secret[index] === true && end > start)
}

function trimmed(line: string, { start, end }: Bounds): Bounds {
  const text = line.slice(start, end)
  const begin = start + (text.length - text.trimStart().length)
  return { start: Math.min(begin, end), end: Math.max(begin, end - (text.length - text.trimEnd().length)) }
}
