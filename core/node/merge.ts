/** Merging layers: objects key by key, arrays and scalars replace, null sets null. */
import { isObject } from '../model/json.ts'

export type JsonObject = Readonly<Record<string, unknown>>

export { isObject } from '../model/json.ts'

/**
 * Lays `upper` over `lower`. Neither is changed; what only one of them has is shared with the result, not copied, so
 * the cost depends on where they overlap, not on their size. A key `__proto__` is left out; others of that kind
 * (`constructor`) are keys like any other.
 */
export function merge(lower: JsonObject, upper: JsonObject): JsonObject {
  let merged: Record<string, unknown> | undefined
  for (const key of Object.keys(upper)) {
    if (key === '__proto__') continue
    const over = upper[key]
    const under = Object.hasOwn(lower, key) ? lower[key] : undefined
    const value = isObject(under) && isObject(over) ? merge(under, over) : over
    if (value === under && (under !== undefined || Object.hasOwn(lower, key))) continue
    merged ??= { ...lower }
    merged[key] = value
  }
  return merged ?? lower
}
