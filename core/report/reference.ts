/** Describes resource types from their definitions, for `converge resources` and the reference pages. */
import * as z from 'zod'
import { isReference, partsOf } from '../model/reference.ts'
import type { AnyDefinition } from '../model/resource.ts'
import { Duration } from '../model/units.ts'

export interface PropDescription {
  readonly name: string
  readonly type: string
  readonly required: boolean
  readonly doc: string
}

export interface ResourceReference {
  /** The function that recipes call. */
  readonly functionName: string
  readonly doc: string
  readonly mirrors: string | undefined
  readonly props: readonly PropDescription[]
  /** Each as it is written in a recipe. */
  readonly examples: readonly string[]
  readonly outputs: readonly string[]
}

export function describeResource(definition: AnyDefinition): ResourceReference {
  const schema = z.toJSONSchema(definition.props, {
    io: 'input',
    unrepresentable: 'any',
    override: nameUnits,
  }) as JsonSchema
  const required = new Set(schema.required ?? [])
  const props = Object.entries(schema.properties ?? {}).map(([name, prop]) => ({
    name,
    type: typeName(prop),
    required: required.has(name),
    doc: prop.description ?? '',
  }))
  return {
    functionName: definition.functionName ?? definition.type,
    doc: definition.doc,
    mirrors: definition.mirrors,
    props,
    examples: definition.examples.map(valueSource),
    outputs: ['digest'],
  }
}

interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly items?: JsonSchema
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly allOf?: readonly JsonSchema[]
  readonly additionalProperties?: JsonSchema | boolean
  readonly $ref?: string
  readonly 'x-type'?: string
}

function nameUnits({
  zodSchema,
  jsonSchema,
}: {
  zodSchema: z.core.$ZodType
  jsonSchema: Record<string, unknown>
}): void {
  if (zodSchema._zod.def.type === 'custom') jsonSchema['x-type'] = 'duration'
}

function typeName(schema: JsonSchema): string {
  if (schema['x-type']) return schema['x-type']
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  const choices = schema.anyOf ?? schema.oneOf
  if (choices) return choices.map(typeName).join(' | ')
  // Schemas that only narrow a type have no name of their own.
  if (schema.allOf && !schema.type) return schema.allOf.map(typeName).find((name) => name !== 'any') ?? 'any'
  // The one type that refers to itself.
  if (schema.$ref) return 'JSON'
  if (schema.type === 'array') return schema.items ? `list of ${typeName(schema.items)}` : 'list'
  if (schema.type === 'object' && schema.properties)
    return `{ ${Object.entries(schema.properties)
      .map(([name, prop]) => `${name}${schema.required?.includes(name) ? '' : '?'}: ${typeName(prop)}`)
      .join(', ')} }`
  if (schema.type === 'object')
    return typeof schema.additionalProperties === 'object' ? `map of ${typeName(schema.additionalProperties)}` : 'map'
  return typeof schema.type === 'string' ? schema.type : 'any'
}

/** Returns a value as TypeScript source. */
export function valueSource(value: unknown): string {
  if (value instanceof Duration)
    return value.ms % 60_000 === 0 ? `minutes(${value.ms / 60_000})` : `seconds(${value.ms / 1000})`
  if (isReference(value)) return `${partsOf(value).provider}.${partsOf(value).output}`
  if (Array.isArray(value)) return `[${value.map(valueSource).join(', ')}]`
  if (typeof value === 'object' && value !== null)
    return `{ ${Object.entries(value)
      .map(([key, item]) => `${/^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key)}: ${valueSource(item)}`)
      .join(', ')} }`
  return typeof value === 'string'
    ? `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n')}'`
    : String(value)
}
