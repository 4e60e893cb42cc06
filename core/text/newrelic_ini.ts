/** Values of newrelic.ini, which the agent reads with RawConfigParser of any Python. */
import { Inexpressible, pythonSpace, requireLine } from './writer.ts'

const language = 'newrelic.ini'
const blankEdge = new RegExp(`^[${pythonSpace}]|[${pythonSpace}]$`)

/**
 * The value of an option, on one line.
 * @throws Inexpressible for what the parser drops, and for `;`, which separates names of applications
 */
export function newRelicValue(text: string): string {
  requireLine(language, text)
  if (blankEdge.test(text)) throw new Inexpressible(language, 'a blank at either end')
  if (text.includes(';')) throw new Inexpressible(language, 'a semicolon')
  // RawConfigParser splits a file into lines at these as well.
  if (/[\v\f\x1c-\x1e\x85\u2028\u2029]/.test(text)) throw new Inexpressible(language, 'a line break')
  return text
}
