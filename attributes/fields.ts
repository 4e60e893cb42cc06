/** Combines schemas into attributes: a field with its default and a sentence on its purpose, groups, lists and maps. */
import * as z from 'zod'
import { type GroupNotes, type Notes, noted } from './schema_notes.ts'

export const list = <S extends z.ZodType>(item: S) => z.array(item)

/** A key of a map: it can become the name of a file, or a part of a line in a configuration file. */
export const mapKey = z
  .string()
  .regex(/^[^\0-\x1f\x7f-\x9f\u2028\u2029]+$/, { error: 'a name without control characters' })

/** A map whose keys are the user's own, e.g. host names. */
export const map = <S extends z.ZodType>(value: S) => z.record(mapKey, value)

const nullables = new WeakMap<z.ZodType, z.ZodType>()

/** The same, or null. */
export function orNull<S extends z.ZodType>(schema: S): z.ZodNullable<S> {
  const known = nullables.get(schema) as z.ZodNullable<S> | undefined
  if (known !== undefined) return known
  const nullable = z.nullable(schema)
  nullables.set(schema, nullable)
  return nullable
}

/** An attribute with its default. */
export function field<S extends z.ZodType>(
  schema: S,
  value: z.util.NoUndefined<z.output<S>>,
  description: string,
  notes: Notes = {},
): z.ZodDefault<S> {
  return noted(schema.default(value), { description, ...notes })
}

/** An attribute that may be absent. */
export function optional<S extends z.ZodType>(schema: S, description: string, notes: Notes = {}): z.ZodOptional<S> {
  return noted(schema.optional(), { description, ...notes })
}

/** An attribute of a cookbook that converge does not implement. It takes any value; a run reports it if it differs from its default. */
export function unimplemented(value: unknown, description: string, notes: Notes = {}): z.ZodDefault<z.ZodUnknown> {
  return field(z.unknown(), value as never, description, notes)
}

/** An attribute that must be set. */
export function required<S extends z.ZodType>(schema: S, description: string, notes: Notes = {}): S {
  return schema.meta({ description, ...notes })
}

/** Attributes below one key. Other keys are kept, but are not part of the type. */
export function shape<T extends z.ZodRawShape>(fields: T): z.ZodObject<T> {
  return z.looseObject(fields) as unknown as z.ZodObject<T>
}

/** An object with a default for everything in it, so that it can be left out. */
export function group<T extends z.ZodRawShape>(
  description: string,
  fields: T,
  notes: GroupNotes = {},
): z.ZodPrefault<z.ZodObject<T>> {
  const whole = shape(fields) as unknown as z.ZodType<object, object>
  return noted(whole.prefault({}), { description, ...notes }) as unknown as z.ZodPrefault<z.ZodObject<T>>
}

/** An object whose nulls mean "not set", as OpsWorks writes them, for the keys that are named here. */
export function withoutNulls<T extends z.ZodRawShape>(fields: T) {
  return z.preprocess((value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    const entries: Record<string, unknown> = {}
    for (const [key, one] of Object.entries(value)) if (one !== null || !Object.hasOwn(fields, key)) entries[key] = one
    return entries
  }, shape(fields))
}

/** A map whose entries learn their own key, to fill in what follows from it. */
export function keyed<V extends z.ZodType, R>(
  key: z.ZodString,
  value: V,
  fill: (value: z.output<V>, key: string) => R,
) {
  return z.record(key, value).transform((entries) => {
    const filled: Record<string, R> = {}
    for (const [name, entry] of Object.entries(entries)) filled[name] = fill(entry as z.output<V>, name)
    return filled
  })
}

/** Takes null for a group that is not set, as in JSON for which converge reads nothing of the group. */
export function orAbsent<S extends z.ZodType>(make: () => S) {
  return () => z.preprocess((value) => value ?? undefined, make())
}
