/**
 * Adds to the declarations of the package what editors show: for each attribute and each property of a resource type the
 * description, unit, default and example of its schema.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import * as z from 'zod'
import { attributeSchemas } from '../../attributes/index.ts'
import type { AnyDefinition } from '../../core/model/resource.ts'
import { bare } from '../../core/node/notes.ts'
import { valueSource } from '../../core/report/reference.ts'
import { definitions } from '../../resources/definitions.ts'
import { commentOf, insertAll, MemberComments } from './document_members.ts'
import { membersOf } from './expand_type.ts'
import type { Path } from './schema_fields.ts'

const modules = fileURLToPath(new URL('../../node_modules/', import.meta.url))

/**
 * Rewrites the declarations that `tsc -p tsconfig.types.json` has written.
 * @param directory the output directory of tsc
 * @returns attributes and properties without a description or an example
 */
export function documentDeclarations(directory: string): readonly string[] {
  return [...documentResources(`${directory}/resources`), ...documentAttributes(`${directory}/attributes/index.d.ts`)]
}

function documentResources(directory: string): string[] {
  const rest = new Map(Object.entries(definitions))
  const incomplete = declarationFiles(directory).flatMap((path) => documentResourceFile(path, rest))
  return [...incomplete, ...[...rest.keys()].map((name) => `${name}: no declaration found`)]
}

function declarationFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.d.ts'))
    .map((name) => `${directory}/${name}`)
}

function documentResourceFile(path: string, rest: Map<string, AnyDefinition>): string[] {
  const text = readFileSync(path, 'utf8')
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true)
  const comments = new MemberComments(file, { example: (names, value) => `${names.at(-1)}: ${valueSource(value)}` })
  for (const statement of file.statements.filter(ts.isVariableStatement))
    for (const { name, type } of statement.declarationList.declarations) {
      const definition = ts.isIdentifier(name) ? rest.get(name.text.replace(/_$/, '')) : undefined
      const props = type === undefined ? undefined : typeArgumentsOf(type)?.[0]
      if (definition === undefined || props === undefined) continue
      rest.delete(definition.type)
      comments.insertions.push({ at: statement.getStart(file), text: commentOf(linesOf(definition), '') })
      comments.document(props, definition.props, [definition.type], definition.examples)
    }
  if (comments.insertions.length > 0) writeFileSync(path, insertAll(text, comments.insertions))
  return comments.incomplete
}

const typeArgumentsOf = (type: ts.TypeNode) =>
  ts.isImportTypeNode(type) || ts.isTypeReferenceNode(type) ? type.typeArguments : undefined

function linesOf({ type, doc, mirrors, examples }: AnyDefinition): string[] {
  const mirrored = mirrors === undefined ? [] : ['', `Mirrors: ${mirrors}.`]
  return [doc, ...mirrored, ...examples.flatMap((example) => ['@example', `${type}(r, ${valueSource(example)})`])]
}

/** Attributes are types that the compiler computes from the schemas. This writes them out, because such types lose comments. */
function documentAttributes(path: string): string[] {
  const paths = { zod: [`${modules}zod/index.d.ts`] }
  const { NodeNext } = ts.ModuleKind
  const options = {
    strict: true,
    exactOptionalPropertyTypes: true,
    module: NodeNext,
    skipLibCheck: true,
    types: [],
    paths,
  }
  const program = ts.createProgram([path], options)
  const file = program.getSourceFile(path)
  if (file === undefined) throw new Error(`${path}: the declarations are missing`)
  const checker = program.getTypeChecker()
  const declarations = file.statements
    .filter(ts.isTypeAliasDeclaration)
    .filter(({ name }) => ['Attributes', 'AttributeInputs'].includes(name.text))
  const text = declarations.reduceRight((before, declaration) => {
    const members = membersOf(checker, checker.getTypeAtLocation(declaration.name))
    const written = `export interface ${declaration.name.text} ${members}`
    return before.slice(0, declaration.getStart(file)) + written + before.slice(declaration.end)
  }, file.text)
  const expanded = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true)
  const comments = new MemberComments(expanded, { example: jsonExample, isAttribute: true })
  const whole = z.object(attributeSchemas)
  for (const statement of expanded.statements.filter(ts.isInterfaceDeclaration))
    comments.document(statement, whole, [], [])
  writeFileSync(path, insertAll(text, comments.insertions))
  return [...new Set(comments.incomplete)]
}

/** Prints an attribute as the JSON of a site has it. */
function jsonExample([top = '', ...rest]: Path, value: unknown): string {
  return JSON.stringify({ [top]: inside(attributeSchemas[top] as z.core.$ZodType, rest, value) })
}

/** Returns a value of the schema that has only the given one, at a path. */
function inside(schema: z.core.$ZodType, path: Path, value: unknown): unknown {
  const [name, ...rest] = path
  if (name === undefined) return value
  const { def } = bare(schema).schema._zod
  if (def.type === 'array') return [inside(def.element, path, value)]
  if (def.type === 'record') return { shop: inside(def.valueType, name === '*' ? rest : path, value) }
  const child = def.type === 'object' ? def.shape[name] : undefined
  return { [name]: child === undefined ? value : inside(child, rest, value) }
}
