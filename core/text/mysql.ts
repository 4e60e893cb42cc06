/** Writes texts and names in the SQL of MariaDB and MySQL, for an sql_mode without ANSI_QUOTES and NO_BACKSLASH_ESCAPES. */
import { requireText } from './writer.ts'

const language = 'SQL'
const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\x1a': '\\Z' }

/**
 * A text as a literal.
 * @throws Inexpressible for NUL
 */
export function mysqlText(text: string): string {
  requireText(language, text)
  return `'${text.replace(/[\\'"\n\r\x1a]/g, (sign) => escapes[sign] ?? `\\${sign}`)}'`
}

/**
 * A name of a database, table or user.
 * @throws Inexpressible for NUL
 */
export function mysqlName(name: string): string {
  requireText(language, name)
  return `\`${name.replaceAll('`', '``')}\``
}

/** The name of one database in GRANT, where _ and % are wildcards. */
export function mysqlDatabasePattern(name: string): string {
  return mysqlName(name.replace(/[_%]/g, '\\$&'))
}
