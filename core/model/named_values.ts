/** Finds the values of names that sound secret, such as `DB_PASSWORD = …`, in files and output of any language. */
import { isNumberOfTokens } from './secret_names.ts'
import { type Bounds, endOfQuoted, endOfWord, indentedBlock, valuesWithin } from './value_bounds.ts'

/** Text between a name and its value: the end of the quotes or brackets around the name, and a sign such as `=`. */
const sign = /(?<quote>\\{0,8}["'`])?\]?[^\S\n]{0,20}(?:=>|->|:=|\?=|\+=|={1,2}|:)(?![:/]{2})(?:[^\S\n]{0,20})/y
/** A backslash that continues the line of the name on the next one. */
const continued = /(?:\\\n[^\S\n]*){1,9}/y
/** Tags and anchors of YAML, and letters before quotes in Python. */
const prefix = /(?:(?:!{1,2}[\w:./-]*|&[\w-]+)[^\S\n]+){0,2}(?:[rRbBuUfF]{1,2}(?=["'])|\$(?=["']))?/y
/** Text that may precede a name at the start of its line. */
const lineStart =
  /(?:^|\n)[^\S\n]*[+<>#;*|@-]{0,3}[^\S\n]*(?:(?:export|set|setenv|local|readonly|declare(?: -\w+)*|var|let|const|my)[^\S\n]+)?["'$]?$/
const maxPrefixLength = 60

/**
 * Returns the positions of the values.
 * @param candidate finds a part of each name that may be secret
 * @param isSecret whether a whole name is secret
 */
export function namedValues(text: string, candidate: RegExp, isSecret: (name: string) => boolean): readonly Bounds[] {
  const found: Bounds[] = []
  const stem = new RegExp(candidate.source, 'gi')
  for (let match = stem.exec(text); match !== null; match = stem.exec(text)) {
    const { start, end } = wordAround(text, match.index, stem.lastIndex)
    stem.lastIndex = Math.max(end, stem.lastIndex)
    const name = text.slice(start, end)
    const values = isSecret(name) ? valuesAfter(text, start, end) : []
    const [value] = values
    if (value === undefined || !isNumberOfTokens(name, directValue(text, end, value))) found.push(...values)
    stem.lastIndex = Math.max(stem.lastIndex, ...values.map((value) => value.end))
  }
  return found
}

/** Returns a value on the line of its name; nothing for one within a list or a block. */
function directValue(text: string, nameEnd: number, { start, end }: Bounds): string {
  return /[[{\n]/.test(text.slice(nameEnd, start)) ? '' : text.slice(start, end)
}

/** Characters that a name may have on each side of the part that was found. */
const maxNameLength = 80

function wordAround(text: string, from: number, to: number): Bounds {
  let start = from
  let end = to
  while (start > 0 && from - start < maxNameLength && /[\w.-]/.test(text.charAt(start - 1))) start--
  while (end < text.length && end - to < maxNameLength && /[\w.-]/.test(text.charAt(end))) end++
  return { start, end }
}

function valuesAfter(text: string, name: number, end: number): readonly Bounds[] {
  sign.lastIndex = end
  const signed = sign.exec(text)
  if (signed === null) return []
  continued.lastIndex = sign.lastIndex
  prefix.lastIndex = continued.test(text) ? continued.lastIndex : sign.lastIndex
  prefix.test(text)
  const at = prefix.lastIndex
  const block = indentedBlock(text, name, at)
  if (block !== null) return block
  if (/[[{]/.test(text.charAt(at)) && !text.startsWith('{{', at)) return valuesWithin(text, at)
  if (/^\\{0,8}["'`]/.test(text.slice(at, at + 9))) return [endOfQuoted(text, at)]
  const isFirst =
    signed.groups?.quote === undefined && lineStart.test(text.slice(Math.max(0, name - maxPrefixLength), name))
  return [endOfWord(text, at, isFirst)]
}
