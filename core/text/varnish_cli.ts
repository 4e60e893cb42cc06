/** Writes words of varnish-cli(7); varnishadm sends its arguments as they are. */
import { requireLine } from './writer.ts'

/**
 * Returns one word.
 * @throws Inexpressible
 */
export function varnishWord(text: string): string {
  requireLine('varnishadm', text)
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`
}
