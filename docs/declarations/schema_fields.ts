/** Finds the objects of a zod schema, and describes each of their fields: sentence, unit, default and example. */
import { safeParse, type z } from 'zod'
import { Duration, seconds } from '../../core/model/units.ts'
import { bare, type SchemaNotes } from '../../core/node/notes.ts'
import { exampleOf } from './value_examples.ts'

export type Schema = z.core.$ZodType
type ObjectSchema = z.core.$ZodObject

export interface Field {
  readonly schema: Schema
  readonly notes: SchemaNotes
  /** The default, or undefined where there is none. */
  readonly standard: unknown
  /** A valid value, or undefined where none is known. */
  readonly example: unknown
}

/** Where a field is: names from the resource type or the top-level key down. */
export type Path = readonly string[]

/** Returns the objects that a value of a schema may be or contain, without those inside the fields of another object. */
export function objectsIn(schema: Schema): readonly ObjectSchema[] {
  const found: ObjectSchema[] = []
  const visited = new Set<Schema>()
  const visit = (one: Schema): void => {
    if (visited.has(one)) return
    visited.add(one)
    for (const inner of partsOf(one)) visit(inner)
    if ((one as z.core.$ZodTypes)._zod.def.type === 'object') found.push(one as ObjectSchema)
  }
  visit(schema)
  return found
}

function partsOf(schema: Schema): readonly Schema[] {
  const { def } = (schema as z.core.$ZodTypes)._zod
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'readonly':
    case 'nonoptional':
      return [def.innerType]
    case 'array':
      return [def.element]
    case 'record':
      return [def.valueType]
    case 'union':
      return def.options
    case 'intersection':
      return [def.left, def.right]
    case 'pipe':
      return [def.in, def.out]
    default:
      return []
  }
}

/**
 * Describes the field of an object.
 * @param examples values of the object that contain examples of the field
 */
export function fieldOf(
  object: ObjectSchema,
  name: string,
  path: Path,
  examples: readonly unknown[],
): Field | undefined {
  const schema = object._zod.def.shape[name]
  if (schema === undefined) return undefined
  const { notes, standard } = bare(schema)
  return { schema, notes, standard, example: fieldExample(schema, [...path, name], examples) }
}

function fieldExample(schema: Schema, path: Path, examples: readonly unknown[]): unknown {
  const isExample = (value: unknown) => !isEmpty(value) && safeParse(schema, value).success
  const given = valuesAt(examples, path.at(-1) ?? '').find(isExample)
  if (given !== undefined) return given
  const { schema: core, standard, notes } = bare(schema)
  if (typeof standard !== 'boolean' && !isEmpty(standard)) return standard
  return [exampleOf(path), exampleOfKind(core, notes, path)].find(isExample)
}

/** Returns the values of one field in examples of its object. */
export function valuesAt(examples: readonly unknown[], name: string): readonly unknown[] {
  return examples.flatMap((example) => {
    if (typeof example !== 'object' || example === null || !Object.hasOwn(example, name)) return []
    return [(example as Record<string, unknown>)[name]]
  })
}

/** Returns the objects inside examples of a field: items of lists and values of maps count. */
export function objectExamples(values: readonly unknown[]): readonly unknown[] {
  return values.flatMap((value) => (Array.isArray(value) ? value : [value]))
}

const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === '' ||
  (typeof value === 'object' && !(value instanceof Duration) && Object.keys(value).length === 0)

/** Returns an example that follows from the kind of value. */
function exampleOfKind(schema: z.core.$ZodTypes, notes: SchemaNotes, path: Path): unknown {
  const { def } = schema._zod
  switch (def.type) {
    case 'boolean':
      return true
    case 'enum':
      return notes.enum?.[0] ?? Object.values(def.entries)[0]
    case 'literal':
      return def.values[0]
    case 'number':
      return 1
    case 'custom':
      return seconds(60)
    case 'object':
      return objectExample(schema as ObjectSchema, path)
    case 'array': {
      const item = itemExample(def.element, path)
      return item === undefined ? undefined : [item]
    }
    case 'record': {
      const item = itemExample(def.valueType, path)
      return item === undefined ? undefined : { example: item }
    }
    case 'union':
      return def.options.map((option) => itemExample(option, path)).find((one) => one !== undefined)
    default:
      return undefined
  }
}

/** The type of JSON values contains itself: lists of lists have no example. */
function itemExample(schema: Schema, path: Path): unknown {
  const { schema: core, notes } = bare(schema)
  return ['array', 'record', 'union'].includes(core._zod.def.type) ? undefined : exampleOfKind(core, notes, path)
}

/** Returns an object with examples of the required fields, or of the first field if none is required. */
function objectExample(object: ObjectSchema, path: Path): unknown {
  const entries = Object.entries(object._zod.def.shape).map(([name, schema]) => ({
    name,
    isRequired: !safeParse(schema, undefined).success,
    value: fieldExample(schema, [...path, name], []) ?? (safeParse(schema, null).success ? null : undefined),
  }))
  const required = entries.filter(({ isRequired }) => isRequired)
  const shown = (required.length > 0 ? required : entries).filter(({ value }) => value !== undefined)
  const chosen = required.length > 0 ? shown : shown.slice(0, 1)
  return chosen.length === 0 ? undefined : Object.fromEntries(chosen.map(({ name, value }) => [name, value]))
}
