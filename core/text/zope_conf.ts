/** Writes the environment variables of a Zope client, which pass through buildout into `<environment>` of zope.conf (ZConfig). */
import { Inexpressible, pythonSpace, requireText } from './writer.ts'

const language = 'zope.conf'

/** Characters that end a line for plone.recipe.zope2instance, which writes the file again with Python's `splitlines`. */
const lineEnds = /[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/
const blankStart = new RegExp(`^[${pythonSpace}]`)
const blanks = new RegExp(`[${pythonSpace}]+`)
const blankEnd = new RegExp(`[${pythonSpace}]$`)

/** A definition of ZConfig for the empty text. Beside it, blanks are not at an end of the value, where ZConfig removes them. */
const emptyDefinition = '$converge_nothing'
const definitionLine = '%define converge_nothing'

/**
 * One variable as a line of `environment-vars`. `$` begins a substitution in both languages, and `$$` is none: ZConfig
 * reads one `$` there, and buildout passes it on as it is.
 * @throws Inexpressible
 */
function zopeVariable(name: string, value: string): string {
  requireText(language, value)
  if (lineEnds.test(value)) throw new Inexpressible(language, 'a line break, or what Python takes for one')
  if (value === '') return name
  const [before, after] = [blankStart.test(value) ? emptyDefinition : '', blankEnd.test(value) ? emptyDefinition : '']
  return `${name} ${before}${value.replaceAll('$', '$$$$')}${after}`
}

export interface ZopeEnvironment {
  /** Lines of the option `environment-vars`. */
  readonly lines: readonly string[]
  /** Names of the variables that this option cannot hold; the process gets them only from its environment. */
  readonly missing: readonly string[]
}

/** All variables, in the order given. */
export function zopeEnvironment(environment: Readonly<Record<string, string>>): ZopeEnvironment {
  const lines: string[] = []
  const missing: string[] = []
  for (const [name, value] of Object.entries(environment))
    try {
      lines.push(zopeVariable(name, value))
    } catch (thrown) {
      if (!(thrown instanceof Inexpressible)) throw thrown
      missing.push(name)
    }
  // One line alone is split at its blanks: every second word would be the value of the one before.
  const [first = '', ...more] = lines
  const isSplit = more.length === 0 && lines.length === 1 && first.split(blanks).length !== 2
  const requiresDefinition = isSplit || lines.some((line) => line.includes(emptyDefinition))
  return { lines: requiresDefinition ? [definitionLine, ...lines] : lines, missing }
}
