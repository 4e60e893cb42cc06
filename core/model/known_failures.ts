/**
 * Known failures of the programs that converge runs (buildout, pip, git, npm, usermod, ...): what their output means, and
 * what to do about it. All of them are here, so that a failure reads the same wherever the program was started.
 */

import { buildFailures } from './failures/build.ts'
import { outOfMemory, systemFailures } from './failures/system.ts'
import type { KnownFailure } from './failures/types.ts'

const patterns = [...buildFailures, ...systemFailures]

/** The exit status that a shell reports for SIGKILL: 128 + 9. */
const killedStatus = 137

/**
 * Finds the kind of failure of a command by its output; null for an unknown one.
 * @param result.signal that ended it, unless converge sent it
 */
export function knownFailure(result: {
  readonly output: string
  readonly status?: number | undefined
  readonly signal?: string | undefined
}): KnownFailure | null {
  for (const { pattern, explain } of patterns) {
    const match = pattern.exec(result.output)
    if (match !== null) return explain(...match.slice(1))
  }
  return result.signal === 'SIGKILL' || result.status === killedStatus
    ? { ...outOfMemory, reason: 'it was killed, most likely since the host ran out of memory' }
    : null
}

/** The names of all entries, for tests. */
export const knownFailureNames: readonly string[] = patterns.map(({ name }) => name)
