/** What a rollout is given, so that nothing of it can end the rollout while hosts are at work. */
import { asConvergeError } from '../../model/errors.ts'
import type { Ports } from './request.ts'

/**
 * Who cannot be told, or cannot keep, what happens, misses that; the hosts are seen through all the same.
 * @param warn hears once of each that fails
 */
export function careful(ports: Ports, warn: (message: string) => void): Ports {
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
    tell: guarded('not all of this could be shown', ports.tell),
    log: guarded('not all that the hosts told could be kept', ports.log),
  }
}

/** A clock that stands still where it would go back: no duration is less than nothing. */
export function neverBack(clock: () => number): () => number {
  let latest = Number.NEGATIVE_INFINITY
  return () => {
    latest = Math.max(latest, clock())
    return latest
  }
}
