/** Commands as text. */

/** A command as a person would type it. */
export function shellWords(argv: readonly string[]): string {
  return argv.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${shellQuoted(word)}'`)).join(' ')
}

/** What stands between single quotes for a text. */
export function shellQuoted(text: string): string {
  return text.replaceAll("'", "'\\''")
}
