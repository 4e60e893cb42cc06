/** Reads the lock of a rollout, which an operator's computer keeps on the host while it works there. */
import { readFileSync, statSync } from 'node:fs'

/** Time after which a lock without a sign of life of its operator has ended. */
const leaseMs = 60_000

/**
 * Returns who holds the lock, such as `jane@desk since 2026-11-29T14:03:22.000Z (deployment 12: new prices)`; null for
 * none, or if this account cannot read it.
 */
export function rolloutLock(stateDirectory: string): string | null {
  const path = `${stateDirectory}/fleet/held`
  try {
    // The clock of the host may have been set back.
    if (Math.abs(Date.now() - statSync(path).mtimeMs) > leaseMs) return null
    const [, , holder = ''] = readFileSync(`${path}/owner`, 'utf8').split('\n')
    return holder.replace(/, converge stack [^,]*$/, '') || null
  } catch {
    return null
  }
}
