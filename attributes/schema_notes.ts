/** Stores notes beside the schemas of attributes, and makes each schema without notes of its own once. */
import * as z from 'zod'

/** Notes on an attribute beside its type. They are stored in zod's registry; docs and errors read them there. */
export interface Notes {
  /** E.g. `seconds`, `days`. */
  readonly unit?: string
  /** The attribute or manual that it mirrors, unless that is the cookbook's attribute of the same path. */
  readonly mirrors?: string
  /** Its value is never shown. */
  readonly sensitive?: boolean
  /** A number there is taken as the text that the file has. */
  readonly verbatim?: boolean
  /**
   * Advice in the imperative for an attribute that converge does not implement. A run reports it where the attribute is set to
   * something other than its default. In a group it applies to all attributes inside.
   */
  readonly unused?: string
  /** The same for single keys of a map. */
  readonly unusedKeys?: Readonly<Record<string, string>>
  /**
   * The attribute that must be set for this one to have an effect; a list where one of several is enough. `*` stands for any
   * key, `.name` for an attribute beside this one, and `!name` for one that must not be set.
   */
  readonly needs?: string | readonly string[]
  /** The value that an absent attribute without a default counts as. */
  readonly usual?: unknown
}

/** Notes of an object, which those inside it share. */
export interface GroupNotes extends Notes {
  /** The cookbook whose attributes of the same path are mirrored; null: none of these is a cookbook's. */
  readonly cookbook?: string | null
  /** Users put keys of their own here: an unknown key is reported only if it resembles a known one. */
  readonly open?: boolean
  /** Advice for keys that the group does not name. */
  readonly unusedRest?: string
}

// Schemas cost 20 microseconds each to make, so those without notes of their own are made once, and when first used.
const schemas = new Map<string, z.ZodType>()
export function shared<S extends z.ZodType>(key: string, make: () => S): S {
  const found = schemas.get(key) as S | undefined
  if (found !== undefined) return found
  const schema = make()
  schemas.set(key, schema)
  return schema
}

export function noted<S extends z.ZodType>(schema: S, notes: Record<string, unknown>): S {
  z.globalRegistry.add(schema, notes)
  return schema
}
