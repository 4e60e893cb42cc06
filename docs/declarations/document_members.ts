/** Inserts comments into type literals: for each member the description, unit, default and example of its schema. */
import ts from 'typescript'
import type { z } from 'zod'
import { bare } from '../../core/node/notes.ts'
import { type Field, fieldOf, objectExamples, objectsIn, type Path, type Schema, valuesAt } from './schema_fields.ts'

export interface Insertion {
  /** Offset in the text of the declaration file. */
  readonly at: number
  readonly text: string
}

export interface MemberDocument {
  /** Prints a field at its path as its users write it. */
  readonly example: (path: Path, value: unknown) => string
  /** Whether the fields are attributes: then a field without effect says so. */
  readonly isAttribute?: boolean
}

/** Documents the members of a type by the fields of a schema. */
export class MemberComments {
  readonly insertions: Insertion[] = []
  /** Members whose schema has no description, or for which no valid example is known. */
  readonly incomplete: string[] = []
  /** Advice for groups of attributes without effect, by path. */
  private readonly unused = new Map<string, string>()

  constructor(
    private readonly file: ts.SourceFile,
    private readonly kind: MemberDocument,
  ) {}

  /**
   * @param type a type of the file, made from the schema
   * @param examples values of that type
   */
  document(
    type: ts.TypeNode | ts.InterfaceDeclaration,
    schema: Schema,
    path: Path,
    examples: readonly unknown[],
  ): void {
    if (ts.isTypeLiteralNode(type) || ts.isInterfaceDeclaration(type))
      this.documentMembers(type, schema, path, examples)
    else
      ts.forEachChild(type, (child) => {
        if (ts.isTypeNode(child)) this.document(child, schema, path, examples)
      })
  }

  private documentMembers(
    { members }: ts.TypeLiteralNode | ts.InterfaceDeclaration,
    schema: Schema,
    path: Path,
    examples: readonly unknown[],
  ): void {
    const properties = members.filter(ts.isPropertySignature)
    for (const member of members)
      if (ts.isIndexSignatureDeclaration(member))
        this.document(member.type, schema, [...path, '*'], objectExamples(examples))
    const object = objectsIn(schema).find((one) => hasMembers(one, properties, this.file))
    if (object === undefined) {
      if (properties.length > 0) this.incomplete.push(`${path.join('.')}: no schema has these members`)
      return
    }
    for (const property of properties) {
      const name = nameOf(property)
      const field = fieldOf(object, name, path, examples)
      if (field === undefined) continue
      this.comment(property, field, [...path, name])
      if (property.type !== undefined)
        this.document(property.type, field.schema, [...path, name], objectExamples(valuesAt(examples, name)))
    }
  }

  private comment(property: ts.PropertySignature, field: Field, path: Path): void {
    const at = property.getStart(this.file)
    const indent = /[ \t]*$/.exec(this.file.text.slice(0, at))?.[0] ?? ''
    const lines = this.linesOf(field, path)
    if (lines.length === 0) return
    this.insertions.push({ at, text: `${commentOf(lines, indent)}${indent}` })
  }

  private linesOf({ notes, standard, example }: Field, path: Path): string[] {
    const unused = this.unusedAdvice(path, notes.unused)
    if (notes.description === undefined || (example === undefined && unused === undefined))
      this.incomplete.push(path.join('.'))
    const lines = notes.description === undefined ? [] : [sentence(notes.description)]
    if (notes.unit !== undefined) lines.push('', `Unit: ${notes.unit}.`)
    if (unused !== undefined) lines.push('', `No effect: ${unused}.`)
    if (notes.sensitive === true) lines.push('', 'Never displayed.')
    if (standard !== undefined) lines.push(`@default ${JSON.stringify(standard)}`)
    if (example !== undefined) lines.push('@example', ...this.kind.example(path, example).split('\n'))
    return lines
  }

  /** Returns the advice for an attribute without effect; a group hands it down. */
  private unusedAdvice(path: Path, own: string | undefined): string | undefined {
    if (this.kind.isAttribute !== true) return undefined
    const advice = own ?? this.unused.get(path.slice(0, -1).join('.'))
    if (advice !== undefined) this.unused.set(path.join('.'), advice)
    return advice
  }
}

const sentence = (text: string) => (/[.!?]$/.test(text) ? text : `${text}.`)

/** Returns a comment of these lines, as its first line expects to be indented already. */
export function commentOf(lines: readonly string[], indent: string): string {
  const inside = lines.flatMap((line) => line.split('\n')).map((line) => ` * ${line}`.trimEnd())
  return `${['/**', ...inside, ' */']
    .join('\n')
    .replaceAll(/\*\/(?=[\s\S])/g, '*\\/')
    .replaceAll('\n', `\n${indent}`)}\n`
}

function nameOf({ name }: ts.PropertySignature): string {
  return ts.isStringLiteral(name) || ts.isIdentifier(name) || ts.isNumericLiteral(name) ? name.text : name.getText()
}

/** Whether a type was made from this object: it has all members, and the literal ones have the same value. */
function hasMembers(
  object: z.core.$ZodObject,
  properties: readonly ts.PropertySignature[],
  file: ts.SourceFile,
): boolean {
  const { shape } = object._zod.def
  return (
    properties.length > 0 &&
    properties.every((property) => {
      const schema = shape[nameOf(property)]
      if (schema === undefined) return false
      const { def } = bare(schema).schema._zod
      if (def.type !== 'literal' || property.type === undefined) return true
      return JSON.stringify(def.values[0]) === property.type.getText(file).replace(/ \| undefined$/, '')
    })
  )
}

/** Returns the text with all insertions. */
export function insertAll(text: string, insertions: readonly Insertion[]): string {
  return [...insertions]
    .sort((a, b) => b.at - a.at)
    .reduce((result, { at, text: added }) => result.slice(0, at) + added + result.slice(at), text)
}
