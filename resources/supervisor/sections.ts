/** Configuration files of supervisord, as far as they say which programs there are. */

export interface Section {
  /** What comes before the colon, such as `program`. */
  readonly type: string
  /** What comes after it. */
  readonly name: string
  readonly options: ReadonlyMap<string, string>
}

const header = /^\[([^\]:]+)(?::([^\]]*))?\]/
const option = /^([^\s=:;#][^=:]*?)\s*[=:]\s*(.*)$/

/** The sections of a file, as Python's RawConfigParser reads them; lines that it would refuse are left out. */
export function sectionsOf(text: string): Section[] {
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
 * Whether supervisord can read a file that converge wrote; one unreadable file keeps it from reading any. A file that
 * ends within a line was cut short, and its last value may be wrong in any way.
 */
export function isReadable(text: string): boolean {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !/^\s*[;#]/.test(line))
  const isKnown = (line: string) => header.test(line) || option.test(line) || /^\s/.test(line)
  const begins = lines[0] === undefined || header.test(lines[0])
  const isWhole = ({ type, options }: Section) =>
    !programTypes.includes(type) || (options.has('command') && isEnvironment(options.get('environment') ?? ''))
  const ends = text === '' || text.endsWith('\n')
  return begins && ends && lines.every(isKnown) && sectionsOf(text).every(isWhole)
}

/** As supervisor/datatypes.py looks at it: three tokens for each variable, and a fourth between two variables. */
function isEnvironment(value: string): boolean {
  const tokens = value.match(/"[^"]*"|'[^']*'|[\w/.+\-():][\w/.+\-():"']*|\S/g) ?? []
  for (let index = 0; index < tokens.length; index += 4) {
    const [, equals, text] = tokens.slice(index, index + 3)
    if (equals !== '=' || text === undefined || text === '"' || text === "'") return false
  }
  return true
}

/** What names a program, or takes one into its group. */
export const programTypes: readonly string[] = ['program', 'eventlistener', 'fcgi-program']

/** The programs that a section `[group:x]` takes. */
export function programsOfGroup({ options }: Section): string[] {
  return (options.get('programs') ?? '').split(/[\s,]+/).filter((name) => name !== '')
}
