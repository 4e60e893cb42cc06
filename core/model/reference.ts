/** Values that are known only when the run gets there: references between resources, and what a dry run cannot know. */

const referenceMark = Symbol.for('converge.reference')

/** A value that another resource provides; props take it wherever they take the value itself. */
export interface Reference<T = unknown> {
  readonly [referenceMark]: true
  /** `resource type` + `key` of the provider, resolved by the engine. */
  readonly provider: string
  /** The output's name; `digest` is what the provider's state amounts to. */
  readonly output: string
  readonly transform?: ((value: never) => T) | undefined
}

/** What a prop takes: the value, a reference to it, or an object with references inside. */
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

/** Every reference inside a value, in order. */
export function references(value: unknown, found: Reference[] = []): Reference[] {
  if (typeof value !== 'object' || value === null) return found
  if (isReference(value)) found.push(value)
  else if (Array.isArray(value)) for (const item of value) references(item, found)
  else if (isPlainObject(value)) for (const key in value) references(value[key], found)
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
