/** Describes the attributes as JSON Schema (draft 2020-12), for editors and for the reference pages. */
import { toJSONSchema } from 'zod'
import { omitUndefined } from '../model/omit_undefined.ts'
import { isObject } from './merge.ts'
import { bare, type SchemaNotes, type Schemas } from './notes.ts'
import type { KeyPath } from './path.ts'

export type JsonSchema = Record<string, unknown>

/**
 * Returns one schema for all top-level keys. It adds to JSON Schema: `x-unit`, `x-mirrors` (the cookbook's attribute, or another
 * source), `x-sensitive`, `x-unused` (advice for an attribute without effect), `x-unused-rest` (the same for keys that a
 * group does not name) and `x-needs` (of each list one must be set as well). Unknown keys are valid everywhere, as in a run.
 */
export function attributesJsonSchema(schemas: Schemas): JsonSchema {
  const properties: JsonSchema = {}
  for (const [key, schema] of Object.entries(schemas)) {
    const json = toJSONSchema(schema, { io: 'input', unrepresentable: 'any', override: addDefault }) as JsonSchema
    delete json.$schema
    const { cookbook = null } = bare(schema).notes
    properties[key] = translate(json, [key], { cookbook })
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Attributes of converge',
    type: 'object',
    properties,
    additionalProperties: true,
  }
}

type Override = NonNullable<NonNullable<Parameters<typeof toJSONSchema>[1]>['override']>

/** Zod leaves a default out where a conversion follows; here defaults are always valid input. */
const addDefault: Override = ({ zodSchema: { _zod }, jsonSchema }) => {
  if (_zod.def.type === 'default') jsonSchema.default = JSON.parse(JSON.stringify(_zod.def.defaultValue))
  // The largest safe integer is no limit of the attribute.
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
}

/** Notes that a group hands down to what is inside. */
interface InheritedNotes extends Pick<SchemaNotes, 'cookbook' | 'unused'> {
  /** Of each list one must be set. */
  readonly allNeeds?: readonly (readonly string[])[]
}

/** Turns the notes that zod copied along into the words of the schema, and hands the cookbook's name down. */
function translate(json: JsonSchema, path: KeyPath, above: InheritedNotes): JsonSchema {
  const {
    unit,
    mirrors,
    sensitive,
    cookbook,
    open: _,
    accepts,
    verbatim: __,
    unused,
    unusedKeys,
    unusedRest,
    needs,
    usual: ___,
    ...rest
  } = json as JsonSchema & SchemaNotes
  const notes: InheritedNotes = {
    ...(cookbook === undefined ? above : { cookbook }),
    ...effectNotes(unused ?? above.unused, above.allNeeds, needs),
  }
  const result: JsonSchema = { ...rest, ...acceptedSpellings(rest, accepts) }
  if (unit !== undefined) result['x-unit'] = unit
  if (sensitive === true) result['x-sensitive'] = true
  const isLeaf = Object.keys(rest.properties ?? {}).length === 0
  if (isLeaf && notes.unused !== undefined) result['x-unused'] = notes.unused
  if (isLeaf && notes.allNeeds !== undefined) result['x-needs'] = notes.allNeeds
  if (unusedKeys !== undefined) result['x-unused-keys'] = unusedKeys
  if (unusedRest !== undefined) result['x-unused-rest'] = unusedRest
  const mirrored = mirrors ?? (notes.cookbook ? `${notes.cookbook}: ${chefPath(path)}` : '')
  if (mirrored !== '' && rest.description !== undefined) result['x-mirrors'] = mirrored
  if (rest.type === 'object' && rest.additionalProperties === undefined) result.additionalProperties = true
  if (isObject(rest.properties))
    result.properties = mapValues(rest.properties, (child, key) => translate(child, [...path, key], notes))
  for (const [name, part] of [
    ['additionalProperties', '<name>'],
    ['items', '<index>'],
  ] as const) {
    const child = rest[name]
    if (isObject(child))
      result[name] = Object.keys(child).length === 0 ? true : translate({ ...child }, [...path, part], notes)
  }
  if (Array.isArray(rest.anyOf))
    result.anyOf = rest.anyOf.map((child: JsonSchema) => translate(child, path, { cookbook: null }))
  return result
}

function effectNotes(
  unused: string | undefined,
  above: InheritedNotes['allNeeds'],
  needs: SchemaNotes['needs'],
): InheritedNotes {
  const allNeeds = needs === undefined ? above : [...(above ?? []), [needs].flat()]
  return omitUndefined({ unused, allNeeds })
}

function mapValues(
  object: Readonly<Record<string, unknown>>,
  change: (child: JsonSchema, key: string) => JsonSchema,
): JsonSchema {
  return Object.fromEntries(Object.entries(object).map(([key, child]) => [key, change(child as JsonSchema, key)]))
}

function chefPath(path: KeyPath): string {
  return path.reduce<string>((text, key) => `${text}[${String(key).startsWith('<') ? key : `'${key}'`}]`, 'node')
}

/** Returns the spellings that are accepted beside the type itself. */
function acceptedSpellings(json: JsonSchema, accepts: string | undefined): JsonSchema {
  switch (accepts) {
    case 'number':
      return { type: ['number', 'string'], pattern: '^\\s*-?\\d+(\\.\\d+)?\\s*$' }
    case 'integer':
      return { type: ['integer', 'string'], pattern: '^\\s*-?\\d+\\s*$' }
    case 'flag':
      return { type: ['boolean', 'string'], pattern: '^\\s*([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])\\s*$' }
    case 'text':
      return { type: ['string', 'number'] }
    case 'text or integer':
      return { type: ['integer', 'string'], pattern: '^\\s*\\d+(ms|s|m|h|d)?\\s*$' }
    case 'text or list':
      return {
        type: ['array', 'string'],
        ...(json.items === undefined ? { items: { type: ['string', 'number'] } } : {}),
      }
    case 'packages':
      return { type: ['array', 'object'], items: {} }
    default:
      return {}
  }
}
