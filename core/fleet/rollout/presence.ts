/** Who counts as there, for whoever is told of the stack: balancers, clients, neighbours. */
import type { Action } from '../types.ts'
import type { Board } from './board.ts'
import type { Member } from './request.ts'

/** Whoever is being set up or deployed to counts as there: what is built for its neighbours is built once. */
export function whoWillBeThere(
  action: Action,
  online: ReadonlySet<string>,
  taking: readonly Member[],
  board: Board,
): ReadonlySet<string> {
  if (action === 'status') return online
  const names = new Set(online)
  for (const { name } of taking)
    if (action === 'shutdown') names.delete(name)
    else if (board.well(name)) names.add(name)
  return names
}

/**
 * Who is there in the end: one that was new and has failed is not.
 * @param expected who was thought to be
 * @param known who was there before
 */
export function whoIsThere(
  expected: ReadonlySet<string>,
  known: ReadonlySet<string>,
  taking: readonly Member[],
  board: Board,
): ReadonlySet<string> {
  const failed = taking.filter(({ name }) => !known.has(name) && !board.succeeded(name)).map(({ name }) => name)
  return new Set([...expected].filter((name) => !failed.includes(name)))
}
