/** Masks lines that arrive one by one, also where a secret is on a line below the one that names it. */

import { secretLineMask } from './secret_lines.ts'
import { hasSecretName, secretStem } from './secret_names.ts'
import { isTableRow, tableColumns } from './table_secrets.ts'

/** The end of a line whose value follows: `password: |`, `"secrets": {`, `- name: DB_PASSWORD`. */
const opening =
  /(?:[:=]\s{0,9}(?:[|>][+-]?\d?[+-]?)?|[[{(]|"""|'''|\\)\s{0,9}$|\b(?:name|key|variable)["']?\s{0,9}[:=]/i
/** Lines that belong to a block without more indentation than its first line: items, closing brackets, the value of a pair. */
const blockLine = /^\s*(?:- |[\]})"']|["']?value\b|values\b)/i
/** The end of a line of an INSERT statement whose rows continue on the next line. */
const openStatement = /(?:[),]|\bvalues)\s{0,9}$/i
/** Lines of a block that are masked together. */
const maxBlockLines = 40

/**
 * Returns a function that masks one line after the other.
 * @param mask masks a text of one or several lines
 */
export function lineMask(mask: (text: string) => string): (line: string) => string {
  const maskKeyLine = secretLineMask()
  let block: string[] = []
  return (line) => {
    const keyLine = maskKeyLine(line)
    if (keyLine !== null) return keyLine
    if (block.length >= maxBlockLines) dropOldestRow(block)
    const isInside = block.length > 0 && block.length < maxBlockLines && isWithin(line, block)
    if (!isInside) block = isOpening(line) && (secretStem.test(line) || /^\s*stringData:/.test(line)) ? [line] : []
    else block.push(line)
    if (block.length < 2) return mask(line)
    const masked = mask(block.join('\n')).split('\n')
    return masked.length === block.length ? (masked.at(-1) ?? '') : mask(line)
  }
}

function isOpening(line: string): boolean {
  return opening.test(line) || isOpenInsert(line) || tableColumns(line, hasSecretName) !== null
}

function isOpenInsert(line: string): boolean {
  return /\b(?:into|insert)\s/i.test(line) && openStatement.test(line)
}

/** Keeps the names of the columns, because a statement or a table may have any number of rows. */
function dropOldestRow(block: string[]): void {
  const [first = ''] = block
  if (tableColumns(first, hasSecretName) !== null) block.splice(1, 1)
  if (!isOpenInsert(first)) return
  const row = block.findIndex((line, index) => index > 0 && /^\s*\(/.test(line))
  if (row > 0) block.splice(row, 1)
}

function isWithin(line: string, block: readonly string[]): boolean {
  const first = block[0] ?? ''
  const columns = tableColumns(first, hasSecretName)
  if (columns !== null) return isTableRow(line, columns)
  if (block.at(-1)?.endsWith('\\') === true) return true
  if (isOpenInsert(first) && /^\s*\(/.test(line)) return true
  return line.trim() === '' || indentation(line) > indentation(first) || blockLine.test(line) || /"""|'''/.test(first)
}

function indentation(line: string): number {
  return line.length - line.trimStart().length
}
