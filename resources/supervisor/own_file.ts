/** Which files of programs are ours, also where they are damaged. */
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { headerPattern } from './program_file.ts'
import { programTypes, sectionsOf } from './sections.ts'

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
  if (headerPattern.test(text)) return true
  const defines = sectionsOf(text).some(({ type }) => [...programTypes, 'group'].includes(type))
  if (!defines) return true
  const lines = new Set(text.split('\n'))
  const ours = wanted.split('\n').filter((line) => line !== '' && !headerPattern.test(line))
  return ours.filter((line) => lines.has(line)).length * 2 > ours.length
}
