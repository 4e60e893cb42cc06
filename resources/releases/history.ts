/** The file that lists which releases of an app were current, oldest first. */
import type { HostReader } from '../../core/host/types.ts'
import { readDisposable } from '../../core/model/unreadable.ts'

export function historyPath(into: string): string {
  return `${into}/.history`
}

/** Ids of releases, the last one is current unless a switch was interrupted; null where none are recorded. */
export function readHistory(host: HostReader, into: string): readonly string[] | null {
  const path = historyPath(into)
  const text = readDisposable(host, path)
  const ids = (text ?? '').split('\n').filter((line) => /^[\w.-]+$/.test(line))
  return ids.length === 0 ? null : ids
}

/** Each release occurs once, so that the way back has no loop. */
export function switchedTo(history: readonly string[], id: string): string[] {
  return history.at(-1) === id ? [...history] : [...history.filter((one) => one !== id), id]
}

/** Without what came after a release; unchanged where the release was not current before. */
export function truncatedTo(history: readonly string[], id: string): string[] {
  return history.includes(id) ? history.slice(0, history.indexOf(id) + 1) : [...history]
}

/** What was current before the current release, the latest last. */
export function before(history: readonly string[], current: string): readonly string[] {
  const at = history.lastIndexOf(current)
  // A run was killed between the switch and its record.
  return at === -1 ? history : history.slice(0, at)
}
