/** Parses supervisord's configuration files to find the programs that they define. */

export interface Section {
  /** The part before the colon, such as `program`. */
  readonly type: string
  /** The part after the colon. */
  readonly name: string
  readonly options: ReadonlyMap<string, string>
}

const header = /^\[([^\]:]+)(?::([^\]]*))?\]/
const option = /^([^\s=:;#][^=:]*?)\s*[=:]\s*(.*)$/

/** Returns the sections of a file, as Python's RawConfigParser reads them; leaves out lines that it would reject. */
export function parseSections(text: string): Section[] {
  const sections: { type: string; name: string; options: Map<string, string> }[] = []
  let last: string | null = null
  for (const line of text.split('\n')) {
    if (line.trim() === '' || /^\s*[;#]/.test(line)) continue
    const found = header.exec(line)
    const options = sections.at(-1)?.options
    if (found) {
      sections.push({ type: (found[1] ?? '').trim(), name: (found[2] ?? '').trim(), options: new Map() })
      last = null
    } else if (/^\s/.test(line)) {
      if (last !== null && options) options.set(last, `${options.get(last) ?? ''}\n${withoutComment(line)}`)
    } else {
      const [, name, value] = option.exec(line) ?? []
      last = name?.toLowerCase() ?? null
      if (last !== null) options?.set(last, withoutComment(value ?? ''))
    }
  }
  return sections
}

function withoutComment(value: string): string {
  return value.replace(/(^|\s)[;#].*$/, '').trim()
}

/**
 * Decides whether supervisord can read a file that converge wrote; one unreadable file prevents it from reading any. A
 * file that ends within a line is truncated, and its last value may be wrong in any way.
 */
export function isReadable(text: string): boolean {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !/^\s*[;#]/.test(line))
  const isKnown = (line: string) => header.test(line) || option.test(line) || /^\s/.test(line)
  const begins = lines[0] === undefined || header.test(lines[0])
  const isWhole = ({ type, options }: Section) =>
    !programTypes.includes(type) || (options.has('command') && isEnvironment(options.get('environment') ?? ''))
  const ends = text === '' || text.endsWith('\n')
  return begins && ends && lines.every(isKnown) && parseSections(text).every(isWhole)
}

/**
 * Decides whether an environment is valid for supervisor/datatypes.py: three tokens for each variable, and a fourth
 * between two variables.
 */
function isEnvironment(value: string): boolean {
  const tokens = value.match(/"[^"]*"|'[^']*'|[\w/.+\-():][\w/.+\-():"']*|\S/g) ?? []
  for (let index = 0; index < tokens.length; index += 4) {
    const [, equals, text] = tokens.slice(index, index + 3)
    if (equals !== '=' || text === undefined || text === '"' || text === "'") return false
  }
  return true
}

/** Section types that define a program. */
export const programTypes: readonly string[] = ['program', 'eventlistener', 'fcgi-program']

/** Returns the programs that a section `[group:x]` contains. */
export function groupPrograms({ options }: Section): string[] {
  return (options.get('programs') ?? '').split(/[\s,]+/).filter((name) => name !== '')
}
