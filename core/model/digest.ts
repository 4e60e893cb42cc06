/** Digests of states. They identify a state, regardless of how often it changed in between. */
import { digestOf } from './json.ts'

const withTurns = /^([0-9a-f]{64})~([0-9a-f]{64})$/

/** @param turns differs each time the state was left; null where that never happened */
export function digestWith(state: string, turns: string | null): string {
  return turns === null ? state : `${state}~${turns}`
}

/** The digest of the state alone, without the count of its changes. */
export function stateOf(digest: string): string {
  return withTurns.exec(digest)?.[1] ?? digest
}

/** One digest for several, with the same two parts. */
export function digestOfAll(digests: readonly (string | null)[]): string {
  const states = digests.map((digest) => digest && stateOf(digest))
  const turns = digests.map((digest) => withTurns.exec(digest ?? '')?.[2] ?? null)
  return digestWith(digestOf(states), turns.every((one) => one === null) ? null : digestOf(turns))
}
