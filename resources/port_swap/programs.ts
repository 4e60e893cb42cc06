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

export function portProgramPath(props: PortSwapProps, port: number): string {
  return `${props.confDir}/${portProgramName(props, port)}.conf`
}

/** Returns the program file for a port; `runs` identifies what the process loads, beyond its command. */
export function programText(props: PortSwapProps, port: number, runs: string): string {
  const at = (text: string) => replacePort(text, port)
  const command = typeof props.command === 'string' ? at(props.command) : shellWords(props.command.map(at))
  const environment = Object.entries(props.environment).map(([key, value]) => [key, at(value)])
  const text = renderProgram({
    ...props,
    name: portProgramName(props, port),
    command,
    environment: Object.fromEntries(environment),
    autostart: true,
    autorestart: true,
    type: 'program',
    events: [],
  })
  return `${text}; ${runs}\n`
}

/** Returns the digest of the desired process: any change of it requires another process. */
export function desiredDigest(props: PortSwapProps, cause: string | null): string {
  const { release = null } = props
  return digestOf([programText(props, 0, ''), release, cause]).slice(0, 32)
}

/**
 * Returns the digest of the program that a port was last started with. It is the desired digest if the program file is
 * exactly the desired one.
 */
export function startedDigest(host: HostReader, props: PortSwapProps, port: number, desired: string): string | null {
  const path = portProgramPath(props, port)
  const text = host.readText(path)
  const desiredText = programText(props, port, desired)
  refuseForeignFile(host, path, text, desiredText)
  refuseConflict(host, { name: portProgramName(props, port), confDir: props.confDir })
  if (text === null) return null
  return text === desiredText ? desired : digestOf(text).slice(0, 32)
}

const autostartLine = /^autostart=true$/m

/** Decides whether supervisord starts the program of the port with autostart. */
export function hasAutostart(host: HostReader, props: PortSwapProps, port: number): boolean {
  return autostartLine.test(host.readText(portProgramPath(props, port)) ?? '')
}

/** Returns the same text, for a program that must not start with supervisord. */
export function withoutAutostart(text: string): string {
  return text.replace(autostartLine, 'autostart=false')
}

/**
 * Decides whether the file of a program is damaged: supervisord cannot read it, finds another program in it, or would
 * start the program because `autostart` is missing.
 */
export function isDamaged(props: PortSwapProps, port: number, text: string | null): text is string {
  if (text === null) return false
  if (isPlaceholder(text)) return true
  const isItsOwn = parseSections(text).some(
    ({ type, name }) => type === 'program' && name === portProgramName(props, port),
  )
  return !isItsOwn || !isReadable(text) || !/^autostart=(true|false)$/m.test(text)
}

/**
 * Returns the repaired text of a damaged file. It differs from what the running process was started with, so a swap
 * stays due.
 */
export function repairedText(props: PortSwapProps, port: number, current: number | null): string {
  const text = programText(props, port, 'repaired')
  // Only the current program starts again after a reboot.
  return port === current ? text : withoutAutostart(text)
}

/** Decides whether supervisord cannot read the file of a port, and therefore none of its files. */
export function isUnreadable(host: HostReader, props: PortSwapProps): boolean {
  return props.ports.some((port) => !isReadable(host.readText(portProgramPath(props, port)) ?? ''))
}

/** Writes placeholders for damaged files, so that supervisord can read its other files until the swap writes these. */
export function writePlaceholders(host: Host, props: PortSwapProps): void {
  for (const port of props.ports)
    writePlaceholder(host, {
      path: portProgramPath(props, port),
      program: portProgramName(props, port),
      app: props.app,
    })
}
