/** Guards the ports of a rollout, so that a failure of one of them cannot end the rollout while hosts are running. */
import { asConvergeError } from '../../model/errors.ts'
import type { RolloutPorts } from './request.ts'

/**
 * Wraps `tell` and `log`: when one of them fails, that output is lost, and the rollout continues.
 * @param warn called once for each port that fails
 */
export function isolateFailures(ports: RolloutPorts, warn: (message: string) => void): RolloutPorts {
  const guarded = <A extends readonly unknown[]>(what: string, call: (...args: A) => void) => {
    let warned = false
    return (...args: A) => {
      try {
        call(...args)
      } catch (thrown) {
        if (!warned) warn(`${what}: ${asConvergeError(thrown).message}`)
        warned = true
      }
    }
  }
  return {
    ...ports,
    emit: guarded('not all of this could be shown', ports.emit),
    log: guarded('not all that the hosts told could be kept', ports.log),
  }
}

/** Returns a clock that stands still while the system clock is set back: no duration is negative. */
export function monotonicClock(clock: () => number): () => number {
  let latest = Number.NEGATIVE_INFINITY
  return () => {
    latest = Math.max(latest, clock())
    return latest
  }
}
