/**
 * Compares the process of a systemd unit with the files of the unit: systemd compares the files only with its own copy.
 */
import type { HostReader } from '../../../core/host/types.ts'

/** The process that the files of a unit declare. */
export interface DeclaredProcess {
  readonly words: readonly string[]
  /** `NAME=value` each; none if other settings of the unit affect variables too. */
  readonly environment: readonly string[]
}

/** Settings that change the variables that `Environment=` gives. */
const otherVariables = ['EnvironmentFile', 'PassEnvironment', 'UnsetEnvironment', 'PAMName']

/**
 * Merges the files of a unit, in the order in which systemd reads them.
 * @returns null for several commands, and for values that systemd expands or quotes
 */
export function declaredProcess(texts: readonly string[]): DeclaredProcess | null {
  let commands: string[] = []
  let variables = new Map<string, string>()
  let areKnown = true
  for (const [name, value] of texts.flatMap(serviceSettings)) {
    if (name === 'ExecStart') commands = value === '' ? [] : [...commands, value]
    else if (otherVariables.includes(name)) areKnown = false
    else if (name === 'Environment' && value === '') variables = new Map()
    else if (name === 'Environment' && !isLiteral(value)) areKnown = false
    else if (name === 'Environment') for (const one of splitWords(value)) variables.set(one.replace(/=.*$/, ''), one)
  }
  const command = commands[0]?.replace(/^[-+!:]+/, '')
  if (command === undefined || commands.length > 1 || !isLiteral(command)) return null
  const words = splitWords(command)
  if (!words[0]?.startsWith('/') || words.includes(';')) return null
  return { words, environment: areKnown ? [...variables.values()] : [] }
}

/** Returns the settings of the section `[Service]`, by systemd.syntax(7). */
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

/** Decides whether systemd uses a value unchanged: without quotes, escapes, specifiers and variables. */
function isLiteral(value: string): boolean {
  return !/["'\\$%]/.test(value)
}

function splitWords(value: string): string[] {
  return value.split(/\s+/).filter((word) => word !== '')
}

/**
 * Decides whether a process lacks a word of its command, or a variable, that its unit declares. A process may have more
 * words: HAProxy adds some on a reload. One that has set its own title, or that a script has started, cannot be
 * compared.
 */
export function differsFromDeclared(host: HostReader, pid: number, { words, environment }: DeclaredProcess): boolean {
  const running = readEntries(host, `/proc/${pid}/cmdline`)
  if (running === null || running[0] !== words[0]) return false
  const variables = readEntries(host, `/proc/${pid}/environ`)
  return (
    words.some((word) => !running.includes(word)) ||
    (variables !== null && environment.some((one) => !variables.includes(one)))
  )
}

/** Returns the entries of a file of a process; null if the process has ended, or the file is not readable. */
function readEntries(host: HostReader, path: string): string[] | null {
  try {
    return host.readText(path)?.split('\0') ?? null
  } catch (error) {
    if (['EACCES', 'EPERM', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}
