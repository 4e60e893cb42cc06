/** Words of haproxy.cfg (configuration manual, 2.2). */
import { requireLine } from './writer.ts'

/**
 * One word: within single quotes nothing has a meaning.
 * @throws Inexpressible
 */
export function haproxyWord(word: string): string {
  requireLine('haproxy.cfg', word)
  return /^[\w.,:;/@%+=~?&-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
