/** "Did you mean": the name nearest to one that does not exist. */
import { closest, distance } from 'fastest-levenshtein'

/** A hint with the nearest of the names, or undefined where none is near. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const best = nearestName(name, names)
  return best === undefined ? undefined : `did you mean ${best}?`
}

/** Characters of a name that is compared: the time grows with the square of the length. */
const longestCompared = 200

export const isComparable = (name: string) => name.length <= longestCompared

export function nearestName(name: string, names: readonly string[]): string | undefined {
  if (names.length === 0 || !isComparable(name)) return undefined
  const best = closest(name, names)
  return distance(name, best) <= Math.max(2, Math.floor(name.length / 3)) ? best : undefined
}
