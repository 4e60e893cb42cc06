/** Finds a text however a writer has spelled it: quoted, escaped, doubled or encoded. */

/** From the first character to the one after the last. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** How often one backslash may have been escaped on its way through several languages. */
const backslashes = '\\\\{0,8}'

/** supervisor's expansion to nothing, which keeps a character from its special meaning. */
const emptyExpansion = '(?:%\\(here\\)\\.0s)?'

const namedEntities: Readonly<Record<string, string>> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": 'apos' }

/** Control characters that C, JSON and Python write as a backslash and a letter. */
const escapeLetters: Readonly<Record<string, string>> = {
  '\0': '0',
  '\x07': 'a',
  '\b': 'b',
  '\t': 't',
  '\n': 'n',
  '\v': 'v',
  '\f': 'f',
  '\r': 'r',
  '\x1b': 'e',
}

/** Characters that a language doubles to mean them literally. */
const doubled = new Set(['%', '$', "'", '"', '{', '}'])

/** The longest spelling of one character: four bytes, each as `%25F0`. */
const longestSpelling = 20

/** Finds a text in others, in each of its spellings. */
export class Spelling {
  private readonly characters: readonly string[]
  /** The longest part that every writer leaves as it is. */
  private readonly anchor: string
  /** Number of characters before the anchor. */
  private readonly before: number

  /** @param text not empty */
  constructor(readonly text: string) {
    const parts = [...text.matchAll(/[A-Za-z0-9]+/g)]
    const longest = parts.reduce<RegExpMatchArray | undefined>(
      (best, part) => (part[0].length > (best?.[0].length ?? 0) ? part : best),
      undefined,
    )
    this.anchor = longest?.[0] ?? ''
    this.before = [...text.slice(0, longest?.index ?? 0)].length
    this.characters = [...text]
  }

  /** Returns the positions of the text in another one: as it is; with backslashes; doubled; as in XML, JSON, a URL or a shell. */
  in(text: string): readonly Span[] {
    const found: Span[] = []
    let from = 0
    for (let at = text.indexOf(this.anchor); at >= 0 && at < text.length; at = text.indexOf(this.anchor, at + 1)) {
      if (at < from) continue
      const span = this.around(text, at, from)
      if (span === null) continue
      found.push(span)
      from = span.end
    }
    return found
  }

  /** The longest spelling whose anchor is at an index, if there is one. */
  private around(text: string, anchor: number, from: number): Span | null {
    const ends = this.endsOf(text, new Set([anchor]), this.before, this.characters.length)
    if (ends.size === 0) return null
    const earliest = Math.max(from, anchor - this.before * longestSpelling)
    for (let start = earliest; start <= anchor; start++)
      if (this.endsOf(text, new Set([start]), 0, this.before).has(anchor)) return { start, end: Math.max(...ends) }
    return null
  }

  /** The indexes at which a spelling of some of the characters may end, from any of the given starts. */
  private endsOf(text: string, starts: ReadonlySet<number>, first: number, end: number): ReadonlySet<number> {
    let positions = starts
    for (let index = first; index < end && positions.size > 0; index++) {
      const character = this.characters[index] ?? ''
      const next = new Set<number>()
      for (const position of positions) addEnds(text, position, character, next)
      positions = next
    }
    return positions
  }
}

/** Adds each index at which a spelling of the character ends that begins at `start`. */
function addEnds(text: string, start: number, character: string, ends: Set<number>): void {
  if (/[A-Za-z0-9]/.test(character)) {
    if (text[start] === character) ends.add(start + 1)
    return
  }
  for (const form of formsOf(character)) {
    form.lastIndex = start
    if (form.test(text)) ends.add(form.lastIndex)
  }
}

const forms = new Map<string, readonly RegExp[]>()

function formsOf(character: string): readonly RegExp[] {
  const known = forms.get(character)
  if (known !== undefined) return known
  const before = '#;('.includes(character) ? emptyExpansion : ''
  const patterns = spellingsOf(character).map((form) => new RegExp(`${before}${form}`, 'y'))
  forms.set(character, patterns)
  return patterns
}

/** The spellings of one character, as sources of regular expressions. */
function spellingsOf(character: string): string[] {
  const code = character.codePointAt(0) ?? 0
  const raw = /[\\^$.*+?()[\]{}|/]/.test(character) ? `\\${character}` : character
  const encodings = [
    `${backslashes}${raw}`,
    percentEncoded(character),
    `&#0*${code};`,
    `&#[xX]0*${anyCase(code.toString(16))};`,
    inJson(character),
  ]
  if (code < 256)
    encodings.push(
      `\\\\{1,8}x${anyCase(code.toString(16).padStart(2, '0'))}`,
      `\\\\{1,8}0?${code.toString(8).padStart(3, '0')}`,
    )
  if (code >= 128) encodings.push(byBytes(character, 'x', 16, 2), byBytes(character, '0?', 8, 3))
  const named = namedEntities[character]
  if (named !== undefined) encodings.push(`&${named};`)
  if (doubled.has(character)) for (const times of [2, 4]) encodings.push(`${backslashes}${raw}{${times}}`)
  if (character === '\\') for (const times of [1, 2, 4, 8]) encodings.push(`\\\\{${times}}`)
  if (character === "'") encodings.push(`'\\\\{1,8}''`, `'"'"'`)
  if (character === ' ') encodings.push('\\+')
  // The next line of a value may be indented; blanks of its own may follow the indentation.
  if (character === '\n')
    encodings.push('\\r?\\n[ \\t]*', ...Array.from({ length: 9 }, (_, blanks) => `\\r?\\n[ \\t]{${blanks}}`))
  const letter = escapeLetters[character]
  if (letter !== undefined) encodings.push(`\\\\{1,8}${letter}`)
  return encodings
}

function anyCase(hexadecimal: string): string {
  return [...hexadecimal].map((digit) => (/[a-f]/.test(digit) ? `[${digit}${digit.toUpperCase()}]` : digit)).join('')
}

/** A lone surrogate has no form in a URL but that of the character that replaces it. */
function percentEncoded(character: string): string {
  const bytes = [...Buffer.from(character, 'utf8')]
  return bytes.map((byte) => `%(?:25)?${anyCase(byte.toString(16).padStart(2, '0'))}`).join('')
}

/** A character outside of ASCII as its bytes in UTF-8, each with a backslash: `\\303\\274`, `\\xc3\\xbc`. */
function byBytes(character: string, sign: string, base: number, digits: number): string {
  const bytes = [...Buffer.from(character, 'utf8')]
  return bytes.map((byte) => `\\\\{1,8}${sign}${anyCase(byte.toString(base).padStart(digits, '0'))}`).join('')
}

function inJson(character: string): string {
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index))
  return units.map((unit) => `\\\\{1,8}u${anyCase(unit.toString(16).padStart(4, '0'))}`).join('')
}

/** In order, without overlaps. */
export function mergeSpans(spans: Span[]): readonly Span[] {
  const result: Span[] = []
  for (const span of spans.sort((a, b) => a.start - b.start || b.end - a.end)) {
    const last = result.at(-1)
    if (last === undefined || span.start >= last.end) result.push(span)
    else result[result.length - 1] = { start: last.start, end: Math.max(last.end, span.end) }
  }
  return result
}
