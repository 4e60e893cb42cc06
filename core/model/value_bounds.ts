/** Finds where a value begins and ends in a text: a quoted value, a word, a list, or a block of indented lines. */
import { isIdentityName } from './secret_names.ts'

/** From the first character of a value to the one after its last, without simple quotes around it. */
export interface Bounds {
  readonly start: number
  readonly end: number
}

const longestValue = 8000

/** @param at of the opening quote, or of the backslashes before it */
export function endOfQuoted(text: string, at: number): Bounds {
  const quote = /^\\{0,8}["'`]/.exec(text.slice(at, at + 9))?.[0] ?? ''
  const last = quote.at(-1) ?? ''
  const triple = quote.length === 1 && text.startsWith(last.repeat(3), at) ? last.repeat(3) : null
  const open = triple ?? quote
  if (open.length !== 1) {
    const close = text.indexOf(open, at + open.length)
    const lineEnd = triple === null ? endOfLine(text, at) : text.length
    return { start: at + open.length, end: close === -1 || close > lineEnd ? lineEnd : close }
  }
  const end = closingQuote(text, at)
  if (!continuesWord(text, end + 1)) return { start: at + 1, end }
  return { start: at, end: endOfWord(text, at, false).end }
}

/** Matches the text after a closing quote in a list of settings, such as `A="x\\",B="y"`: supervisor knows no escapes. */
const nextSetting = /^[,;][^\S\n]?[\w.-]+=["']/
const longestSetting = 80

/** Finds the quote that closes the one at `at`; the end of the line if there is none. */
function closingQuote(text: string, at: number): number {
  const quote = text.charAt(at)
  for (let index = at + 1; index < text.length && index - at < longestValue; index++) {
    const character = text.charAt(index)
    if (character === '\n') return index
    if (character === '\\') {
      index++
      if (text.charAt(index) === quote && nextSetting.test(text.slice(index + 1, index + 1 + longestSetting)))
        return index
    } else if (character === quote && text.charAt(index + 1) === quote && index > at + 1) index++
    else if (character === quote) return index
  }
  return Math.min(text.length, at + longestValue)
}

/** Decides whether a shell would take the text after a quote as part of the same word. */
function continuesWord(text: string, at: number): boolean {
  return /^(?:[\w\\$%@!*?+~^=-]|["'][\w\\$])/.test(text.slice(at, at + 2))
}

/** @param isFirst whether its name begins the line: such a value ends with the line */
export function endOfWord(text: string, at: number, isFirst: boolean): Bounds {
  const lineEnd = endOfLine(text, at)
  if (isFirst) return { start: at, end: at + text.slice(at, lineEnd).replace(/[\s;,]+$/, '').length }
  const around = quoteAround(text, at)
  let index = at
  while (index < lineEnd && !endsWord(text, index)) {
    const character = text.charAt(index)
    if (character === '\\') index += 2
    else if (character !== '"' && character !== "'") index++
    else if (character === around) {
      if (!isWithinWord(text, index)) break
      index++
    } else {
      const close = closingQuote(text, index)
      if (close < lineEnd) index = close + 1
      else if (isWithinWord(text, index)) index++
      else break
    }
  }
  return { start: at, end: Math.min(index, lineEnd) }
}

/** Matches the text after a separator that ends a value: `a=1;b=2`, `{a:1,b:2}`, `a=1; b=2`, `"a=1,"`. */
const afterSeparator = /^(?:[\s,;"'`)\]}]|$|["']?[\w.-]+["']?\s?(?:=|:(?!\/\/)))/

function endsWord(text: string, at: number): boolean {
  const character = text.charAt(at)
  if (/\s/.test(character)) return true
  if (character !== ',' && character !== ';') return false
  // The end of a character of XML and HTML, such as `&amp;`.
  if (character === ';' && /&(?:\w{2,8}|#\w{2,8})$/.test(text.slice(Math.max(0, at - 10), at))) return false
  return afterSeparator.test(text.slice(at + 1, at + 1 + longestSetting))
}

/** An apostrophe between letters is part of a word, as in `it's`. */
function isWithinWord(text: string, at: number): boolean {
  return /\w/.test(text.charAt(at + 1))
}

const farthestQuote = 1000

/** Finds the quote that encloses an index of a line, such as that of the whole URL around `?token=…`; null if there is none. */
function quoteAround(text: string, at: number): string | null {
  const begin = Math.max(text.lastIndexOf('\n', at - 1) + 1, at - farthestQuote)
  let open: string | null = null
  for (let index = begin; index < at; index++) {
    const character = text.charAt(index)
    if (character === '\\') index++
    else if (open !== null) open = character === open ? null : open
    // An apostrophe within a word encloses nothing.
    else if ((character === '"' || character === "'") && !/\w/.test(text.charAt(index - 1))) open = character
  }
  return open
}

/**
 * Finds the scalars within brackets, without the keys of objects.
 * @param at of the opening bracket
 */
export function valuesWithin(text: string, at: number): readonly Bounds[] {
  const end = closingBracket(text, at)
  const found: Bounds[] = []
  let key: string | null = null
  const scalar = /\\{0,8}(["'])((?:\\.|(?!\1)[^\\\n])*?)\\{0,8}\1|[^\s,:[\]{}"'\\]+/g
  scalar.lastIndex = at + 1
  for (let match = scalar.exec(text); match !== null && match.index < end; match = scalar.exec(text)) {
    const isKey = /^\s*(?::|=>|=)/.test(text.slice(scalar.lastIndex, scalar.lastIndex + 20))
    const start =
      match[2] === undefined ? match.index : match.index + match[0].indexOf(match[2], match[0].search(/["']/))
    const value = { start, end: start + (match[2] ?? match[0]).length }
    if (isKey) key = match[2] ?? match[0]
    else {
      if ((key === null || !isIdentityName(key)) && !/^=?>?$/.test(match[0])) found.push(value)
      key = null
    }
  }
  return found
}

function closingBracket(text: string, at: number): number {
  let depth = 0
  const end = Math.min(text.length, at + longestValue)
  for (let index = at; index < end; index++) {
    if (/[[{]/.test(text.charAt(index))) depth++
    if (/[\]}]/.test(text.charAt(index)) && --depth === 0) return index
  }
  return end
}

const blockScalar = /[|>][+-]?\d?[+-]?[^\S\n]*(?:#.*)?(?=\n)/y

/** Finds the values in the lines below a name that are indented more than it; null if the value is on the name's own line. */
export function indentedBlock(text: string, name: number, at: number): readonly Bounds[] | null {
  blockScalar.lastIndex = at
  const isScalar = blockScalar.test(text)
  const lineEnd = isScalar ? blockScalar.lastIndex : at
  if (text.charAt(lineEnd) !== '\n') return lineEnd >= text.length ? [] : null
  const begin = text.lastIndexOf('\n', name - 1) + 1
  const indentation = /^[^\S\n]*(?:- +)?/.exec(text.slice(begin, name))?.[0].length ?? 0
  const found: Bounds[] = []
  for (let start = lineEnd + 1; start < text.length && start - at < longestValue; ) {
    const end = endOfLine(text, start)
    const line = text.slice(start, end)
    const blanks = line.length - line.trimStart().length
    const isItem = !isScalar && blanks === indentation && line.startsWith('- ', blanks)
    if (line.trim() !== '' && blanks <= indentation && !isItem) break
    found.push(...valueOfLine(line, isScalar).map((value) => ({ start: start + value.start, end: start + value.end })))
    start = end + 1
  }
  return found
}

const keyed = /^(\s*(?:- +)?(["']?)([\w.-]+)\2\s*[:=]\s*)(.*)$/

function valueOfLine(line: string, isScalar: boolean): readonly Bounds[] {
  const trimmed = line.trimEnd().replace(/(?<=["'])[,;]$/, '').length
  const key = isScalar ? null : keyed.exec(line)
  if (key !== null && (isIdentityName(key[3] ?? '') || (key[4] ?? '') === '')) return []
  const before = key?.[1] ?? /^\s*(?:- +)?/.exec(isScalar ? line.replaceAll('-', '_') : line)?.[0] ?? ''
  const text = line.slice(before.length, trimmed)
  if (text === '' || /^[\]})]+$/.test(text)) return []
  const inner = /^(["'])(.*)\1$/.test(text) ? 1 : 0
  return [{ start: before.length + inner, end: trimmed - inner }]
}

export function endOfLine(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end === -1 ? text.length : end
}
