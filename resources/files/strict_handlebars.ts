/** Creates a strict handlebars engine with helpers for configuration files. */

import type Handlebars from 'handlebars'
import { nearest } from '../../core/model/nearest.ts'
import { shellQuoted } from '../../core/text/shell.ts'
import { type TemplateVariables, variablesOf } from './template_variables.ts'

/** A mistake in a template, with its line if it is known. */
export class TemplateMistake extends Error {
  line: number | undefined
  constructor(
    message: string,
    readonly hint?: string,
  ) {
    super(message)
  }
}

export interface TemplateEngine {
  compile(source: string): Handlebars.TemplateDelegate
  /**
   * Finds the variables of a template without rendering it.
   * @throws an error of the parser, TemplateMistake for an unknown helper
   */
  variables(source: string): TemplateVariables
}

/**
 * Creates an engine that makes each template stricter before it compiles it. handlebars itself is strict only with the
 * names that it prints: `{{#if typo}}` would be false. `{{list}}` would print JavaScript's conversion, and the error
 * for an unknown helper would lack its line.
 */
export function makeEngine(handlebars: typeof Handlebars): TemplateEngine {
  const engine = handlebars.create()
  const names = [...Object.keys(helpers), ...builtInHelpers, printHelper]
  for (const [name, helper] of Object.entries(helpers)) engine.registerHelper(name, withLine(helper))
  engine.registerHelper(printHelper, print)
  class Stricter extends handlebars.Visitor {
    override MustacheStatement(statement: hbs.AST.MustacheStatement): void {
      // `{{"name"}}` prints the variable of that name.
      const path = isLiteral(statement.path) ? literalPath(statement.path) : statement.path
      const name = nodeName(path)
      if (name !== undefined && statement.params.length === 0 && !names.includes(name)) {
        statement.params = [path]
        statement.path = {
          ...path,
          original: printHelper,
          parts: [printHelper],
          data: false,
          depth: 0,
        } as hbs.AST.PathExpression
      }
      super.MustacheStatement(statement)
      this.strictly(statement)
    }
    override BlockStatement(block: hbs.AST.BlockStatement): void {
      super.BlockStatement(block)
      if (block.params.length > 0) this.strictly(block)
    }
    override SubExpression(expression: hbs.AST.SubExpression): void {
      super.SubExpression(expression)
      this.strictly(expression)
    }
    private strictly({ path, params, hash, loc }: Call): void {
      const name = nodeName(path)
      if (name !== undefined && params.length > 0) requireHelper(name, names, loc.start.line)
      for (const value of [...params, ...(hash?.pairs ?? []).map((pair) => pair.value)])
        if (nodeName(value) !== undefined) Object.assign(value, { strict: true })
    }
  }
  return {
    compile(source) {
      refuseSlowTemplates(source)
      const program = engine.parse(source)
      new Stricter().accept(program)
      return engine.compile(program, { strict: true, noEscape: true, preventIndent: true })
    },
    variables(source) {
      refuseSlowTemplates(source)
      const program = engine.parse(source)
      const found = variablesOf(program, names)
      new Stricter().accept(program)
      return found
    },
  }
}

/** The time of the parser grows with the square of the depth, and its stack is limited. */
const deepestNesting = 100
/** The parser takes a second for 100,000 tags, and each run parses a template twice. */
const mostTags = 20_000

/**
 * Refuses a template with too many tags, or whose blocks or parentheses are nested too deeply. An `else if` counts as a block in a block, as for
 * the parser.
 */
