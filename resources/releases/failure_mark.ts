/** Reads and writes the mark of a release that failed its smoke test. */
import * as z from 'zod'
import type { Host, HostReader, WriteOptions } from '../../core/host/types.ts'
import { readDisposable, writeDisposable } from '../../core/model/file_errors.ts'

const mark = z.object({
  /** Digest of the test that it failed. */
  test: z.string(),
  /** ISO 8601. */
  time: z.string(),
  reason: z.string(),
})
export type SmokeTestFailure = z.output<typeof mark>

function markPath(release: string): string {
  return `${release}/.converge/smoke-test-failed.json`
}

/** Reads the mark; null for a release that has not failed, or whose mark a crash has damaged. */
export function readFailure(host: HostReader, release: string): SmokeTestFailure | null {
  const path = markPath(release)
  const text = readDisposable(host, path)
  if (text === null) return null
  try {
    return mark.safeParse(JSON.parse(text)).data ?? null
  } catch {
    return null
  }
}

export function markFailed(
  host: Host,
  release: string,
  failure: Omit<SmokeTestFailure, 'time'>,
  owner: Pick<WriteOptions, 'owner' | 'group'>,
): void {
  // A directory that is no release cannot be marked.
  if (host.lstat(`${release}/.converge`)?.kind !== 'directory') return
  const time = new Date(host.now() * 1000).toISOString()
  writeDisposable(host, markPath(release), `${JSON.stringify({ ...failure, time })}\n`, { mode: '0644', ...owner })
}

export function removeFailedMark(host: Host, release: string): void {
  if (host.lstat(markPath(release)) !== null) host.remove(markPath(release))
}
