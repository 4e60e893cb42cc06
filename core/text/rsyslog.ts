/** Texts of rsyslog's configuration, in double quotes, as the parameters of its objects such as `action()`. */
import { requireLine } from './writer.ts'

/**
 * Returns a text in quotes.
 * @throws Inexpressible for a line break
 */
export function rsyslogText(text: string): string {
  requireLine('rsyslog', text)
  return `"${text.replace(/[\\"]/g, (sign) => `\\${sign}`)}"`
}
