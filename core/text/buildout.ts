/** Writes values of a buildout configuration. */
import { Inexpressible, pythonSpace, requireLine } from './writer.ts'

const language = 'buildout'
const blankEdge = new RegExp(`^[${pythonSpace}]|[${pythonSpace}]$`)

/**
 * Returns the value of an option, on one line.
 * @throws Inexpressible for text that buildout replaces or removes, because buildout has no escapes
 */
export function buildoutValue(text: string): string {
  requireLine(language, text)
  if (blankEdge.test(text)) throw new Inexpressible(language, 'a blank at either end')
  if (/\$\{[^}]*\}/.test(text.replaceAll('$$', '')))
    throw new Inexpressible(language, `\${...}, which refers to an option`)
  return text
}

/**
 * Returns a value that a recipe copies into a configuration of ZConfig, such as zope.conf.
 * @throws Inexpressible
 */
export function buildoutValueForZope(text: string): string {
  return buildoutValue(text.replaceAll('$', '$$$$'))
}
