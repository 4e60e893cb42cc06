/** Computes which hosts are online in the node JSON given to other hosts. */
import type { Action } from '../types.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost } from './request.ts'

/** Returns the expected online hosts. Hosts in setup or deploy count, so that others are configured only once. */
export function onlineDuring(
  action: Action,
  online: ReadonlySet<string>,
  taking: readonly RolloutHost[],
  board: RolloutProgress,
): ReadonlySet<string> {
  if (action === 'status') return online
  const names = new Set(online)
  for (const { name } of taking)
    if (action === 'shutdown') names.delete(name)
    else if (board.isUsable(name)) names.add(name)
  return names
}

/**
 * Returns the hosts online in the end: a new host that failed is not.
 * @param expected hosts expected to be online
 * @param known hosts that were online before
 */
export function onlineAfter(
  expected: ReadonlySet<string>,
  known: ReadonlySet<string>,
  taking: readonly RolloutHost[],
  board: RolloutProgress,
): ReadonlySet<string> {
  const failed = taking.filter(({ name }) => !known.has(name) && !board.succeeded(name)).map(({ name }) => name)
  return new Set([...expected].filter((name) => !failed.includes(name)))
}
