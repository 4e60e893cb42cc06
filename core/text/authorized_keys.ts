/** Parses lines of authorized_keys, and writes values of their options, as sshd(8) reads them. */
import { Inexpressible, requireLine } from './writer.ts'

const language = 'authorized_keys'

/**
 * Writes the value of an option, in quotes.
 * @throws Inexpressible for a line break, and for a backslash at the end, which would escape the closing quote
 */
export function authorizedKeyValue(value: string): string {
  requireLine(language, value)
  if (value.endsWith('\\')) throw new Inexpressible(language, 'a backslash at the end of a value')
  return `"${value.replaceAll('"', '\\"')}"`
}

export interface AuthorizedKey {
  /** As written; empty without options. */
  readonly options: string
  /** The algorithm, such as `ssh-ed25519`. */
  readonly type: string
  /** The key in base64. */
  readonly blob: string
  readonly comment: string
}

const algorithm = /^((?:sk-)?(?:ssh|ecdsa)-[\w@.-]+)[ \t]+([A-Za-z0-9+/]+={0,3})(?:[ \t]+(.*))?$/

/** Parses a line; null for a comment, a blank line, and a line without a key. */
export function parseAuthorizedKey(line: string): AuthorizedKey | null {
  const text = line.trim()
  if (text.startsWith('#')) return null
  const options = algorithm.test(text) ? '' : optionsOf(text)
  const [whole, type = '', blob = '', comment = ''] = algorithm.exec(text.slice(options.length).trimStart()) ?? []
  return whole === undefined ? null : { options, type, blob, comment: comment.trim() }
}

/** Returns the options at the beginning of a line, which end at the first blank outside of quotes. */
function optionsOf(text: string): string {
  let isQuoted = false
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\' && text[at + 1] === '"') at++
    else if (text[at] === '"') isQuoted = !isQuoted
    else if (!isQuoted && /[ \t]/.test(text[at] ?? '')) return text.slice(0, at)
  }
  return text
}
