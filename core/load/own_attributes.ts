/** Lets recipes define attributes of their own: a top-level key with its schema. */
import * as z from 'zod'
import { isRecipeRunning } from '../compile/recipe_call.ts'
import { callerOf } from '../compile/source.ts'
import { ConvergeError, describeLocation, type SourceLocation } from '../model/errors.ts'
import { factKeys } from '../node/fact_attributes.ts'
import type { DeepReadonly } from '../node/node.ts'
import { addSecretDefaults, type Schemas } from '../node/notes.ts'
import { defaultProblem, foreignType, secretDefaults } from './schema_defaults.ts'

/** Attributes that a recipe defines below one top-level key. */
export interface AttributeDefinition<K extends string = string, S extends z.ZodType = z.ZodType> {
  readonly key: K
  readonly schema: S
}

/** The part of a node that attribute definitions add: `OwnAttributes<typeof myApp>` is `{ my_app: … }`. */
export type OwnAttributes<D extends AttributeDefinition> = {
  readonly [K in D['key']]: Attributes<Extract<D, { readonly key: K }>['schema']>
}

type Attributes<S extends z.ZodType> = DeepReadonly<z.output<S>> & Commented<S>

/**
 * The names of the attributes, with the comments that the author wrote in the schema: the types of zod lose them, and an
 * editor shows those of any part of an intersection.
 */
type Commented<S> =
  S extends z.ZodObject<infer Shape>
    ? { readonly [K in keyof Shape]?: Commented<Shape[K]> }
    : S extends z.ZodDefault<infer Inner> | z.ZodPrefault<infer Inner> | z.ZodReadonly<infer Inner>
      ? Commented<Inner>
      : S extends z.ZodOptional<infer Inner>
        ? Commented<Inner> | undefined
        : S extends z.ZodNullable<infer Inner>
          ? Commented<Inner> | null
          : unknown

interface Registered extends AttributeDefinition {
  readonly secretDefaults: readonly string[]
  readonly source: SourceLocation | undefined
}

/** By key. Loading a recipe file fills it, because files define attributes at their top level. */
const registered = new Map<string, Registered>()

/**
 * Defines attributes of your own: `node.my_app`, with types, defaults and validation. Users set them like the built-in
 * ones; `converge attributes` explains them, and a mistake is reported with its file, line and column.
 *
 * Call it at the top level of a file that your role imports.
 *
 * @param key top-level key of the attributes: lower-case letters, digits and `_`
 * @param schema a zod object. Attributes without a default are required as soon as a recipe reads the key. `.meta({ description,
 * unit })` documents an attribute; {@link secret} keeps its value out of all output.
 * @throws INVALID_DEFINITION if the key or the schema cannot be used, ATTRIBUTE_TAKEN if the key is already defined elsewhere
 * @example
 * export const statusPage = defineAttributes('status_page', z.object({
 *   title: z.string().default('Status').meta({ description: 'Title of the page' }),
 *   token: secret(z.string().optional()),
 * }))
 * export type Node = NodeWith<typeof statusPage>
 */
export function defineAttributes<const K extends string, S extends z.ZodObject>(
  key: K,
  schema: S,
): AttributeDefinition<K, z.ZodPrefault<S>> {
  const source = callerOf(new Error().stack)
  const refuse = (message: string, code: string, hint: string) =>
    new ConvergeError(message, { code, hint, usage: true, source })
  if (typeof key !== 'string' || !/^[a-z][a-z0-9_]*$/.test(key))
    throw refuse(
      `defineAttributes: ${JSON.stringify(key)} is not a name for attributes: expected lower-case letters, digits and "_"`,
      'INVALID_DEFINITION',
      "defineAttributes('my_app', z.object({ ... }))",
    )
  if (!(schema instanceof z.ZodObject))
    throw refuse(
      `defineAttributes: the schema of ${key} is not a zod object`,
      'INVALID_DEFINITION',
      `import z from converge-engine, and write defineAttributes('${key}', z.object({ ... }))`,
    )
  if (isRecipeRunning())
    throw refuse(
      `defineAttributes: ${key} is defined while a recipe runs, when the node is complete`,
      'INVALID_DEFINITION',
      'call defineAttributes at the top level of the file, outside of the recipe',
    )
  if (reservedKeys.includes(key))
    throw refuse(`defineAttributes: the node already has ${key}`, 'ATTRIBUTE_TAKEN', 'choose another key')
  const first = registered.get(key)
  // A file that two directories or a configuration load runs twice.
  if (first !== undefined && !isSameLocation(first.source, source))
    throw refuse(
      `defineAttributes: ${key} is already defined${first.source === undefined ? '' : ` in ${describeLocation(first.source)}`}`,
      'ATTRIBUTE_TAKEN',
      'define each key once, and import the definition where it is needed',
    )
  const foreign = foreignType(schema, key)
  if (foreign !== null)
    throw refuse(
      `defineAttributes: ${foreign.path} is of the type ${foreign.type}, and no JSON or YAML file has such values`,
      'INVALID_DEFINITION',
      `write ${foreign.remedy}`,
    )
  const problem = defaultProblem(schema, key)
  if (problem?.kind === 'invalid')
    throw refuse(
      `defineAttributes: the default of ${problem.path} does not pass its own schema: ${problem.reason}`,
      'INVALID_DEFINITION',
      'correct the default, or the schema',
    )
  if (problem?.kind === 'asynchronous')
    throw refuse(
      `defineAttributes: the schema of ${problem.path} is asynchronous: ${problem.reason}`,
      'INVALID_DEFINITION',
      'remove async from the functions of refine and check',
    )
  const definition = {
    key,
    secretDefaults: secretDefaults(schema, key),
    schema: schema.prefault({} as never) as z.ZodPrefault<S>,
  }
  registered.set(key, { ...definition, source })
  return definition
}

/** Members of the node that are not attributes from layers. */
const reservedKeys: readonly string[] = [...factKeys, 'facts', 'run', 'isGiven']

function isSameLocation(a: SourceLocation | undefined, b: SourceLocation | undefined): boolean {
  return a?.file === b?.file && a?.line === b?.line && a?.column === b?.column
}

/**
 * Marks an attribute as secret: its value is masked in all output.
 * @example token: secret(z.string().optional())
 */
export function secret<S extends z.ZodType>(schema: S): S {
  return schema.meta({ ...schema.meta(), sensitive: true }) as S
}

/** Finds the definitions of recipes whose key is a built-in attribute. */
export function definitionProblems(builtIn: Schemas): readonly ConvergeError[] {
  return [...registered.values()]
    .filter(({ key }) => Object.hasOwn(builtIn, key))
    .map(
      ({ key, source }) =>
        new ConvergeError(`defineAttributes: ${key} is a built-in attribute`, {
          code: 'ATTRIBUTE_TAKEN',
          hint: 'choose another key; to set built-in attributes in a role, write role(name, { attributes: { ... } })',
          usage: true,
          source,
        }),
    )
}

/** Adds the attributes that loaded recipes define to the built-in ones. */
export function withOwnAttributes(builtIn: Schemas): Schemas {
  if (registered.size === 0) return builtIn
  // The built-in schemas are made when they are first read: copy the getters, not their values.
  const all = Object.defineProperties({}, Object.getOwnPropertyDescriptors(builtIn)) as Record<string, z.ZodType>
  for (const { key, schema } of registered.values())
    if (!Object.hasOwn(builtIn, key)) Object.defineProperty(all, key, { value: schema, enumerable: true })
  addSecretDefaults(
    all,
    [...registered.values()].flatMap((one) => one.secretDefaults),
  )
  return all as Schemas
}
