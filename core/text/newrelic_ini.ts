/** Writes values of newrelic.ini, which the agent reads with the RawConfigParser of any Python. */
import { Inexpressible, pythonSpace, requireLine } from './writer.ts'

const language = 'newrelic.ini'
const blankEdge = new RegExp(`^[${pythonSpace}]|[${pythonSpace}]$`)

/**
 * Returns the value of an option, on one line.
 * @throws Inexpressible for what the parser removes, and for `;`, which separates names of applications
 */
export function newRelicValue(text: string): string {
  requireLine(language, text)
  if (blankEdge.test(text)) throw new Inexpressible(language, 'a blank at either end')
  if (text.includes(';')) throw new Inexpressible(language, 'a semicolon')
  // RawConfigParser also ends a line at these characters.
  if (/[\v\f\x1c-\x1e\x85\u2028\u2029]/.test(text)) throw new Inexpressible(language, 'a line break')
  return text
}
