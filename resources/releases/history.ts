/** Reads and edits the list of releases of an app that were current, oldest first. */
import type { HostReader } from '../../core/host/types.ts'
import { readDisposable } from '../../core/model/file_errors.ts'

export function historyPath(into: string): string {
  return `${into}/.history`
}

/** Reads the ids of releases. The last one is current unless a switch was interrupted. Null if no ids are recorded. */
export function readHistory(host: HostReader, into: string): readonly string[] | null {
  const path = historyPath(into)
  const text = readDisposable(host, path)
  const ids = (text ?? '').split('\n').filter((line) => /^[\w.-]+$/.test(line))
  return ids.length === 0 ? null : ids
}

/** Moves a release to the end. Each release occurs once, so that repeated rollbacks cannot loop. */
export function moveToEnd(history: readonly string[], id: string): string[] {
  return history.at(-1) === id ? [...history] : [...history.filter((one) => one !== id), id]
}

/** Removes the releases after a release; returns the history unchanged if that release is not in it. */
export function truncateAfter(history: readonly string[], id: string): string[] {
  return history.includes(id) ? history.slice(0, history.indexOf(id) + 1) : [...history]
}

/** Returns the releases that were current before the current release, the latest last. */
export function releasesBefore(history: readonly string[], current: string): readonly string[] {
  const at = history.lastIndexOf(current)
  // A run was killed between the switch and its record.
  return at === -1 ? history : history.slice(0, at)
}
