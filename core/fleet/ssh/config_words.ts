/** Splits the lines of ssh_config into a keyword and its arguments, as OpenSSH does. */

export interface ConfigLine {
  /** In lower case. */
  readonly keyword: string
  readonly values: readonly string[]
}

/** Keywords whose value is the rest of the line, unchanged and with its quotes. */
const unsplit = new Set(['proxycommand', 'proxyjump', 'localcommand', 'remotecommand', 'knownhostscommand'])

/**
 * Splits one line.
 * @returns null for an empty line or a comment
 * @throws Error with the reason
 */
export function splitLine(text: string): ConfigLine | null {
  const line = text.replace(/[ \t\r\n\f]+$/, '').replace(/^[ \t]+/, '')
  if (line === '' || line.startsWith('#')) return null
  const first = nextWord(line)
  if (first === null) throw new Error('a quote is not closed')
  const keyword = first.word.toLowerCase()
  const rest = first.rest.replace(/^[ \t\r\n]+/, '')
  if (rest === '') throw new Error(`${keyword} has no value`)
  if (unsplit.has(keyword)) {
    const value = rest.replace(/^[ \t\r\n=]+/, '')
    return { keyword, values: [keyword === 'proxyjump' ? value.replace(/[ \t]*#.*$/, '') : value] }
  }
  const values = keyword === 'match' ? wordsOf(rest) : argumentsOf(rest)
  if (values.length === 0 || values[0] === '') throw new Error(`${keyword} has no value`)
  return { keyword, values }
}

/** Splits off a word like strdelim() of OpenSSH: words end at a blank, at a quote, and at one `=`. */
function nextWord(text: string): { readonly word: string; readonly rest: string } | null {
  const at = text.search(/[ \t\r\n"=]/)
  if (at < 0) return { word: text, rest: '' }
  if (text[at] === '"') {
    const end = text.indexOf('"', at + 1)
    if (end < 0) return null
    return { word: text.slice(0, at) + text.slice(at + 1, end), rest: text.slice(end + 1).replace(/^[ \t\r\n]+/, '') }
  }
  const rest = text.slice(at + 1).replace(/^[ \t\r\n]+/, '')
  const isSeparated = text[at] !== '=' && rest.startsWith('=')
  return { word: text.slice(0, at), rest: isSeparated ? rest.slice(1).replace(/^[ \t\r\n]+/, '') : rest }
}

function wordsOf(text: string): string[] {
  const words: string[] = []
  for (let rest = text; rest !== ''; ) {
    const next = nextWord(rest)
    if (next === null) throw new Error('a quote is not closed')
    if (next.word === '' || next.word.startsWith('#')) break
    words.push(next.word)
    rest = next.rest
  }
  return words
}

/**
 * Splits like argv_split() of OpenSSH: quotes of both kinds anywhere in a word, a comment at the end. `\` escapes
 * quotes, blanks and itself.
 */
function argumentsOf(text: string): string[] {
  const values: string[] = []
  let word: string | null = null
  let quote = ''
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? ''
    const next = text[at + 1] ?? ''
    const isBlank = char === ' ' || char === '\t'
    if (word === null && isBlank) continue
    if (word === null && char === '#') break
    word ??= ''
    if (char === '\\' && (/['"\\]/.test(next) || (quote === '' && next === ' '))) {
      word += next
      at++
    } else if (quote === '' && isBlank) {
      values.push(word)
      word = null
    } else if (quote === '' && (char === '"' || char === "'")) quote = char
    else if (char === quote) quote = ''
    else word += char
  }
  if (quote !== '') throw new Error('a quote is not closed')
  return word === null ? values : [...values, word]
}
