/** Words of nginx's configuration. */
import { Inexpressible, requireLine } from './writer.ts'

/**
 * One word, such as a path.
 * @throws Inexpressible for `$`, which begins a variable and has no escape
 */
export function nginxWord(text: string): string {
  requireLine('nginx', text)
  if (text.includes('$')) throw new Inexpressible('nginx', 'a $, which begins a variable')
  if (/^[^\s'"\\;{}#]+$/.test(text)) return text
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

/**
 * A name of server_name. A regular expression, which nginx reads as it is, may have a `$` in it.
 * @throws Inexpressible
 */
export function nginxName(text: string): string {
  requireLine('nginx', text)
  // A backslash at the end would take the meaning from what ends the word.
  if (/^[^\s'";{}#]+$/.test(text) && !text.endsWith('\\')) return text
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** Reads a word that `nginxWord` has written. */
export function nginxText(word: string): string {
  return word.startsWith('"') ? word.slice(1, -1).replace(/\\(["\\])/g, '$1') : word
}