function refuseSlowTemplates(source: string): void {
  /** The number of levels that each open block takes. */
  const open: number[] = []
  let [depth, tags] = [0, 0]
  for (const { 0: tag, 1: kind, index } of source.matchAll(/\{\{\{?~?\s*(#|\^(?!\s*~?\})|\/|else\s+\w)?[^{}]*/g)) {
    if (kind === '/') depth -= open.pop() ?? 0
    else if (kind?.startsWith('else')) {
      open.push((open.pop() ?? 0) + 1)
      depth += 1
    } else if (kind !== undefined) {
      open.push(1)
      depth += 1
    }
    const hint = 'compute the text in the recipe, and pass it as a variable'
    if (++tags > mostTags) throw new TemplateMistake(`the template has more than ${mostTags} tags`, hint)
    if (depth <= deepestNesting && !isDeep(tag)) continue
    const mistake = new TemplateMistake(
      `blocks, else if or parentheses are nested more than ${deepestNesting} deep`,
      hint,
    )
    mistake.line = source.slice(0, index).split('\n').length
    throw mistake
  }
}

function isDeep(tag: string): boolean {
  let depth = 0
  for (const character of tag) {
    if (character === '(') depth += 1
    else if (character === ')') depth -= 1
    if (depth > deepestNesting) return true
  }
  return false
}

type Call = Pick<hbs.AST.BlockStatement, 'params' | 'hash' | 'loc'> & { readonly path: hbs.AST.Node }

/** Returns the name that a path of the template spells, or undefined for a literal. */
function nodeName(node: hbs.AST.Node): string | undefined {
  return node.type === 'PathExpression' ? (node as hbs.AST.PathExpression).original : undefined
}

type Literal = hbs.AST.StringLiteral | hbs.AST.NumberLiteral | hbs.AST.BooleanLiteral

function isLiteral(node: hbs.AST.Node): node is Literal {
  return ['StringLiteral', 'NumberLiteral', 'BooleanLiteral'].includes(node.type)
}

function literalPath({ original, loc }: Literal): hbs.AST.PathExpression {
  const name = String(original)
  return { type: 'PathExpression', original: name, parts: [name], data: false, depth: 0, loc }
}

const builtInHelpers = ['if', 'unless', 'each', 'with']
const printHelper = 'print'

/**
 * Returns the text for `{{name}}`: a string, number or boolean. Other values would print as an empty or garbled text.
 */
function print(value: unknown, options: { loc?: hbs.AST.SourceLocation }): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const mistake = new TemplateMistake(`a printed value must be a string, a number or a boolean, not ${typeName(value)}`)
  mistake.line = options.loc?.start.line
  throw mistake
}

function requireHelper(name: string, names: readonly string[], line: number): void {
  if (names.includes(name)) return
  const mistake = new TemplateMistake(
    `unknown helper ${name}`,
    nearest(name, names) ?? `there are: ${[...names].sort().join(', ')}`,
  )
  mistake.line = line
  throw mistake
}

/** Adds the line of the call, which handlebars passes to the helper, to the helper's error. */
function withLine(helper: Handlebars.HelperDelegate): Handlebars.HelperDelegate {
  return function (this: unknown, ...values: unknown[]) {
    try {
      return Reflect.apply(helper, this, values)
    } catch (error) {
      const options = values.at(-1) as { loc?: hbs.AST.SourceLocation } | undefined
      if (error instanceof TemplateMistake) error.line ??= options?.loc?.start.line
      throw error
    }
  }
}

/** Requires a string, a number or a boolean, the only values of configuration files. */
function requireString(value: unknown, helper: string): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw new TemplateMistake(`${helper} must be a string, a number or a boolean, not ${typeName(value)}`)
}

function typeName(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'a map' : `a ${typeof value}`
}

function requireStrings(value: unknown, helper: string): string[] {
  if (!Array.isArray(value)) throw new TemplateMistake(`${helper} takes a list, not ${typeName(value)}`)
  return value.map((item) => requireString(item, helper))
}

export const helpers: Readonly<Record<string, Handlebars.HelperDelegate>> = {
  /** Prints one item per line, indented by four spaces, as ini files continue a value. */
  iniList: (value: unknown) =>
    requireStrings(value, 'iniList')
      .map((item) => `\n    ${item}`)
      .join(''),
  /** Joins items by a separator, by default a space. */
  join: (value: unknown, separator: unknown) =>
    requireStrings(value, 'join').join(typeof separator === 'string' ? separator : ' '),
  /** Quotes a value with double quotes, and escapes backslashes and quotes. */
  quote: (value: unknown) => `"${requireString(value, 'quote').replace(/[\\"]/g, '\\$&')}"`,
  /** Quotes a value with single quotes for a POSIX shell. */
  shellQuote: (value: unknown) => `'${shellQuoted(requireString(value, 'shellQuote'))}'`,
  /** Prints the value as JSON. */
  json: (value: unknown) => JSON.stringify(value),
  /** Iterates over a map in the order of its keys: `{{#eachSorted map}}{{@key}}={{this}}{{/eachSorted}}`. */
  eachSorted(this: unknown, map: unknown, options: Handlebars.HelperOptions) {
    if (typeof map !== 'object' || map === null) throw new TemplateMistake('eachSorted takes a map')
    const entries = Object.entries(map).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    return entries
      .map(([key, value], index) =>
        options.fn(value, {
          data: { ...options.data, key, index, first: index === 0, last: index === entries.length - 1 },
        }),
      )
      .join('')
  },
  eq: (a: unknown, b: unknown) => a === b,
  /** Returns the value of a map or list at a name or number: `{{lookup map key}}`. */
  lookup(map: unknown, key: unknown) {
    if (typeof map !== 'object' || map === null || !Object.hasOwn(map, String(key)))
      throw new TemplateMistake(`lookup finds no ${String(key)}`)
    return requireString((map as Record<string, unknown>)[String(key)], 'lookup')
  },
}
