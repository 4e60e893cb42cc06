/** Builds the JSON Schema (draft 2020-12) of the stack file, for editors and for the reference pages. */
import { toJSONSchema, type ZodType } from 'zod'
import { omitUndefined } from '../../model/omit_undefined.ts'
import { isObject } from '../../node/merge.ts'
import { attributesJsonSchema, type JsonSchema } from '../../node/schema.ts'
import { stackShape } from './schema.ts'

const definition = (name: string) => ({ $ref: `#/$defs/${name}` })

const secretKey: JsonSchema = {
  description: 'Key path of the value in the file, such as database.password; a list if a key contains a dot.',
  anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' }, minItems: 1 }],
}

function reference(
  kind: string,
  type: JsonSchema,
  otherProperties: Readonly<Record<string, JsonSchema>> = {},
): JsonSchema {
  return {
    type: 'object',
    properties: { [kind]: type, ...otherProperties },
    required: [kind],
    additionalProperties: false,
  }
}

/** @param attributes schemas of the attributes, by top-level key */
export function stackJsonSchema(attributes: Readonly<Record<string, ZodType>>): JsonSchema {
  const properties: JsonSchema = {}
  const required: string[] = []
  for (const [key, schema] of Object.entries(stackShape)) {
    const json = toJSONSchema(schema as ZodType, { io: 'input', unrepresentable: 'any' }) as JsonSchema
    delete json.$schema
    properties[key] = translateSchema(json)
    if (!schema.safeParse(undefined).success) required.push(key)
  }
  const overlay = { type: 'object', properties: withoutRequired(properties) }
  properties.environments = {
    description: stackShape.environments.description,
    type: 'object',
    additionalProperties: { anyOf: [definition('overlay'), definition('patch')] },
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Stack of converge',
    type: 'object',
    properties,
    required,
    // Keys for YAML anchors.
    patternProperties: { '^x-': true },
    additionalProperties: false,
    $defs: {
      attributes: { ...(allowReferences(attributesJsonSchema(attributes)) as JsonSchema), $schema: undefined },
      patch: {
        type: 'array',
        items: { type: 'object', required: ['op', 'path'] },
        description: 'A JSON Patch (RFC 6902).',
      },
      customJson: { anyOf: [definition('attributes'), { type: 'string' }, { type: 'array' }] },
      elsewhere: {
        description: 'A text from a file, an environment variable, a command, or a file of age or sops.',
        anyOf: [
          reference('$file', { type: 'string' }),
          reference('$env', { type: 'string' }),
          reference('$age', { type: 'string' }, { key: secretKey }),
          reference('$sops', { type: 'string' }, { key: secretKey }),
          reference('$command', { type: 'array', items: { type: 'string' }, minItems: 1 }),
        ],
      },
      overlay,
    },
  }
}

/** Translates the notes of a schema to JSON Schema; a text may be a reference. */
function translateSchema(json: JsonSchema): JsonSchema {
  const { sensitive, open, customJson, ...rest } = json
  const { description, ...type } = rest
  const annotations = omitUndefined({ description })
  if (customJson === true) return { ...annotations, ...definition('customJson') }
  if (type.type === 'string' && type.enum === undefined)
    return {
      ...annotations,
      ...(sensitive === true ? { 'x-sensitive': true } : {}),
      anyOf: [type, definition('elsewhere')],
    }
  const result: JsonSchema = { ...rest }
  if (isObject(rest.properties)) {
    result.properties = Object.fromEntries(
      Object.entries(rest.properties).map(([key, child]) => [key, translateSchema(child as JsonSchema)]),
    )
    result.additionalProperties = open === true
  } else if (isObject(rest.additionalProperties))
    result.additionalProperties = translateSchema({ ...rest.additionalProperties })
  if (isObject(rest.items)) result.items = translateSchema({ ...rest.items })
  return result
}

/** Allows references for the texts of custom JSON as well. */
function allowReferences(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(allowReferences)
  if (!isObject(value)) return value
  const inner = Object.fromEntries(Object.entries(value).map(([key, child]) => [key, allowReferences(child)]))
  if (![value.type].flat().includes('string')) return inner
  const { description, default: defaultValue, ...type } = inner
  return { ...omitUndefined({ description, default: defaultValue }), anyOf: [type, definition('elsewhere')] }
}

/** Removes `required`: an environment only contains the differences. */
function withoutRequired(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutRequired)
  if (!isObject(value)) return value
  const entries = Object.entries(value).filter(([key, child]) => !(key === 'required' && Array.isArray(child)))
  return Object.fromEntries(entries.map(([key, child]) => [key, withoutRequired(child)]))
}
