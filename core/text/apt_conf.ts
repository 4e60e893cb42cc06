/** Texts of apt.conf(5). */
import { Inexpressible, requireLine } from './writer.ts'

/**
 * A text in quotes.
 * @throws Inexpressible for a quote, which ends a text and cannot be written, and for a backslash
 */
export function aptText(text: string): string {
  requireLine('apt.conf', text)
  if (/["\\]/.test(text)) throw new Inexpressible('apt.conf', 'a quote or a backslash')
  return `"${text}"`
}
