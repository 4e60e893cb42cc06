/** Masks lines that arrive one by one, also where a secret is on a line below the one that names it. */
import { secretLineFinder } from './secret_lines.ts'
import { hasSecretName, type OwnNames, secretCandidate } from './secret_names.ts'
import { isTableRow, tableColumns } from './table_secrets.ts'

/** The end of a line whose value follows: `password: |`, `"secrets": {`, `- name: DB_PASSWORD`. */
const opening =
  /(?:[:=]\s{0,9}(?:[|>][+-]?\d?[+-]?)?|[[{(]|"""|'''|\\)\s{0,9}$|\b(?:name|key|variable)["']?\s{0,9}[:=]/i
/** Lines that belong to a block without more indentation than its first line: items, closing brackets, the value of a pair. */
const blockLine = /^\s*(?:- |[\]})"']|["']?value\b|values\b)/i
/** The end of a line of an INSERT statement whose rows continue on the next line. */
const openStatement = /(?:[),]|\bvalues)\s{0,9}$/i
type IsSecret = (name: string) => boolean

const maskText = '********'
/** Lines of a block that are masked together. */
const maxBlockLines = 40

/**
 * Returns a function that masks one line after the other.
 * @param mask masks a text of one or several lines
 * @param ownNames names that the user adds or excludes
 */
export function lineMask(mask: (text: string) => string, ownNames: () => OwnNames): (line: string) => string {
  const isSecret = (name: string) => hasSecretName(name, ownNames())
  const isSecretLine = secretLineFinder(isSecret)
  let block: string[] = []
  return (line) => {
    if (isSecretLine(line)) return line.replaceAll(/\S.*/g, maskText)
    if (block.length >= maxBlockLines) dropOldestRow(block, isSecret)
    const isInside = block.length > 0 && block.length < maxBlockLines && isWithin(line, block, isSecret)
    if (isInside) block.push(line)
    else block = isOpening(line, secretCandidate(ownNames()), isSecret) ? [line] : []
    if (block.length < 2) return mask(line)
    const masked = mask(block.join('\n')).split('\n')
    return masked.length === block.length ? (masked.at(-1) ?? '') : mask(line)
  }
}

function isOpening(line: string, candidate: RegExp, isSecret: IsSecret): boolean {
  if (/^\s*stringData:/.test(line)) return true
  if (!candidate.test(line)) return false
  return opening.test(line) || isOpenInsert(line) || tableColumns(line, isSecret) !== null
}

function isOpenInsert(line: string): boolean {
  return /\b(?:into|insert)\s/i.test(line) && openStatement.test(line)
}

/** Keeps the names of the columns, because a statement or a table may have any number of rows. */
function dropOldestRow(block: string[], isSecret: IsSecret): void {
  const [first = ''] = block
  if (tableColumns(first, isSecret) !== null) block.splice(1, 1)
  if (!isOpenInsert(first)) return
  const row = block.findIndex((line, index) => index > 0 && /^\s*\(/.test(line))
  if (row > 0) block.splice(row, 1)
}

function isWithin(line: string, block: readonly string[], isSecret: IsSecret): boolean {
  const first = block[0] ?? ''
  const columns = tableColumns(first, isSecret)
  if (columns !== null) return isTableRow(line, columns)
  if (block.at(-1)?.endsWith('\\') === true) return true
  if (isOpenInsert(first) && /^\s*\(/.test(line)) return true
  return line.trim() === '' || indentation(line) > indentation(first) || blockLine.test(line) || /"""|'''/.test(first)
}

function indentation(line: string): number {
  return line.length - line.trimStart().length
}
