/** Writes commands and variables for crontab(5), as Debian's cron reads them. */
import { Inexpressible, requireLine } from './writer.ts'

const language = 'cron'

/** Debian's cron drops jobs with longer commands. */
const longestCommand = 998

/**
 * Writes the command of a job. cron removes a backslash before a percent sign and before another backslash.
 * @throws Inexpressible
 */
export function cronCommand(command: string): string {
  requireLine(language, command)
  const escaped = command.replace(/\\(?=[\\%])|%/g, '\\$&')
  if (Buffer.byteLength(escaped) <= longestCommand) return escaped
  throw new Inexpressible(language, `a command of more than ${longestCommand} bytes`)
}

/**
 * Writes the value of a variable. cron removes one pair of quotes and knows no escapes.
 * @throws Inexpressible
 */
export function cronVariable(value: string): string {
  requireLine(language, value)
  if (/^[^\s'"]([^'"]*\S)?$/.test(value)) return value
  const quote = ['"', "'"].find((one) => !value.includes(one))
  if (quote !== undefined) return `${quote}${value}${quote}`
  throw new Inexpressible(language, 'both kinds of quotes')
}
