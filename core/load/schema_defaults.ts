/** Checks the defaults in a schema of a recipe: zod uses a default without a validation. */
import * as z from 'zod'
import { hasSecretName } from '../model/secret_names.ts'

/** A default that its own schema refuses. */
export interface DefaultProblem {
  /** Path of the attribute, such as `shop.hosts[].port`. */
  readonly path: string
  readonly kind: 'invalid' | 'asynchronous'
  /** The words of the schema about the default. */
  readonly reason: string
}

type Schema = z.core.$ZodTypes

/** Returns the first default that its own schema refuses; null for none. */
export function defaultProblem(schema: z.core.$ZodType, path: string): DefaultProblem | null {
  const { def } = (schema as Schema)._zod
  const own =
    def.type === 'default' || def.type === 'prefault' ? problemOf(def.innerType, def.defaultValue, path) : null
  if (own !== null) return own
  for (const [part, partPath] of partsOf(schema as Schema, path)) {
    const problem = defaultProblem(part, partPath)
    if (problem !== null) return problem
  }
  return null
}

/** Types of zod whose values no JSON or YAML file can have, and what to write instead. */
const foreignTypes: Readonly<Record<string, string>> = {
  date: 'z.iso.date() or z.iso.datetime()',
  bigint: 'z.number().int(), or z.string() for more than 15 digits',
  map: 'z.record(z.string(), ...)',
  set: 'z.array(...)',
  symbol: 'z.string()',
  function: 'a text, and choose the function in the recipe',
  promise: 'the schema of its value',
  file: 'z.string() with the path of the file',
  nan: 'z.number().nullable()',
}

export interface ForeignType {
  readonly path: string
  readonly type: string
  readonly remedy: string
}

/**
 * Returns the first attribute that no file could set, because JSON has no values of its type; null for none. A schema with
 * `z.coerce` converts the text or number of a file, and of a union one option is enough.
 */
export function foreignType(schema: z.core.$ZodType, path: string): ForeignType | null {
  const { def } = (schema as Schema)._zod
  if ('coerce' in def && def.coerce === true) return null
  if (def.type === 'union') {
    const found = def.options.map((option) => foreignType(option, path))
    return found.includes(null) ? null : (found[0] ?? null)
  }
  const remedy = foreignTypes[def.type]
  if (remedy !== undefined) return { path, type: def.type, remedy }
  for (const [part, partPath] of partsOf(schema as Schema, path)) {
    const found = foreignType(part, partPath)
    if (found !== null) return found
  }
  return null
}

/** Returns the texts that are defaults of secrets. */
export function secretDefaults(schema: z.core.$ZodType, path: string, isSecret = false): readonly string[] {
  const { def } = (schema as Schema)._zod
  const isDeclared = [
    schema,
    ...partsOf(schema as Schema, path).flatMap(([part, at]) => (at === path ? [part] : [])),
  ].some((one) => z.globalRegistry.get(one)?.sensitive === true)
  const secret = isSecret || isDeclared || hasSecretName(path.split('.').at(-1) ?? '')
  const own = secret && (def.type === 'default' || def.type === 'prefault') ? textsIn(def.defaultValue) : []
  return [...own, ...partsOf(schema as Schema, path).flatMap(([part, at]) => secretDefaults(part, at, secret))]
}

function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : []
}

function problemOf(schema: z.core.$ZodType, value: unknown, path: string): DefaultProblem | null {
  // A default stands for the result of a transformation, not for its input.
  if (transforms(schema as Schema)) return null
  if (typeof value === 'function') return { path, kind: 'invalid', reason: 'it is a function' }
  try {
    const { error } = z.safeParse(schema, value)
    if (error === undefined) return null
    const [issue] = error.issues
    const prefix = issue === undefined || issue.path.length === 0 ? '' : `${issue.path.join('.')}: `
    return { path, kind: 'invalid', reason: `${prefix}${issue?.message ?? 'invalid'}` }
  } catch (thrown) {
    if (!(thrown instanceof z.core.$ZodAsyncError)) throw thrown
    return { path, kind: 'asynchronous', reason: 'its check returns a promise' }
  }
}

function transforms(schema: Schema): boolean {
  const { type } = schema._zod.def
  if (type === 'transform' || type === 'pipe') return true
  return partsOf(schema, '').some(([part]) => transforms(part as Schema))
}

/** Returns the schemas directly within a schema, with their paths; none for a lazy schema, which may contain itself. */
function partsOf(schema: Schema, path: string): (readonly [z.core.$ZodType, string])[] {
  const { def } = schema._zod
  switch (def.type) {
    case 'object':
      return Object.entries(def.shape).map(([name, part]) => [part, path === '' ? name : `${path}.${name}`])
    case 'array':
      return [[def.element, `${path}[]`]]
    case 'record':
      return [[def.valueType, `${path}.*`]]
    case 'union':
      return def.options.map((part) => [part, path])
    case 'tuple':
      return def.items.map((part, index) => [part, `${path}[${index}]`])
    case 'intersection':
      return [
        [def.left, path],
        [def.right, path],
      ]
    case 'default':
    case 'prefault':
    case 'optional':
    case 'nullable':
    case 'readonly':
    case 'nonoptional':
    case 'catch':
      return [[def.innerType, path]]
    default:
      return []
  }
}
