/** Finds the values of secret columns in the rows of INSERT statements. */
import type { Bounds } from './value_bounds.ts'

/** INSERT INTO table (columns) VALUES; the rows follow. */
const beforeRows =
  /\b(?:into|insert)\s{1,20}[^\s()]{1,120}\s{0,20}\(([^()]{1,4000})\)(?:\s{1,20}overriding\s{1,20}\w{1,20}\s{1,20}value)?\s{0,20}values?\s{0,200}(?=\(|row\b|$)/gi
const rowStart = /\s{0,200}(?:,\s{0,200})?(?:row\s{0,20})?\(/iy
const openingQuote = /\\{0,8}["'`]/y
const placeholder = /^(?:\?|%s|%\(\w+\)s|[:@$]\w+|default|null)$/i
/** The name of a method in a call, such as `digest('value', 'sha256')`. */
const method = /^\W*(?:sha\d?(?:[-_]?\d{3})?|md5|bf|x?des|aes(?:[-_]\w{1,12})?|hex|escape|base64|utf-?8)\W*$/i
const aroundName = /^[\s\\"'`[]+|[\s\\"'`\]]+$/g

/**
 * Returns the positions of the values, with their quotes; of a call such as `crypt('value')`, those of the quoted texts
 * in it.
 * @param isSecret whether the name of a column is secret
 */
export function insertedSecrets(text: string, isSecret: (name: string) => boolean): readonly Bounds[] {
  const found: Bounds[] = []
  const statement = new RegExp(beforeRows.source, beforeRows.flags)
  for (let match = statement.exec(text); match !== null; match = statement.exec(text)) {
    const columns = (match[1] ?? '').split(',').map((column) => isSecret(column.replaceAll(aroundName, '')))
    if (!columns.includes(true)) continue
    for (let row = readRow(text, statement.lastIndex); row !== null; row = readRow(text, statement.lastIndex)) {
      found.push(...row.items.flatMap((item, index) => (columns[index] ? valuesOf(text, item) : [])))
      statement.lastIndex = row.end
    }
  }
  return found
}

interface Item extends Bounds {
  readonly quoted: readonly Bounds[]
}

/** Reads one row; null where none begins. The end of the text ends a row as well, because output may be cut off. */
function readRow(text: string, from: number): { readonly items: readonly Item[]; readonly end: number } | null {
  rowStart.lastIndex = from
  if (!rowStart.test(text)) return null
  const items: Item[] = []
  let at = rowStart.lastIndex
  let start = at
  let quoted: Bounds[] = []
  const endItem = () => {
    items.push({ start, end: at, quoted })
    start = at + 1
    quoted = []
  }
  for (let depth = 0; at < text.length; ) {
    const quote = endOfQuote(text, at)
    if (quote !== null) {
      quoted.push({ start: at, end: quote })
      at = quote
      continue
    }
    const character = text.charAt(at)
    if (character === ')' && depth === 0) break
    if (character === ',' && depth === 0) endItem()
    if (character === '(') depth++
    if (character === ')') depth--
    at++
  }
  endItem()
  return { items, end: Math.min(at + 1, text.length) }
}

/** Returns the end of the quoted text that begins at an index; null where none begins. Two quotes in a row are one of the text. */
function endOfQuote(text: string, at: number): number | null {
  openingQuote.lastIndex = at
  const [quote] = openingQuote.exec(text) ?? []
  if (quote === undefined) return null
  for (let end = at + quote.length; end < text.length; ) {
    if (text.startsWith(quote, end)) {
      end += quote.length
      if (!text.startsWith(quote, end)) return end
      end += quote.length
    } else end += quote.length === 1 && text.charAt(end) === '\\' ? 2 : 1
  }
  return text.length
}

function valuesOf(text: string, { start, end, quoted }: Item): readonly Bounds[] {
  if (quoted.length > 0) return quoted.filter((one) => !method.test(text.slice(one.start, one.end)))
  const written = text.slice(start, end)
  const value = written.trim()
  if (value === '' || value.includes('(') || placeholder.test(value)) return []
  const begin = start + written.indexOf(value)
  return [{ start: begin, end: begin + value.length }]
}
