/** Values that are known only when the run gets there: references between resources, and what a dry run cannot know. */

const referenceMark = Symbol.for('converge.reference')

/** A value that another resource provides; each property that takes the value takes the reference too. */
export interface Reference<T = unknown> {
  readonly [referenceMark]: true
  /** `resource type` + `key` of the provider, resolved by the engine. */
  readonly provider: string
  /** The output's name; `digest` is what the provider's state amounts to. */
  readonly output: string
  readonly transform?: ((value: never) => T) | undefined
}

/** The type of a property: the value, a reference to it, or an object with references inside. */
export type Input<T> =
  | T
  | Reference<T>
  | (T extends readonly (infer E)[]
      ? readonly Input<E>[]
      : T extends (...args: never[]) => unknown
        ? never
        : T extends object
          ? { [K in keyof T]: Input<T[K]> }
          : never)

export function reference<T>(provider: string, output: string): Reference<T> {
  return { [referenceMark]: true, provider, output }
}

export function isReference(value: unknown): value is Reference {
  return typeof value === 'object' && value !== null && referenceMark in value
}

/** A value derived from a reference, e.g. `derived(release.path, (p) => p + '/bin')`. Plain values pass straight through. */
export function derived<T, U>(from: T | Reference<T>, transform: (value: T) => U): U | Reference<U> {
  if (!isReference(from)) return transform(from)
  const inner = from.transform as ((value: unknown) => T) | undefined
  const composed = (value: never): U => transform(inner ? inner(value) : (value as T))
  return { [referenceMark]: true, provider: from.provider, output: from.output, transform: composed }
}

/** The path of something below a directory that may be known only later. */
export function under(directory: string | Reference<string>, ...parts: string[]): string | Reference<string> {
  return derived(directory, (path) => [path, ...parts].join('/'))
}

/** Stands in a dry run for a value that only the run itself can know. */
export class Unknown {
  constructor(readonly after: string) {}
  toString(): string {
    return `(known after ${this.after})`
  }
  toJSON(): string {
    return this.toString()
  }
}

/** Thrown by the overlay of a dry run where it is asked for what only the run itself can know. */
export class NotYetKnown extends Error {
  override readonly name = 'NotYetKnown'
  constructor(readonly after: string) {
    super(`known after ${after}`)
  }
}

const deepest = 1000

/** Thrown where a value contains itself, or has more levels than anything that people write. */
export class EndlessValue extends Error {
  override readonly name = 'EndlessValue'
  readonly isCycle: boolean
  /** From the outermost value to where it shows. */
  readonly path: readonly string[]
  constructor(above: readonly object[], value: object) {
    super('nested without end')
    this.isCycle = above.includes(value)
    const inside = [...above.slice(1), value]
    const keys = above.map((parent, at) => Object.entries(parent).find(([, child]) => child === inside[at])?.[0] ?? '')
    this.path = this.isCycle ? keys : keys.slice(0, 3)
  }
}

/**
 * Every reference inside a value, in order.
 * @throws EndlessValue where it contains itself, or is nested too deeply
 */
export function references(value: unknown, found: Reference[] = [], above: object[] = []): Reference[] {
  if (typeof value !== 'object' || value === null) return found
  if (isReference(value)) {
    found.push(value)
    return found
  }
  if (above.length > deepest || above.includes(value)) throw new EndlessValue(above, value)
  above.push(value)
  if (Array.isArray(value)) for (const item of value) references(item, found, above)
  else if (isPlainObject(value)) for (const key in value) references(value[key], found, above)
  above.pop()
  return found
}

/** The value with each reference replaced by what `lookup` gives; the first Unknown met ends it. */
export function resolveReferences(value: unknown, lookup: (reference: Reference) => unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (isReference(value)) return lookup(value)
  if (Array.isArray(value)) {
    const items = value.map((item) => resolveReferences(item, lookup))
    return items.find((item) => item instanceof Unknown) ?? items
  }
  if (!isPlainObject(value)) return value
  const copy: Record<string, unknown> = {}
  for (const key in value) {
    const resolved = resolveReferences(value[key], lookup)
    if (resolved instanceof Unknown) return resolved
    copy[key] = resolved
  }
  return copy
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
