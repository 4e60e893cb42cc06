/** Writes texts of redis.conf, in double quotes, as its reader `sdssplitargs` unescapes them. */
import { requireLine } from './writer.ts'

/**
 * Returns a text in quotes.
 * @throws Inexpressible for a line break
 */
export function redisText(text: string): string {
  requireLine('redis.conf', text)
  return `"${text.replace(/[\\"]/g, (sign) => `\\${sign}`).replace(/[\x01-\x1f\x7f]/g, escapeSign)}"`
}

function escapeSign(sign: string): string {
  return `\\x${sign.charCodeAt(0).toString(16).padStart(2, '0')}`
}
