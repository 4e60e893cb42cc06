/** Which files of programs are ours, also where they are damaged. */
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { header, headerPattern } from './program_file.ts'
import { isReadable, programTypes, sectionsOf } from './sections.ts'

/**
 * Refuses a file that somebody else has written. Ours is rewritten whatever has become of it: empty, cut short, without
 * its first line, or garbage.
 * @param wanted the text that is to be there
 * @throws IN_THE_WAY
 */
export function refuseForeign(host: HostReader, path: string, text: string | null, wanted: string): void {
  if (text === null || isOurs(text, wanted) || wasWritten(host, path)) return
  throw new ConvergeError(`${path} is there, and was not written by converge`, {
    code: 'IN_THE_WAY',
    hint: `give the program another name, or move the file away: mv ${path} ${path}.old`,
  })
}

const placeholderMark =
  '; The file was damaged. Until it is written again, this text lets supervisord read its other files.'

/** Whether a text only stands in for that of a damaged file. */
export function isPlaceholder(text: string): boolean {
  return text.includes(placeholderMark)
}

/** A program file whose name and directory are known before the run. */
export interface OwnFile {
  readonly path: string
  readonly program: string
  readonly app: string | undefined
}

/** Replaces a damaged file of ours by one that supervisord can read and that starts nothing. */
export function writePlaceholder(host: Host, { path, program, app }: OwnFile): void {
  const text = host.readText(path)
  if (text === null || isReadable(text) || !mayBeOurs(host, path, text)) return
  recordWritten(host, path, app)
  const lines = [header(app), placeholderMark, `[program:${program}]`, 'command=/bin/false', 'autostart=false']
  host.writeFile(path, `${lines.join('\n')}\n`, { mode: '0600' })
}

/** Before the first write: after it the file may be damaged at any moment. */
export function recordWritten(host: Host, path: string, app: string | undefined): void {
  const value = `for ${app ?? ''}`
  if (host.recorded(keyOf(path)) !== value) host.record(keyOf(path), value)
}

/** What is put there from now on is somebody else's. */
export function recordRemoved(host: Host, path: string): void {
  if (host.recorded(keyOf(path))) host.record(keyOf(path), removed)
}

/** The app that the program of a file was written for; null for none. */
export function appOf(host: HostReader, path: string): string | null {
  const named = headerPattern.exec(host.readText(path) ?? '')?.[1]
  if (named !== undefined) return named
  return wasWritten(host, path) ? host.recorded(keyOf(path))?.replace('for ', '') || null : null
}

const removed = ''

function keyOf(path: string): string {
  return `program file ${path}`
}

function wasWritten(host: HostReader, path: string): boolean {
  return (host.recorded(keyOf(path)) ?? removed) !== removed
}

/** An earlier version kept no record: then its first line tells it, or most of what else we write, or that it defines nothing. */
function isOurs(text: string, wanted: string): boolean {
  if (headerPattern.test(text) || definesNothing(text)) return true
  const lines = new Set(text.split('\n'))
  const ours = wanted.split('\n').filter((line) => line !== '' && !headerPattern.test(line))
  return ours.filter((line) => lines.has(line)).length * 2 > ours.length
}

/** What can be said of a file before its text is known. */
function mayBeOurs(host: HostReader, path: string, text: string): boolean {
  return wasWritten(host, path) || headerPattern.test(text) || definesNothing(text)
}

function definesNothing(text: string): boolean {
  return !sectionsOf(text).some(({ type }) => [...programTypes, 'group'].includes(type))
}
