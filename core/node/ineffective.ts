/** Finds attributes that are set and change nothing: those that converge does not implement, and those whose switch is off. */
import type { z } from 'zod'
import { isObject } from './merge.ts'
import { bare, childSchema } from './notes.ts'
import { childOf, formatPath, type KeyPath } from './path.ts'

export interface Ineffective {
  readonly path: KeyPath
  readonly message: string
  readonly hint: string
}

type Schema = z.core.$ZodType

/** Notes on the effect of an attribute, its own or those of a group around it. */
interface Effect {
  /** Advice for an attribute that converge does not implement. */
  readonly unused: string | undefined
  /**
   * At least one attribute of each list must be set. In a path `*` stands for any key, a leading dot for an attribute
   * beside this one, and a leading `!` for one that must not be set.
   */
  readonly needs: readonly (readonly string[])[]
}

const always: Effect = { unused: undefined, needs: [] }

/**
 * @param input the merged layers, by top-level key
 * @param values the same with defaults
 */
export function ineffectiveAttributes(
  input: Readonly<Record<string, unknown>>,
  schemas: Readonly<Record<string, Schema>>,
  values: unknown,
): Ineffective[] {
  const found: Ineffective[] = []
  const visit = (at: unknown, schema: Schema | undefined, path: KeyPath, above: Effect, standard: unknown): void => {
    if (schema === undefined ? above === always : above === always && !hasEffects(schema)) return
    const effect = schema === undefined ? above : effectOf(schema, above)
    const nestedDefault = schema === undefined ? standard : standardOf(schema, standard)
    if (isObject(at) && !isWhole(schema)) {
      for (const [key, child] of Object.entries(at))
        visit(child, inner(schema, key), [...path, key], keyEffect(schema, key, effect), childOf(nestedDefault, key))
      return
    }
    if (effect === always || isDefault(at, schema, nestedDefault)) return
    const { unused, needs } = effect
    const off = needs.find((some) => !some.some((one) => isMet(values, one, path)))
    if (unused !== undefined) found.push({ path, message: `${formatPath(path)} has no effect`, hint: unused })
    else if (off !== undefined) found.push(withoutSwitch(path, off))
  }
  for (const [key, at] of Object.entries(input))
    if (Object.hasOwn(schemas, key)) visit(at, schemas[key], [key], always, undefined)
  return found
}

function withoutSwitch(path: KeyPath, needs: readonly string[]): Ineffective {
  const names = needs.map((need) => formatPath(keysOf(need.replace(/^!/, ''), path)))
  const [first] = names
  const isOff = needs[0]?.startsWith('!') ?? false
  const which = isOff
    ? `${first} is set`
    : names.length === 1
      ? `${first} is not set`
      : `neither ${names.join(' nor ')} is set`
  const hint = `${isOff ? `set ${first} to false` : `set ${names.join(' or ')}`}, or remove ${formatPath(path)}`
  return { path, message: `${formatPath(path)} has no effect: ${which}`, hint }
}

function effectOf(schema: Schema, above: Effect): Effect {
  const { unused = above.unused, needs } = bare(schema).notes
  if (unused === above.unused && needs === undefined) return above
  return { unused, needs: needs === undefined ? above.needs : [...above.needs, [needs].flat()] }
}

/** Adds the notes on keys that a map or a group does not implement. */
function keyEffect(schema: Schema | undefined, key: string, above: Effect): Effect {
  if (schema === undefined) return above
  const { unusedKeys, unusedRest } = bare(schema).notes
  const unused = unusedKeys?.[key] ?? (childSchema(schema, key) === undefined ? unusedRest : undefined)
  return unused === undefined ? above : { ...above, unused }
}

function inner(schema: Schema | undefined, key: string): Schema | undefined {
  return schema === undefined ? undefined : childSchema(schema, key)
}

/** Decides whether an object is a single value, such as packages with their versions. */
function isWhole(schema: Schema | undefined): boolean {
  return schema !== undefined && !['object', 'record'].includes(bare(schema).schema._zod.def.type)
}

function standardOf(schema: Schema, ofGroup: unknown): unknown {
  const { standard, notes } = bare(schema)
  return standard ?? notes.usual ?? ofGroup
}

const effects = new WeakMap<Schema, boolean>()

/** Whether the schema, or one inside it, has such notes: most have none, and stacks of a thousand hosts are not walked. */
function hasEffects(schema: Schema): boolean {
  const known = effects.get(schema)
  if (known !== undefined) return known
  effects.set(schema, false)
  const { schema: plain, notes } = bare(schema)
  const { def } = plain._zod
  const { unused, needs, unusedKeys, unusedRest } = notes
  const hasNote = [unused, needs, unusedKeys, unusedRest].some((note) => note !== undefined)
  const children =
    def.type === 'object'
      ? Object.values(def.shape as Record<string, Schema>)
      : def.type === 'record'
        ? [def.valueType]
        : []
  const has = hasNote || children.some(hasEffects)
  effects.set(schema, has)
  return has
}

function isDefault(at: unknown, schema: Schema | undefined, standard: unknown): boolean {
  if (standard === undefined) return isEmpty(at)
  // Another word may be read as the default one.
  if (typeof standard === 'string' && typeof at === 'string') return at === standard
  // A number or a flag may stand in quotes.
  if (isScalar(at) && isScalar(standard) && String(at) === String(standard)) return true
  const read = schema === undefined ? undefined : (schema as z.ZodType).safeParse(at, { jitless: true })
  const value = read?.success ? read.data : at
  return JSON.stringify(value) === JSON.stringify(standard)
}

function isScalar(value: unknown): boolean {
  return ['string', 'number', 'boolean'].includes(typeof value)
}

/** Decides whether a value means that nothing is set. */
function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === '' || value === false) return true
  return typeof value === 'object' && Object.keys(value).length === 0
}

function keysOf(reference: string, path: KeyPath): KeyPath {
  return reference.startsWith('.') ? [...path.slice(0, -1), reference.slice(1)] : reference.split('.')
}

function isMet(values: unknown, need: string, path: KeyPath): boolean {
  return need.startsWith('!') ? !isSet(values, keysOf(need.slice(1), path)) : isSet(values, keysOf(need, path))
}

function isSet(value: unknown, [key, ...rest]: KeyPath): boolean {
  if (key === undefined) return !isEmpty(value)
  if (key !== '*') return isSet(childOf(value, key), rest)
  return isObject(value) && Object.values(value).some((one) => isSet(one, rest))
}
