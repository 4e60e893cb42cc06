/** Parses the INI dialect of buildout and supervisor in the same way as buildout, to compare files by meaning. */

/** Section -> option -> lines of its value; `name +=` keeps its operator, and `<=` is the option `<`. */
export type Ini = Record<string, Record<string, string[]>>

export function parseIni(text: string): Ini {
  const sections: Ini = {}
  let section: Record<string, string[]> | undefined
  let value: string[] | undefined
  text.split('\n').forEach((line, index) => {
    if (line.trim() === '' || /^[#;]/.test(line)) return
    if (/^\s/.test(line)) {
      if (value === undefined) throw new Error(`line ${index + 1}: a continuation of nothing: ${line}`)
      value.push(line.trim())
      return
    }
    const header = /^\[([^\s#[\]:;{}]+)\]\s*$/.exec(line)?.[1]
    if (header !== undefined) {
      section = sections[header] ?? {}
      sections[header] = section
      value = undefined
      return
    }
    const pair = /^([^\s{}[\]=:+]+)\s*(\+?)=(.*)$/.exec(line)
    if (section === undefined || pair === null)
      throw new Error(`line ${index + 1}: neither section nor option: ${line}`)
    const [, name = '', plus = '', first = ''] = pair
    value = first.trim() === '' ? [] : [first.trim()]
    section[plus === '' ? name : `${name} +=`] = value
  })
  return sections
}
