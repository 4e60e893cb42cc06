/** Marks values that the nodes of many hosts share. They never change, so what is derived from one is derived once. */
import { randomUUID } from 'node:crypto'

const sharedValues = new WeakSet<object>()

/** Decides whether a value is shared by the nodes of many hosts, and so never changes. */
export function isShared(value: unknown): boolean {
  return typeof value === 'object' && value !== null && sharedValues.has(value)
}

/**
 * Marks a value, and all objects in it, as shared, and freezes them.
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
  const text = JSON.stringify(value, (key, inner: unknown) => {
    if (typeof inner === 'number' && !Number.isFinite(inner)) throw new TypeError(`${key} is ${inner}`)
    if (!isShared(inner)) return inner
    shared.push(inner as object)
    return `${placeholder}${shared.length - 1}`
  })
  if (shared.length === 0) return JSON.parse(text) as T
  return JSON.parse(text, (_, inner: unknown) =>
    typeof inner === 'string' && inner.startsWith(placeholder)
      ? shared[Number(inner.slice(placeholder.length))]
      : inner,
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
