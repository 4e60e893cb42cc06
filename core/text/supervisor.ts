/** Options of supervisord's configuration: an ini file whose values are expanded with Python's `%` and lose their comments. */
import { posix } from 'node:path'
import { Inexpressible, pythonSpace, requireText } from './writer.ts'

const language = 'supervisor'

/** Expands to nothing. Put before a character, it keeps supervisor from reading a comment or a blank at the end. */
const nothing = '%(here).0s'

const commentStart = new RegExp(`(^|[${pythonSpace}])(?=[;#])`, 'g')
const blankStart = new RegExp(`^(?=[${pythonSpace}])`)
const blankEnd = new RegExp(`(?<=[${pythonSpace}])$`)

/**
 * Writes the value of an option. `;` and `#` begin a comment after a blank, even within quotes. supervisor replaces
 * `%(here)s` before it parses the value. Further lines are indented, as an ini file continues a value.
 * @throws Inexpressible
 */
export function supervisorValue(text: string): string {
  requireText(language, text)
  if (text.includes('\r')) throw new Inexpressible(language, 'a carriage return')
  const [first = '', ...more] = text.split('\n').map(literal)
  return [first, ...more.map((line) => ` ${nothing}${line}`)].join('\n')
}

function literal(line: string): string {
  return line
    .replaceAll('%', '%%')
    .replaceAll('%(here)s', `%${nothing}(here)s`)
    .replace(commentStart, `$1${nothing}`)
    .replace(blankStart, nothing)
    .replace(blankEnd, nothing)
}

/**
 * The value of one variable in the option `environment`, before it is written with `supervisorValue`. supervisor takes
 * every quote off both ends of it, and knows no escape for the quote around it.
 * @throws Inexpressible
 */
export function supervisorVariable(value: string): string {
  supervisorValue(value)
  if (/^['"]|['"]$/.test(value)) throw new Inexpressible(language, 'a quote at either end')
  if (!value.includes('"')) return `"${value}"`
  if (!value.includes("'")) return `'${value}'`
  throw new Inexpressible(language, 'both kinds of quotes')
}

/**
 * The files of `[include]`: a pattern that supervisord splits at blanks and expands. It is relative to the directory of
 * the configuration, which is not split; without blanks it stands as it is.
 * @throws Inexpressible
 */
export function supervisorInclude(config: string, directory: string): string {
  const hasBlank = (path: string) => new RegExp(`[${pythonSpace}]`).test(path)
  if (!hasBlank(directory)) return supervisorValue(`${inPattern(directory)}/*.conf`)
  const from = posix.dirname(config)
  const relative = posix.relative(from, directory)
  if (hasBlank(relative)) throw new Inexpressible(language, `a blank in a path of [include] that is not below ${from}`)
  if (/[*?[]/.test(from)) throw new Inexpressible(language, 'both a blank and one of * ? [ in the path of its programs')
  return supervisorValue(`${inPattern(relative)}/*.conf`)
}

function inPattern(path: string): string {
  return path.replace(/[*?[]/g, '[$&]')
}
