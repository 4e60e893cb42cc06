/** Finds the name that is nearest to one that does not exist, for hints such as `did you mean hosts?`. */
import { closest, distance } from 'fastest-levenshtein'

/** Returns a hint with the nearest of the names; undefined if none is near. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const best = nearestName(name, names)
  return best === undefined ? undefined : `did you mean ${best}?`
}

/** Longest name that is compared: the time grows with the square of the length. */
const maxLength = 200

/** Decides whether a name is short enough for a comparison. */
export const isComparable = (name: string) => name.length <= maxLength

/** Returns the nearest of the names; undefined if none is near. */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  if (names.length === 0 || !isComparable(name)) return undefined
  const best = closest(name, names)
  return distance(name, best) <= Math.max(2, Math.floor(name.length / 3)) ? best : undefined
}
