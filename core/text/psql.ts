/** Writes values of variables for psql(1), which SQL refers to as :'name' and :"name". */
import { Inexpressible, requireText } from './writer.ts'

const language = 'psql'

/**
 * The command that sets a variable to a text. SQL after it writes the text as a literal, :'name', or as an identifier, :"name".
 * @param name lower-case letters; psql's own variables have upper-case names
 * @throws Inexpressible for NUL, which PostgreSQL cannot store
 */
export function psqlSet(name: string, text: string): string {
  if (!/^[a-z]\w*$/.test(name)) throw new Inexpressible(language, 'such a name of a variable')
  requireText(language, text)
  const quoted = text.replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r')
  return `\\set ${name} '${quoted}'\n`
}
