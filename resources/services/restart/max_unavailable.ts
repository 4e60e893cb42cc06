/** Limits how many services of a set may be down at once, and runs work for that many at a time. */
import * as z from 'zod'
import { lazy } from '../../../core/model/lazy.ts'

const loadLimit = lazy(() => import('p-limit'))

const error = "a count from 1 up, or a share from '1%' to '100%'"

export const maxUnavailableProp = z.union(
  [z.int({ error }).min(1, { error }), z.string().regex(/^([1-9]\d?|100)%$/, { error })],
  {
    error,
  },
)

/**
 * Computes how many services may be down at once.
 * @param declared a count, or a share such as `'25%'`, which is rounded down
 * @returns at least 1; never all of several, since the others must answer meanwhile
 */
export function countUnavailable(declared: number | string, total: number): number {
  const count = typeof declared === 'number' ? declared : Math.floor((total * Number.parseInt(declared, 10)) / 100)
  return Math.max(1, Math.min(count, total - 1))
}

/** Runs the work for each item, in order, `limit` items at a time; the work must not throw. */
export async function forEachLimited<T>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const { default: pLimit } = await loadLimit()
  await pLimit(limit).map(items, work)
}
