/** Values that are known only when the run gets there: references between resources, and what a dry run cannot know. */
import { ConvergeError } from './errors.ts'
import type { DefaultedQuery } from './query.ts'
import type { Duration } from './units.ts'

const referenceMark = Symbol.for('converge.reference')

declare const referencedValue: unique symbol

/**
 * A value that another resource provides; each property that takes the value takes the reference too. Its members are
 * symbols, so that editors do not offer them among the properties of a resource.
 */
export interface Reference<T = unknown> {
  readonly [referenceMark]: true
  /** Exists for the compiler only: the type of the value. */
  readonly [referencedValue]?: T
}

/** The members of a reference that the engine reads. */
export interface ReferenceParts<T = unknown> extends Reference<T> {
  /** `resource type` + `key` of the provider, resolved by the engine. */
  readonly provider: string
  /** The output's name; `digest` is what the provider's state amounts to. */
  readonly output: string
  readonly transform?: ((value: never) => T) | undefined
  /** The query that provides the value, instead of the output of a resource. */
  readonly query?: DefaultedQuery<unknown> | undefined
}

/** The type of a property: the value, a reference to it, or an object with references inside. */
export type Input<T> =
  | ReferenceTo<T>
  | (T extends readonly (infer E)[]
      ? readonly Input<E>[]
      : T extends Duration | ((...args: never[]) => unknown)
        ? T
        : T extends object
          ? { [K in keyof T]: Input<T[K]> }
          : T)

/** A property with one literal value is no reference: it distinguishes the variants of an object, also for editors. */
type ReferenceTo<T> = IsOneLiteral<Exclude<T, undefined>> extends true ? never : Reference<T>

type IsOneLiteral<T, All = T> = [T] extends [string]
  ? string extends T
    ? false
    : T extends unknown
      ? [All] extends [T]
        ? true
        : false
      : never
  : false

/** The properties of a resource as a recipe writes them: each is its value or a reference. */
export type Properties<P> = { readonly [K in keyof P]: Input<P[K]> }

export function reference<T>(provider: string, output: string): ReferenceParts<T> {
  return withoutText({ [referenceMark]: true, provider, output })
}

/** Refuses to become a part of a text, which would be "[object Object]" instead of the value. */
function withoutText<T>(parts: ReferenceParts<T>): ReferenceParts<T> {
  // A recipe that writes JSON with it gets a text by which the declaration is recognized.
  Object.defineProperty(parts, 'toJSON', { value: () => `(known later: ${parts.output} of ${parts.provider})` })
  return Object.defineProperty(parts, Symbol.toPrimitive, {
    value: () => {
      throw new ConvergeError(
        `the ${parts.output} of ${parts.provider} is not known yet, so it cannot be a part of a text`,
        {
          code: 'NOT_YET_KNOWN',
          hint: 'pass a function that makes the text: derived(env.bin, (bin) => `exec ${bin}/tool`)',
          usage: true,
        },
      )
    },
  })
}

/** Returns a reference to the value of a query, for the properties of resources. */
export function queried<V>(query: DefaultedQuery<V>): ReferenceParts<V> {
  return withoutText({ [referenceMark]: true, provider: `query ${query.name}`, output: 'value', query })
}

export function isReference(value: unknown): value is Reference {
  return typeof value === 'object' && value !== null && referenceMark in value
}

/** Returns what the engine reads in a reference. */
export function partsOf<T>(value: Reference<T>): ReferenceParts<T> {
  return value as ReferenceParts<T>
}

/** A value derived from a reference, e.g. `derived(release.path, (p) => p + '/bin')`. Plain values pass straight through. */
export function derived<T, U>(from: T | Reference<T>, transform: (value: T) => U): U | Reference<U> {
  if (!isReference(from)) return transform(from)
  const { provider, output, query, transform: first } = partsOf(from)
  const inner = first as ((value: unknown) => T) | undefined
  const composed = (value: never): U => transform(inner ? inner(value) : (value as T))
  const parts: ReferenceParts<U> = {
    [referenceMark]: true,
    provider,
    output,
    transform: composed,
    ...(query && { query }),
  }
  return withoutText(parts)
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

/** Thrown by the overlay of a dry run for a query that only a real run can answer. */
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
export function references(value: unknown, collected: ReferenceParts[] = [], above: object[] = []): ReferenceParts[] {
  if (typeof value !== 'object' || value === null) return collected
  if (isReference(value)) {
    collected.push(partsOf(value))
    return collected
  }
  if (above.length > deepest || above.includes(value)) throw new EndlessValue(above, value)
  above.push(value)
  if (Array.isArray(value)) for (const item of value) references(item, collected, above)
  else if (isPlainObject(value)) for (const key in value) references(value[key], collected, above)
  above.pop()
  return collected
}

/** The value with each reference replaced by what `lookup` gives; the first Unknown met ends it. */
export function resolveReferences(value: unknown, lookup: (reference: ReferenceParts) => unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (isReference(value)) return lookup(partsOf(value))
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
