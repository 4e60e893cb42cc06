/** Writes commands for sudoers(5). */
import { Inexpressible, requireLine } from './writer.ts'

const language = 'sudoers'

/**
 * A command with its arguments. Wildcards keep their meaning, and a backslash still escapes the character after it.
 * @throws Inexpressible for a line break, and for a backslash at the end, which would continue the line
 */
export function sudoersCommand(command: string): string {
  requireLine(language, command)
  if (/(^|[^\\])(\\\\)*\\$/.test(command)) throw new Inexpressible(language, 'a backslash at the end of a command')
  return command.replace(/\\.|[,:=#]/g, (sign) => (sign.length === 2 ? sign : `\\${sign}`))
}
