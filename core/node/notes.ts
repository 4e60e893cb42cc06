/** Reads the notes of a schema (descriptions, units, sensitivity), and finds the schema of a key. */
import { globalRegistry, type ZodType, type z } from 'zod'
import { hasSecretName, noNames, type OwnNames } from '../model/secret_names.ts'
import type { JsonObject } from './merge.ts'
import { childOf, type KeyPath } from './path.ts'

/** Key of a function among schemas: defaults that depend on values in the layers, or null for none. */
export const derivedDefaults = Symbol('defaults that depend on other attributes')

export type Schemas = Readonly<Record<string, ZodType>> & {
  readonly [derivedDefaults]?: (attributes: JsonObject) => JsonObject | null
}

export interface SchemaNotes {
  readonly description?: string
  readonly unit?: string
  readonly mirrors?: string
  readonly cookbook?: string | null
  readonly sensitive?: boolean
  readonly open?: boolean
  readonly accepts?: string
  readonly verbatim?: boolean
  /** The words that a choice offers; it may accept others. */
  readonly enum?: readonly string[]
  /** Advice for an attribute that converge does not implement. */
  readonly unused?: string
  /** The same for single keys of a map. */
  readonly unusedKeys?: Readonly<Record<string, string>>
  /** The same for keys of a group that its schema does not name. */
  readonly unusedRest?: string
  /** Paths of attributes one of which must be set for this one to have an effect. */
  readonly needs?: string | readonly string[]
  /** The value that an absent attribute without a default counts as. */
  readonly usual?: unknown
}

type Schema = z.core.$ZodType

/** A schema without the wrappers for defaults, null and conversions, and the notes of all of them. */
export interface Bare {
  readonly schema: z.core.$ZodTypes
  readonly notes: SchemaNotes
  /** The default as JSON, or undefined where there is none. */
  readonly standard: unknown
}

const bares = new WeakMap<Schema, Bare>()

export function bare(schema: Schema): Bare {
  const known = bares.get(schema)
  if (known !== undefined) return known
  let at = schema as z.core.$ZodTypes
  let notes: SchemaNotes = {}
  let standard: unknown
  for (;;) {
    notes = { ...(globalRegistry.get(at) as SchemaNotes | undefined), ...notes }
    const { def } = at._zod
    if (def.type === 'default') standard ??= def.defaultValue
    const inner = innerOf(def)
    if (inner === undefined) break
    at = inner as z.core.$ZodTypes
  }
  const result = { schema: at, notes, standard }
  bares.set(schema, result)
  return result
}

function innerOf(def: z.core.$ZodTypes['_zod']['def']): Schema | undefined {
  switch (def.type) {
    case 'default':
    case 'prefault':
    case 'nullable':
    case 'optional':
    case 'nonoptional':
    case 'readonly':
    case 'catch':
      return def.innerType
    case 'pipe':
      // A conversion stands before what it converts to (coercion) or after what it converts from (filling in).
      return (def.in as z.core.$ZodTypes)._zod.def.type === 'transform' ? def.out : def.in
    case 'lazy':
      return def.getter()
    default:
      return undefined
  }
}

/** The schema of a key; undefined where the schema does not have the key. */
export function childSchema(schema: Schema, key: string | number): Schema | undefined {
  const { def } = bare(schema).schema._zod
  if (def.type === 'object') return childOf(def.shape, key) as Schema | undefined
  if (def.type === 'record') return def.valueType
  if (def.type === 'array') return def.element
  return undefined
}

const names = new WeakMap<Schema, ReadonlySet<string>>()

/** The names an object's schema knows; undefined where it is no object or its keys are the user's own. */
export function knownKeys(schema: Schema): ReadonlySet<string> | undefined {
  const { def } = bare(schema).schema._zod
  if (def.type !== 'object') return undefined
  const known = names.get(schema) ?? new Set(Object.keys(def.shape))
  names.set(schema, known)
  return known
}

/** Returns the names that the object at a path knows; none where it is no object, or where its keys are the user's own. */
export function knownKeysAt(schemas: Schemas, path: KeyPath): readonly string[] {
  const [top, ...rest] = path
  if (top === undefined) return Object.keys(schemas)
  let schema = childOf(schemas, top) as Schema | undefined
  for (const key of rest) schema = schema === undefined ? undefined : childSchema(schema, key)
  return [...((schema && knownKeys(schema)) ?? [])]
}

const secretDefaultsOf = new WeakMap<object, readonly string[]>()

/** Records the defaults of secrets in these schemas: no layer has them. */
export function addSecretDefaults(schemas: object, defaults: readonly string[]): void {
  secretDefaultsOf.set(schemas, defaults)
}

export const secretDefaultsIn = (schemas: object): readonly string[] => secretDefaultsOf.get(schemas) ?? []

/** Decides whether the value at a path is secret, by its schema or its name, and so never displayed. */
export function isSensitive(schemas: Schemas, path: KeyPath, names: OwnNames = noNames): boolean {
  let schema: Schema | undefined = childOf(schemas, path[0] ?? '') as Schema | undefined
  for (let i = 1; i <= path.length; i++) {
    if (schema !== undefined && bare(schema).notes.sensitive === true) return true
    const key = path[i]
    if (key !== undefined && schema !== undefined) schema = childSchema(schema, key)
  }
  return hasSecretName(String(path.at(-1)), names)
}

/** Decides whether an attribute is a text, so that a number keeps its spelling in the file. */
export function isVerbatim(schemas: Schemas, path: KeyPath): boolean {
  const [top = '', ...rest] = path
  let schema = childOf(schemas, top) as Schema | undefined
  for (const key of rest) {
    // The value inside may be another spelling of the same texts, such as a list of words.
    if (schema === undefined || bare(schema).notes.verbatim === true) break
    schema = childSchema(schema, key)
  }
  return schema !== undefined && bare(schema).notes.verbatim === true
}

/** Returns the type of zod at a path, such as `number`; undefined where the schemas do not have the path. */
export function typeAt(schemas: Schemas, path: KeyPath): string | undefined {
  const [top = '', ...rest] = path
  let schema = childOf(schemas, top) as Schema | undefined
  for (const key of rest) schema = schema && childSchema(schema, key)
  return schema && bare(schema).schema._zod.def.type
}

/** Returns the key paths of all sensitive attributes; `*` stands for any key or index. */
export function sensitivePathsOf(schemas: Schemas): readonly KeyPath[] {
  const found: KeyPath[] = []
  const visit = (schema: Schema, path: KeyPath): void => {
    if (bare(schema).notes.sensitive === true) found.push(path)
    const { def } = bare(schema).schema._zod
    if (def.type === 'object') for (const [key, child] of Object.entries(def.shape)) visit(child, [...path, key])
    if (def.type === 'record') visit(def.valueType, [...path, '*'])
    if (def.type === 'array') visit(def.element, [...path, '*'])
  }
  for (const [key, schema] of Object.entries(schemas)) visit(schema, [key])
  return found
}
