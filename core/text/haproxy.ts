/** Writes words of haproxy.cfg (configuration manual, 2.2). */
import { requireLine } from './writer.ts'

/**
 * Writes one word; within single quotes, no character has a special meaning.
 * @throws Inexpressible
 */
export function haproxyWord(word: string): string {
  requireLine('haproxy.cfg', word)
  return /^[\w.,:;/@%+=~?&-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
