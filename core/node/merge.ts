/** Merging layers: objects key by key, arrays and scalars replace, null sets null. */
import { isObject } from '../model/json.ts'
import { Derived, isShared, share } from './shared_values.ts'

export type JsonObject = Readonly<Record<string, unknown>>

export { isObject } from '../model/json.ts'

/**
 * Lays `upper` over `lower`. Neither is changed; what only one of them has is shared with the result, not copied, so
 * the cost depends on where they overlap, not on their size. A key `__proto__` is left out; others of that kind
 * (`constructor`) are keys like any other.
 */
export function merge(lower: JsonObject, upper: JsonObject): JsonObject {
  if (!isShared(lower) || !isShared(upper)) return mergeDeep(lower, upper)
  return mergedOnce.of(lower, upper, () => share(mergeDeep(lower, upper)))
}

const mergedOnce = new Derived<JsonObject, JsonObject>()

function mergeDeep(lower: JsonObject, upper: JsonObject): JsonObject {
  let result: Record<string, unknown> | undefined
  for (const key of Object.keys(upper)) {
    if (key === '__proto__') continue
    const over = upper[key]
    const under = Object.hasOwn(lower, key) ? lower[key] : undefined
    const value = isObject(under) && isObject(over) ? merge(under, over) : over
    if (value === under && (under !== undefined || Object.hasOwn(lower, key))) continue
    result ??= { ...lower }
    result[key] = value
  }
  return result ?? lower
}
