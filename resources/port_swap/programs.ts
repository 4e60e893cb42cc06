/** Reads and renders supervisord's files for the two programs of a server that alternates between two ports. */
import type { Host, HostReader } from '../../core/host/types.ts'
import { digestOf } from '../../core/model/json.ts'
import { shellWords } from '../../core/text/shell.ts'
import { refuseConflict } from '../supervisor/conflicting_definitions.ts'
import { isPlaceholder, refuseForeignFile, writePlaceholder } from '../supervisor/managed_files.ts'
import { renderProgram } from '../supervisor/program_file.ts'
import { isReadable, parseSections } from '../supervisor/sections.ts'
import type { PortSwapProps } from './props.ts'
import { replacePort } from './upstream.ts'

export function portProgramName({ name }: PortSwapProps, port: number): string {
  return `${name}-${port}`
}

export function portProgramPath(given: PortSwapProps, port: number): string {
  return `${given.confDir}/${portProgramName(given, port)}.conf`
}

/** Returns the program file for a port; `runs` identifies what the process loads, beyond its command. */
export function programText(given: PortSwapProps, port: number, runs: string): string {
  const at = (text: string) => replacePort(text, port)
  const command = typeof given.command === 'string' ? at(given.command) : shellWords(given.command.map(at))
  const environment = Object.entries(given.environment).map(([key, value]) => [key, at(value)])
  const text = renderProgram({
    ...given,
    name: portProgramName(given, port),
    command,
    environment: Object.fromEntries(environment),
    autostart: true,
    autorestart: true,
    type: 'program',
    events: [],
  })
  return `${text}; ${runs}\n`
}

/** Returns the digest of the wanted process: any change of it requires another process. */
export function wantedDigest(given: PortSwapProps, cause: string | null): string {
  const { release = null } = given
  return digestOf([programText(given, 0, ''), release, cause]).slice(0, 32)
}

/**
 * Returns the digest of the program that a port was last started with. It is the wanted digest if the program file is
 * exactly the wanted one.
 */
export function startedDigest(host: HostReader, given: PortSwapProps, port: number, wanted: string): string | null {
  const path = portProgramPath(given, port)
  const text = host.readText(path)
  const wantedText = programText(given, port, wanted)
  refuseForeignFile(host, path, text, wantedText)
  refuseConflict(host, { name: portProgramName(given, port), confDir: given.confDir })
  if (text === null) return null
  return text === wantedText ? wanted : digestOf(text).slice(0, 32)
}

const autostartLine = /^autostart=true$/m

/** Decides whether supervisord starts the program of the port with autostart. */
export function hasAutostart(host: HostReader, given: PortSwapProps, port: number): boolean {
  return autostartLine.test(host.readText(portProgramPath(given, port)) ?? '')
}

/** Returns the same text, for a program that must not start with supervisord. */
export function withoutAutostart(text: string): string {
  return text.replace(autostartLine, 'autostart=false')
}

/**
 * Decides whether the file of a program is damaged: supervisord cannot read it, finds another program in it, or would
 * start the program because `autostart` is missing.
 */
export function isDamaged(given: PortSwapProps, port: number, text: string | null): text is string {
  if (text === null) return false
  if (isPlaceholder(text)) return true
  const isItsOwn = parseSections(text).some(
    ({ type, name }) => type === 'program' && name === portProgramName(given, port),
  )
  return !isItsOwn || !isReadable(text) || !/^autostart=/m.test(text)
}

/**
 * Returns the repaired text of a damaged file. It differs from what the running process was started with, so a swap
 * stays due.
 */
export function repairedText(given: PortSwapProps, port: number, live: number | null): string {
  const text = programText(given, port, 'repaired')
  // Only the current program starts again after a reboot.
  return port === live ? text : withoutAutostart(text)
}

/** Decides whether supervisord cannot read the file of a port, and therefore none of its files. */
export function isUnreadable(host: HostReader, given: PortSwapProps): boolean {
  return given.ports.some((port) => !isReadable(host.readText(portProgramPath(given, port)) ?? ''))
}

/** Writes placeholders for damaged files, so that supervisord can read its other files until the swap writes these. */
export function writePlaceholders(host: Host, given: PortSwapProps): void {
  for (const port of given.ports)
    writePlaceholder(host, {
      path: portProgramPath(given, port),
      program: portProgramName(given, port),
      app: given.app,
    })
}
