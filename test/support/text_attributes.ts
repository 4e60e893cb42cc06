/** Lists every attribute that can be a text, and every map, by the paths at which its schema allows one. */
import { attributeSchemas } from '../../attributes/index.ts'
import { attributesJsonSchema } from '../../core/node/schema.ts'

/** `*` stands for a key of a map, `#` for an item of a list. */
export type AttributePath = readonly string[]

interface Schema {
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly pattern?: string
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
}

/**
 * Returns the paths, without texts that can only be a number, a boolean or a value from a list: their pattern is their
 * test.
 */
export function textAttributes(): readonly AttributePath[] {
  return attributePaths((schema) => {
    const isText = [schema.type].flat().includes('string') && schema.enum === undefined
    return isText && !isNarrow(schema.pattern)
  })
}

/** Returns the paths of all objects whose keys the user chooses. */
export function mapAttributes(): readonly AttributePath[] {
  return attributePaths((schema) => typeof schema.additionalProperties === 'object')
}

function attributePaths(accepts: (schema: Schema) => boolean): readonly AttributePath[] {
  const found = new Map<string, AttributePath>()
  const walk = (schema: Schema, path: AttributePath) => {
    for (const one of [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) walk(one, path)
    if (accepts(schema)) found.set(path.join('.'), path)
    for (const [key, one] of Object.entries(schema.properties ?? {})) walk(one, [...path, key])
    if (typeof schema.additionalProperties === 'object') walk(schema.additionalProperties, [...path, '*'])
    if (schema.items !== undefined) walk(schema.items, [...path, '#'])
  }
  walk(attributesJsonSchema(attributeSchemas) as Schema, [])
  return [...found.values()]
}

/** Decides whether a pattern allows only characters that no configuration language treats as special. */
function isNarrow(pattern: string | undefined): boolean {
  return (
    pattern !== undefined &&
    [';', '"', ' x', '$a', '#', '%', '\\', '{'].every(
      (text) =>
        !new RegExp(pattern).test(text) &&
        !new RegExp(pattern).test(`1${text}`) &&
        !new RegExp(pattern).test(`/${text}`),
    )
  )
}
