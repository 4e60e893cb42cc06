/** Words of a POSIX shell, and of what splits a line as a shell does. */

/** One word; plain words stay as they are. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${shellQuoted(word)}'`
}

/** A command as a person would type it. */
export function shellWords(argv: readonly string[]): string {
  return argv.map(shellWord).join(' ')
}

/** Escapes a text for single quotes. */
export function shellQuoted(text: string): string {
  return text.replaceAll("'", "'\\''")
}

/** Returns the program of a command line; empty for a line without words. */
export function programIn(line: string): string {
  return shellUnquoted(firstWord.exec(line)?.[1] ?? '')
}

const firstWord = /^\s*((?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+)/s

/**
 * A command line whose program is found wherever it starts: a program with a slash that is not absolute is taken from
 * `directory`, a bare name from the PATH, an absolute path as it is.
 */
export function commandIn(directory: string, line: string): string {
  const [whole = '', word = ''] = firstWord.exec(line) ?? []
  const program = shellUnquoted(word)
  if (!program.includes('/') || program.startsWith('/')) return line
  return `${shellWord(`${directory}/${program.replace(/^(\.\/+)+/, '')}`)}${line.slice(whole.length)}`
}

/** A word as a shell reads it. */
export function shellUnquoted(text: string): string {
  return text.replace(/'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/gs, (_, single?: string, double?: string, one?: string) => {
    if (single !== undefined) return single
    return double === undefined ? (one ?? '') : double.replace(/\\(["\\$`])/g, '$1')
  })
}
