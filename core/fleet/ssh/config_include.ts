/** Finds the files that an Include of ssh_config names, as glob(3) does. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { asConvergeError } from '../../model/errors.ts'

/**
 * Finds the files that match a pattern.
 * @param path absolute, with `*`, `?`, `[…]` and `\` as in glob(3); braces have no meaning
 * @returns in the order of bytes
 */
export function expandGlob(path: string): string[] {
  let found = ['/']
  for (const part of path.split('/').filter((name) => name !== ''))
    found = found.flatMap((directory) => {
      if (!/[*?[]/.test(part)) return [join(directory, part.replace(/\\(.)/g, '$1'))]
      const pattern = globPattern(part)
      const includesHidden = part.startsWith('.')
      const names = namesIn(directory).filter((name) => pattern.test(name) && (includesHidden || !name.startsWith('.')))
      return names.sort().map((name) => join(directory, name))
    })
  return found
}

/** Builds an expression for one name of a path; case matters. */
function globPattern(glob: string): RegExp {
  let source = ''
  for (let at = 0; at < glob.length; at++) {
    const char = glob[at] ?? ''
    const set = char === '[' ? bracketAt(glob, at) : null
    if (set !== null) {
      source += set.source
      at = set.end
    } else if (char === '*') source += '.*'
    else if (char === '?') source += '.'
    else if (char === '\\' && at + 1 < glob.length) source += escapePattern(glob[++at] ?? '')
    else source += escapePattern(char)
  }
  return new RegExp(`^${source}$`, 'su')
}

const escapePattern = (char: string) => char.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
/** Escapes a character of a set, in which a dash has a meaning. */
const escapedMember = (char: string) => (char === '-' ? '\\-' : escapePattern(char))

/** Parses a set such as `[0-9]`, `[!a-c]` or `[[:digit:]]`; null where it is not closed, and so is literal. */
function bracketAt(glob: string, start: number): { readonly source: string; readonly end: number } | null {
  const [, negation = ''] = /^\[([!^]?)/.exec(glob.slice(start)) ?? []
  let at = start + 1 + negation.length
  let members = ''
  for (let isFirst = true; at < glob.length; isFirst = false) {
    const char = glob[at] ?? ''
    if (char === ']' && !isFirst) {
      return members === '' ? { source: '(?!)', end: at } : { source: `[${negation && '^'}${members}]`, end: at }
    }
    const [named, name = ''] = /^\[:(\w+):\]/.exec(glob.slice(at)) ?? []
    if (named !== undefined) {
      members += classes[name] ?? ''
      at += named.length
      continue
    }
    const [whole = char, low = char, high] = /^(\\?.)(?:-(\\?[^\]]))?/su.exec(glob.slice(at)) ?? []
    members += range(low, high)
    at += whole.length
  }
  return null
}

function range(low: string, high: string | undefined): string {
  const plain = (text: string) => (text.length > 1 && text.startsWith('\\') ? text.slice(1) : text)
  if (high === undefined) return escapedMember(plain(low))
  // A range with its end before its beginning is empty.
  return plain(low) <= plain(high) ? `${escapedMember(plain(low))}-${escapedMember(plain(high))}` : ''
}

const classes: Readonly<Record<string, string>> = {
  digit: '0-9',
  lower: 'a-z',
  upper: 'A-Z',
  alpha: 'a-zA-Z',
  alnum: 'a-zA-Z0-9',
  xdigit: '0-9a-fA-F',
  punct: '!-\\/:-@\\[-`{-~',
  space: '\\s',
  blank: ' \\t',
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return []
    throw asConvergeError(thrown)
  }
}
