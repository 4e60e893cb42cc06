/** Masks lines that arrive one by one, where a secret may stand on a line below the one that names it. */
import { secretStem } from './secret_names.ts'
import { keyLineMask } from './secret_text.ts'

/** The end of a line whose value follows: `password: |`, `"secrets": {`, `- name: DB_PASSWORD`. */
const opening = /(?:[:=]\s{0,9}(?:[|>][+-]?\d?[+-]?)?|[[{(]|"""|''')\s{0,9}$|\b(?:name|key|variable)["']?\s{0,9}[:=]/i
/** Lines that belong to a block without more indentation than its first line: items, closing brackets, the value of a pair. */
const belongs = /^\s*(?:- |[\]})"']|["']?value\b)/i
const mostLines = 40

/** @param mask gives a text of several lines with as many lines */
export function lineMask(mask: (text: string) => string): (line: string) => string {
  const inKey = keyLineMask()
  let block: string[] = []
  return (line) => {
    const ofKey = inKey(line)
    if (ofKey !== null) return ofKey
    const isInside = block.length > 0 && block.length < mostLines && isWithin(line, block[0] ?? '')
    if (!isInside) block = opening.test(line) && secretStem.test(line) ? [line] : []
    else block.push(line)
    if (block.length < 2) return mask(line)
    const masked = mask(block.join('\n')).split('\n')
    return masked.length === block.length ? (masked.at(-1) ?? '') : mask(line)
  }
}

function isWithin(line: string, first: string): boolean {
  return line.trim() === '' || indentation(line) > indentation(first) || belongs.test(line) || /"""|'''/.test(first)
}

function indentation(line: string): number {
  return line.length - line.trimStart().length
}
