/** Reads and writes unit files of systemd: systemd.syntax(7). */

export type UnitValue = string | number | boolean

/** Sections with their settings; a list becomes one line for each value. */
export type UnitSections = Readonly<Record<string, Readonly<Record<string, UnitValue | readonly UnitValue[]>>>>

/**
 * Writes sections in their order. `true` and `false` become `yes` and `no`. Values must be single lines.
 *
 *     unitText({ Service: { ExecStart: '/usr/bin/shop', Environment: ['A=1', 'B=2'] } })
 */
export function unitText(sections: UnitSections): string {
  const line = (name: string, value: UnitValue) =>
    `${name}=${typeof value === 'boolean' ? (value ? 'yes' : 'no') : value}\n`
  const texts = Object.entries(sections).map(([section, settings]) => {
    const lines = Object.entries(settings).flatMap(([name, value]) =>
      [value].flat().map((one: UnitValue) => line(name, one)),
    )
    return `[${section}]\n${lines.join('')}`
  })
  return texts.join('\n')
}

/**
 * The values of an option of a section, in order. An empty value clears those before it, also those of files that come
 * first, so several files can be read one after the other.
 *
 *     unitValues([unit, dropIn], 'Service', 'ExecStart')
 */
export function unitValues(texts: readonly string[], section: string, option: string): string[] {
  let values: string[] = []
  for (const text of texts) {
    let current = ''
    for (const line of logicalLines(text)) {
      const header = /^\[(.*)\]$/.exec(line)?.[1]
      if (header !== undefined) current = header
      const [, name, value] = /^([^=]*?)\s*=\s*(.*)$/.exec(line) ?? []
      if (header !== undefined || current !== section || name !== option) continue
      values = value ? [...values, value] : []
    }
  }
  return values
}

/** Lines without comments; a backslash at the end continues a line, also past comments. */
function logicalLines(text: string): string[] {
  const lines: string[] = []
  let open: string | null = null
  for (const line of text.split('\n')) {
    if (/^\s*[#;]/.test(line)) continue
    const continued = /\\$/.test(line)
    const part = (continued ? line.slice(0, -1) : line).trim()
    const whole: string = open === null ? part : `${open} ${part}`.trim()
    open = continued ? whole : null
    if (!continued) lines.push(whole)
  }
  if (open !== null) lines.push(open)
  return lines.filter((line) => line !== '')
}

/** The words of a command line as they are written there, quotes included. */
export function commandWords(line: string): string[] {
  return line.match(/(?:[^\s"'\\]|\\.?|"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?)+/gs) ?? []
}
