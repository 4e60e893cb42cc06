/** Compares the process of a systemd unit with the files of the unit: systemd itself compares them only with what it has read. */
import type { HostReader } from '../../core/host/types.ts'

/** What the files of a unit say of its process. */
export interface DeclaredProcess {
  readonly words: readonly string[]
  /** `NAME=value` each; none where other settings of the unit decide about variables too. */
  readonly environment: readonly string[]
}

/** Settings that change the variables that `Environment=` gives. */
const otherVariables = ['EnvironmentFile', 'PassEnvironment', 'UnsetEnvironment', 'PAMName']

/**
 * What the files of a unit say together, in the order in which systemd reads them.
 * @returns null for several commands, and for what systemd replaces or quotes
 */
export function declaredProcess(texts: readonly string[]): DeclaredProcess | null {
  let commands: string[] = []
  let variables = new Map<string, string>()
  let areKnown = true
  for (const [name, value] of texts.flatMap(serviceSettings)) {
    if (name === 'ExecStart') commands = value === '' ? [] : [...commands, value]
    else if (otherVariables.includes(name)) areKnown = false
    else if (name === 'Environment' && value === '') variables = new Map()
    else if (name === 'Environment' && !isPlain(value)) areKnown = false
    else if (name === 'Environment') for (const one of wordsOf(value)) variables.set(one.replace(/=.*$/, ''), one)
  }
  const command = commands[0]?.replace(/^[-+!:]+/, '')
  if (command === undefined || commands.length > 1 || !isPlain(command)) return null
  const words = wordsOf(command)
  if (!words[0]?.startsWith('/') || words.includes(';')) return null
  return { words, environment: areKnown ? [...variables.values()] : [] }
}

/** The settings of the section `[Service]`, by systemd.syntax(7). */
function serviceSettings(text: string): [name: string, value: string][] {
  let section = ''
  const lines = text.replace(/\\\n(?:\s*[#;].*\n)*/g, ' ').split('\n')
  return lines.flatMap((line): [string, string][] => {
    const header = /^\s*\[(.+)\]\s*$/.exec(line)?.[1]
    if (header !== undefined) section = header
    const [, name, value] = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    return section === 'Service' && name !== undefined && value !== undefined ? [[name, value]] : []
  })
}

/** Whether systemd takes it as it is: without quotes, escapes, specifiers and variables. */
function isPlain(value: string): boolean {
  return !/["'\\$%]/.test(value)
}

function wordsOf(value: string): string[] {
  return value.split(/\s+/).filter((word) => word !== '')
}

/**
 * Whether a process lacks a word of its command, or a variable, that the files of its unit declare. A process may have more
 * words: HAProxy adds some when it is reloaded. One that has given itself another title, or that a script has started, cannot
 * be compared.
 */
export function lacksDeclared(host: HostReader, pid: number, { words, environment }: DeclaredProcess): boolean {
  const running = entriesOf(host, `/proc/${pid}/cmdline`)
  if (running === null || running[0] !== words[0]) return false
  const variables = entriesOf(host, `/proc/${pid}/environ`)
  return (
    words.some((word) => !running.includes(word)) ||
    (variables !== null && environment.some((one) => !variables.includes(one)))
  )
}

/** Null where the process has ended, or its file is not readable. */
function entriesOf(host: HostReader, path: string): string[] | null {
  try {
    return host.readText(path)?.split('\0') ?? null
  } catch (error) {
    if (['EACCES', 'EPERM', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}
