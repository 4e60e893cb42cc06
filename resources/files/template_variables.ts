/** Finds the variables that a template reads, without rendering it. */

export interface VariableUse {
  readonly name: string
  readonly line: number
  /** From 1. */
  readonly column: number
}

export interface TemplateVariables {
  /** The first use of each variable, in order. */
  readonly read: readonly VariableUse[]
  /** Names that may be variables: inside a block such as `{{#list}}`, whose kind depends on its value. */
  readonly perhaps: ReadonlySet<string>
  /** Whether it reads all variables, as `{{json this}}` does. */
  readonly readsAll: boolean
}

/** The meaning of a name at a position of the template. */
interface Scope {
  /** `variables`: the variables of the template. `item`: members of a value. `either`: depends on the value of the block. */
  readonly kind: 'variables' | 'item' | 'either'
  readonly parent: Scope | undefined
  /** Names that the block gives to its item, as in `{{#each list as |item|}}`. */
  readonly named: readonly string[]
}

const root: Scope = { kind: 'variables', parent: undefined, named: [] }
const blocksOfItems = ['each', 'eachSorted', 'with']

/**
 * @param program parsed by handlebars
 * @param helpers names that are helpers, and no variables
 */
export function variablesOf(program: hbs.AST.Program, helpers: readonly string[]): TemplateVariables {
  const search = new VariableSearch(helpers)
  search.program(program, root)
  return { read: [...search.read.values()], perhaps: search.perhaps, readsAll: search.readsAll }
}

class VariableSearch {
  readonly read = new Map<string, VariableUse>()
  readonly perhaps = new Set<string>()
  readsAll = false

  constructor(private readonly helpers: readonly string[]) {}

  program({ body }: hbs.AST.Program, scope: Scope): void {
    for (const statement of body) {
      if (statement.type === 'MustacheStatement') this.call(statement as hbs.AST.MustacheStatement, scope)
      if (statement.type === 'BlockStatement') this.block(statement as hbs.AST.BlockStatement, scope)
    }
  }

  private call({ path, params, hash }: Call, scope: Scope): void {
    if (params.length === 0 && !this.isHelper(path)) this.value(path, scope)
    for (const value of [...params, ...(hash?.pairs ?? []).map((pair) => pair.value)]) this.argument(value, scope)
  }

  private argument(value: hbs.AST.Expression, scope: Scope): void {
    if (value.type === 'SubExpression') this.call(value as hbs.AST.SubExpression, scope)
    else if (value.type === 'PathExpression') this.path(value as hbs.AST.PathExpression, scope)
  }

  private block(block: hbs.AST.BlockStatement, scope: Scope): void {
    this.call(block, scope)
    const { path, program, inverse } = block
    const isItem = blocksOfItems.includes(path.original as string)
    const item: Scope = { kind: isItem ? 'item' : 'either', parent: scope, named: program?.blockParams ?? [] }
    if (program) this.program(program, !isItem && this.isHelper(path) ? scope : item)
    if (inverse) this.program(inverse, scope)
  }

  private isHelper(path: hbs.AST.Node): boolean {
    return path.type === 'PathExpression' && this.helpers.includes((path as hbs.AST.PathExpression).original)
  }

  /** `{{"name"}}` prints the variable of that name. */
  private value(path: hbs.AST.Node, scope: Scope): void {
    if (path.type === 'PathExpression') this.path(path as hbs.AST.PathExpression, scope)
    else if (path.type === 'StringLiteral') this.name((path as hbs.AST.StringLiteral).value, path.loc, scope)
  }

  private path({ data, depth, parts, loc }: hbs.AST.PathExpression, scope: Scope): void {
    const [first, second] = parts as readonly string[]
    if (data) {
      if (first === 'root') this.name(second, loc, root)
      return
    }
    let at: Scope | undefined = scope
    for (let level = 0; level < depth; level++) at = at?.parent
    if (at === undefined || (depth === 0 && isNamed(first, scope))) return
    this.name(first, loc, at)
  }

  /** @param name undefined for the whole value, as in `{{this}}` */
  private name(name: string | undefined, { start }: hbs.AST.SourceLocation, { kind }: Scope): void {
    if (kind === 'item') return
    if (name === undefined) this.readsAll = true
    else if (kind === 'either') this.perhaps.add(name)
    else if (!this.read.has(name)) this.read.set(name, { name, line: start.line, column: start.column + 1 })
  }
}

type Call = Pick<hbs.AST.BlockStatement, 'params' | 'hash'> & { readonly path: hbs.AST.Node }

function isNamed(name: string | undefined, scope: Scope | undefined): boolean {
  for (let at = scope; at !== undefined; at = at.parent) if (name !== undefined && at.named.includes(name)) return true
  return false
}
