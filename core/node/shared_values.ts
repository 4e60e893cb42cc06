/** Values that the nodes of many hosts have in common: they never change, so what is derived from one is derived once. */
import { randomUUID } from 'node:crypto'

const sharedValues = new WeakSet<object>()

/** Whether a value never changes and stands in the nodes of many hosts. */
export function isShared(value: unknown): boolean {
  return typeof value === 'object' && value !== null && sharedValues.has(value)
}

/**
 * Makes a value, and all objects in it, shared. It must not change afterwards: all of it is frozen.
 * @param value plain JSON without a key `__proto__`
 */
export function share<T>(value: T): T {
  if (typeof value !== 'object' || value === null || sharedValues.has(value)) return value
  sharedValues.add(value)
  for (const child of Object.values(value)) share(child)
  return Object.freeze(value)
}

export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const child of Object.values(value)) deepFreeze(child)
  return Object.freeze(value)
}

const placeholder = randomUUID()

/**
 * Copies a value by way of its JSON text. Shared objects in it are not copied.
 * @throws TypeError where it contains itself, or a number without a form in JSON
 */
export function jsonCopy<T>(value: T): T {
  const shared: object[] = []
  const text = JSON.stringify(value, (key, one: unknown) => {
    if (typeof one === 'number' && !Number.isFinite(one)) throw new TypeError(`${key} is ${one}`)
    if (!isShared(one)) return one
    shared.push(one as object)
    return `${placeholder}${shared.length - 1}`
  })
  if (shared.length === 0) return JSON.parse(text) as T
  return JSON.parse(text, (_, one: unknown) =>
    typeof one === 'string' && one.startsWith(placeholder) ? shared[Number(one.slice(placeholder.length))] : one,
  ) as T
}

/** Caches the result of a function for a shared object and a second key. */
export class Derived<K, R> {
  private readonly results = new WeakMap<object, Map<K, R>>()

  of(value: object, key: K, derive: () => R): R {
    const found = this.results.get(value) ?? new Map<K, R>()
    this.results.set(value, found)
    const result = found.get(key)
    if (result !== undefined || found.has(key)) return result as R
    const derived = derive()
    found.set(key, derived)
    return derived
  }
}
