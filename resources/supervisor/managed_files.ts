/** Decides which program files belong to converge, even if they are damaged. */
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { headerLine, headerPattern } from './program_file.ts'
import { isReadable, parseSections, programTypes } from './sections.ts'

/**
 * Refuses a file that converge did not write. A file of converge is rewritten in any state: empty, truncated, without
 * its first line, or with garbage.
 * @param desired the text to write
 * @throws IN_THE_WAY
 */
export function refuseForeignFile(host: HostReader, path: string, text: string | null, desired: string): void {
  if (text === null || isWrittenByUs(text, desired) || wasWritten(host, path)) return
  throw new ConvergeError(`${path} exists, but converge did not write it`, {
    code: 'IN_THE_WAY',
    hint: `give the program another name, or move the file away: mv ${path} ${path}.old`,
  })
}

const placeholderMark =
  '; The file was damaged. Until it is written again, this text lets supervisord read its other files.'

/** Decides whether a text is the placeholder for a damaged file. */
export function isPlaceholder(text: string): boolean {
  return text.includes(placeholderMark)
}

/** A program file whose name and directory are known before the run. */
export interface ManagedFile {
  readonly path: string
  readonly program: string
  readonly app: string | undefined
}

/** Replaces a damaged file of converge by one that supervisord can read and that starts nothing. */
export function writePlaceholder(host: Host, { path, program, app }: ManagedFile): void {
  const text = host.readText(path)
  if (text === null || isReadable(text) || !mayBeWrittenByUs(host, path, text)) return
  recordWritten(host, path, app)
  const lines = [headerLine(app), placeholderMark, `[program:${program}]`, 'command=/bin/false', 'autostart=false']
  host.writeFile(path, `${lines.join('\n')}\n`, { mode: '0600' })
}

/**
 * Records that converge writes a file. Called before the first write: after it the file may be damaged at any moment.
 */
export function recordWritten(host: Host, path: string, app: string | undefined): void {
  const value = `for ${app ?? ''}`
  if (host.recorded(recordName(path)) !== value) host.record(recordName(path), value)
}

/** Records that converge removed a file: a later file at its path belongs to someone else. */
export function recordRemoved(host: Host, path: string): void {
  if (host.recorded(recordName(path))) host.record(recordName(path), removed)
}

/** Returns the app that the program of a file was written for; null if there is none. */
export function readApp(host: HostReader, path: string): string | null {
  const named = headerPattern.exec(host.readText(path) ?? '')?.[1]
  if (named !== undefined) return named
  return wasWritten(host, path) ? host.recorded(recordName(path))?.replace('for ', '') || null : null
}

const removed = ''

function recordName(path: string): string {
  return `program file ${path}`
}

function wasWritten(host: HostReader, path: string): boolean {
  return (host.recorded(recordName(path)) ?? removed) !== removed
}

/**
 * Decides whether converge wrote a text, if there is no record, as from earlier versions. It did if the text has the
 * first line of converge, contains most of the desired lines, or defines nothing.
 */
function isWrittenByUs(text: string, desired: string): boolean {
  if (headerPattern.test(text) || definesNothing(text)) return true
  const lines = new Set(text.split('\n'))
  const ours = desired.split('\n').filter((line) => line !== '' && !headerPattern.test(line))
  return ours.filter((line) => lines.has(line)).length * 2 > ours.length
}

/** Decides whether converge may have written a file whose desired text is not known yet. */
function mayBeWrittenByUs(host: HostReader, path: string, text: string): boolean {
  return wasWritten(host, path) || headerPattern.test(text) || definesNothing(text)
}

function definesNothing(text: string): boolean {
  return !parseSections(text).some(({ type }) => [...programTypes, 'group'].includes(type))
}
