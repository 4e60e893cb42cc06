/** The two programs of a server that takes turns on two ports, as supervisord's files tell of them. */
import type { Host, HostReader } from '../../core/host/types.ts'
import { digestOf } from '../../core/model/json.ts'
import { shellWords } from '../../core/text/shell.ts'
import { isPlaceholder, refuseForeign, writePlaceholder } from '../supervisor/own_file.ts'
import { renderProgram } from '../supervisor/program_file.ts'
import { isReadable, sectionsOf } from '../supervisor/sections.ts'
import { refuseShadowed } from '../supervisor/shadowed.ts'
import type { PortSwapProps } from './props.ts'
import { atPort } from './upstream.ts'

export function programAt({ name }: PortSwapProps, port: number): string {
  return `${name}-${port}`
}

export function fileAt(given: PortSwapProps, port: number): string {
  return `${given.confDir}/${programAt(given, port)}.conf`
}

/** Text of the file of the program for a port; `runs` tells what it is, beyond what the command says. */
export function programText(given: PortSwapProps, port: number, runs: string): string {
  const at = (text: string) => atPort(text, port)
  const command = typeof given.command === 'string' ? at(given.command) : shellWords(given.command.map(at))
  const environment = Object.entries(given.environment).map(([key, value]) => [key, at(value)])
  const text = renderProgram({
    ...given,
    name: programAt(given, port),
    command,
    environment: Object.fromEntries(environment),
    autostart: true,
    autorestart: true,
    type: 'program',
    events: [],
  })
  return `${text}; ${runs}\n`
}

/** What the live process is to be: it is another one when anything of this changes. */
export function wantedDigest(given: PortSwapProps, cause: string | null): string {
  const { release = null } = given
  return digestOf([programText(given, 0, ''), release, cause]).slice(0, 32)
}

/** What the program of a port was last started as: the digest wanted where its file says just that. */
export function digestAt(host: HostReader, given: PortSwapProps, port: number, wanted: string): string | null {
  const path = fileAt(given, port)
  const text = host.readText(path)
  const wantedText = programText(given, port, wanted)
  refuseForeign(host, path, text, wantedText)
  refuseShadowed(host, { name: programAt(given, port), confDir: given.confDir })
  if (text === null) return null
  return text === wantedText ? wanted : digestOf(text).slice(0, 32)
}

const starts = /^autostart=true$/m

/** Whether supervisord starts the program of the port by itself. */
export function startsItself(host: HostReader, given: PortSwapProps, port: number): boolean {
  return starts.test(host.readText(fileAt(given, port)) ?? '')
}

/** The same text, for a program that is not to come back with supervisord. */
export function atRest(text: string): string {
  return text.replace(starts, 'autostart=false')
}

/**
 * Whether the file of a program is damaged: supervisord cannot read it, or reads another program in it, or would start the
 * program because the file does not say otherwise.
 */
export function isDamaged(given: PortSwapProps, port: number, text: string | null): text is string {
  if (text === null) return false
  if (isPlaceholder(text)) return true
  const isItsOwn = sectionsOf(text).some(({ type, name }) => type === 'program' && name === programAt(given, port))
  return !isItsOwn || !isReadable(text) || !/^autostart=/m.test(text)
}

/** The text of a damaged file as it is repaired. What runs is not what it says: it stays due. */
export function repairedText(given: PortSwapProps, port: number, live: number | null): string {
  const text = programText(given, port, 'repaired')
  // Only the live one comes back with the machine.
  return port === live ? text : atRest(text)
}

/** Whether supervisord cannot read the file of a port, and so none of its files. */
export function isUnreadable(host: HostReader, given: PortSwapProps): boolean {
  return given.ports.some((port) => !isReadable(host.readText(fileAt(given, port)) ?? ''))
}

/** Lets supervisord read its other files until the swap writes these. */
export function writePlaceholders(host: Host, given: PortSwapProps): void {
  for (const port of given.ports)
    writePlaceholder(host, { path: fileAt(given, port), program: programAt(given, port), app: given.app })
}
