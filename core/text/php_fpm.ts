/** Values of php-fpm's configuration, an ini file of PHP. */
import { Inexpressible, requireText } from './writer.ts'

const language = 'php-fpm'

/** Text that PHP reads unchanged without quotes: not the words that it converts. */
const plain = /^(?!(?:true|false|yes|no|on|off|null|none)$)[A-Za-z0-9_./:@+-]+$/i

/**
 * A value: within single quotes nothing has a meaning, and a single quote stands between double ones.
 * @throws Inexpressible
 */
export function phpFpmValue(text: string): string {
  requireText(language, text)
  if (plain.test(text)) return text
  if (text.includes('\n')) throw new Inexpressible(language, 'a line break')
  return text.replace(/'+|[^']+/g, (part) => (part.startsWith("'") ? `"${part}"` : `'${part}'`))
}

/** A variable that php-fpm does not have: it refuses an empty value, and takes this for one. */
const unset = '$CONVERGE_EMPTY'

/**
 * The value of a variable, `env[NAME]`.
 * @throws Inexpressible for a `$` at its start, which php-fpm takes for the name of one of its own variables
 */
export function phpFpmVariable(text: string): string {
  if (text === '') return unset
  if (text.startsWith('$')) throw new Inexpressible(language, 'a $ at the start, where it names a variable')
  return phpFpmValue(text)
}

/** Returns what is expected instead of a value of a setting (php_admin_value); null for a valid one. */
export function expectedPhpSetting(value: string): string | null {
  if (/[\0-\x08\n-\x1f\x7f-\x9f\u2028\u2029]/.test(value)) return 'text on one line'
  if (!/^("[^"]*"|'[^']*'|[^;"']*)$/.test(value))
    return 'a value that does not end at a quote or a ; (put the whole value into quotes, as in php.ini)'
  // PHP reads `\"` as a quote within the text, which would continue on the next line.
  if (/^"(?:.*[^\\])?\\(?:\\\\)*"$/.test(value))
    return 'a value without a backslash before its closing quote (put it into single quotes)'
  if (!isPhpFpmExpression(value))
    return 'a value without ( ) = | & ^ ~ !, which are operators of php-fpm (put the whole value into quotes)'
  if (value.includes('${') && !value.startsWith("'"))
    return 'a value without ${, which php-fpm replaces by a variable (put it into single quotes)'
  return null
}

/**
 * Whether php-fpm can read a value that its author wrote for an ini file, such as `E_ALL & ~E_NOTICE`: without quotes some
 * signs are operators, and php-fpm does not start with an expression that has no meaning.
 */
export function isPhpFpmExpression(value: string): boolean {
  if (/^["']/.test(value) || value.trim() === '') return true
  const term = '\\s*(?:[~!]\\s*)*(?:[^|&^~!()="\';\\x01]+|\\x01\\s*)'
  const expression = `${term}(?:[|&^]${term})*`
  const group = new RegExp(`\\(${expression}\\)`, 'g')
  let reduced = value.replaceAll('\x01', '=').replace(/\s+/g, ' ')
  for (let before = ''; before !== reduced; ) {
    before = reduced
    reduced = reduced.replace(group, '\x01')
  }
  return new RegExp(`^${expression}$`).test(reduced)
}
