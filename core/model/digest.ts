/** Combines the digest of a state with a mark that differs each time the state was left, and separates them again. */
import { digestOf } from './json.ts'

const withTurns = /^([0-9a-f]{64})~([0-9a-f]{64})$/

/** Adds the mark to a digest. @param turns the mark; null if the state was never left */
export function digestWith(state: string, turns: string | null): string {
  return turns === null ? state : `${state}~${turns}`
}

/** Returns the digest of the state without the mark. */
export function stateOf(digest: string): string {
  return withTurns.exec(digest)?.[1] ?? digest
}

/** Combines several digests into one with the same two parts. */
export function digestOfAll(digests: readonly (string | null)[]): string {
  const states = digests.map((digest) => digest && stateOf(digest))
  const turns = digests.map((digest) => withTurns.exec(digest ?? '')?.[2] ?? null)
  return digestWith(digestOf(states), turns.every((turn) => turn === null) ? null : digestOf(turns))
}
