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

/** Whether supervisord can read a whole file; one that it cannot read keeps it from reading any. */
export function isReadable(text: string): boolean {
  // A file that was cut off ends within a line.
  if (text !== '' && !text.endsWith('\n')) return false
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !/^\s*[;#]/.test(line))
  const isKnown = (line: string) => header.test(line) || option.test(line) || /^\s/.test(line)
  const begins = lines[0] === undefined || header.test(lines[0])
  return begins && lines.every(isKnown) && sectionsOf(text).every(isWhole)
}

const flag = /^(true|false|on|off|yes|no|1|0)$/i
const count = /^\d+$/
/** One `NAME=value`, quoted or not. */
const pair = `[^\\s=,"']+\\s*=\\s*(?:"[^"]*"|'[^']*'|[^\\s,"']+)+`

/** Values that supervisord refuses to read otherwise, such as those of a file that was cut off. */
const values: Readonly<Record<string, RegExp>> = {
  command: /\S/,
  environment: new RegExp(`^(?:${pair}(?:\\s*,\\s*${pair})*\\s*,?)?$`),
  autostart: flag,
  autorestart: /^(true|false|on|off|yes|no|1|0|unexpected)$/i,
  startsecs: count,
  startretries: count,
  stopwaitsecs: count,
  stopsignal: /^(SIG)?[A-Z]+\d?$/i,
  stopasgroup: flag,
  redirect_stderr: flag,
  stdout_logfile_maxbytes: /^\d+([KMG]B)?$/i,
  stdout_logfile_backups: count,
  stderr_logfile_backups: count,
}

function isWhole({ type, options }: Section): boolean {
  if (!programTypes.includes(type)) return true
  const isRight = ([name, value]: [string, string]) => values[name]?.test(value) !== false
  return options.has('command') && [...options].every(isRight)
}

/** What names a program, or takes one into its group. */
export const programTypes: readonly string[] = ['program', 'eventlistener', 'fcgi-program']

/** The programs that a section `[group:x]` takes. */
export function programsOfGroup({ options }: Section): string[] {
  return (options.get('programs') ?? '').split(/[\s,]+/).filter((name) => name !== '')
}
