/**
 * Finds the hints in the sources: texts of a property, constant or argument named hint, hints or remedy, or of a
 * constant or function of the same file that one refers to.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface HintSource {
  /** Path from the top of the project. */
  readonly file: string
  readonly line: number
  /** The literal text; each interpolated value is `…`. */
  readonly text: string
}

function files(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name)
    return statSync(path).isDirectory() ? files(path) : path.endsWith('.ts') ? [path] : []
  })
}

const hintNames = /^(hints?|remedy|systemHints|jumpHint)$/

const sourceFiles = ['core', 'resources', 'recipes', 'attributes']
  .flatMap((name) => files(join(root, name)))
  .sort()
  .map((path) => ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true))

/**
 * Finds functions that have a parameter named hint.
 * @returns the parameter's position, by function name
 */
function hintParameters(source: ts.SourceFile): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node)) {
      const at = node.parameters.findIndex(({ name }) => hintNames.test(name.getText()))
      const owner = node.name ?? (ts.isVariableDeclaration(node.parent) ? node.parent.name : undefined)
      if (at >= 0 && owner) found.set(owner.getText(), at)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** From every file, for calls of functions that another file exports. */
const allParameters = new Map(sourceFiles.flatMap((source) => [...hintParameters(source)]))

function importedParameters(source: ts.SourceFile): [string, number][] {
  const imported = source.statements.filter(ts.isImportDeclaration).flatMap(({ importClause }) => {
    const bindings = importClause?.namedBindings
    return bindings && ts.isNamedImports(bindings) ? bindings.elements.map(({ name }) => name.text) : []
  })
  return [...allParameters].filter(([name]) => imported.includes(name))
}

/** Collects the values of constants and the results of functions, by name. */
function declarations(source: ts.SourceFile): ReadonlyMap<string, readonly ts.Expression[]> {
  const found = new Map<string, ts.Expression[]>()
  const add = (name: string, value: ts.Expression | undefined) => {
    if (value) found.set(name, [...(found.get(name) ?? []), value])
  }
  const returns = (name: string, node: ts.Node): void => {
    if (ts.isReturnStatement(node)) add(name, node.expression)
    if (!ts.isFunctionLike(node)) ts.forEachChild(node, (child) => returns(name, child))
  }
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionDeclaration(node) && node.name && node.body) returns(node.name.text, node.body)
    if (ts.isVariableDeclaration(node) && node.initializer) {
      const { initializer } = node
      const isArrow = ts.isArrowFunction(initializer)
      if (!isArrow) add(node.name.getText(), initializer)
      else if (ts.isBlock(initializer.body)) returns(node.name.getText(), initializer.body)
      else add(node.name.getText(), initializer.body)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function hintsIn(source: ts.SourceFile): HintSource[] {
  const found: HintSource[] = []
  const add = (node: ts.Node, text: string) => {
    const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1
    if (text !== '') found.push({ file: relative(root, source.fileName), line, text })
  }
  const texts = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) add(node, node.text)
    else if (ts.isTemplateExpression(node))
      add(node, [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join('…'))
    else if (ts.isConditionalExpression(node)) {
      texts(node.whenTrue)
      texts(node.whenFalse)
    } else if (ts.isBinaryExpression(node)) {
      texts(node.left)
      texts(node.right)
    } else if (ts.isObjectLiteralExpression(node)) {
      for (const property of node.properties) if (ts.isPropertyAssignment(property)) texts(property.initializer)
    } else if (ts.isParenthesizedExpression(node)) texts(node.expression)
    else if (ts.isIdentifier(node)) follow(node.text)
    else if (ts.isCallExpression(node)) follow(node.expression.getText())
  }
  const declared = declarations(source)
  const followed = new Set<string>()
  const follow = (name: string) => {
    if (followed.has(name)) return
    followed.add(name)
    for (const text of declared.get(name) ?? []) texts(text)
  }
  const parameters = new Map([...importedParameters(source), ...hintParameters(source)])
  const visit = (node: ts.Node): void => {
    const named = ts.isPropertyAssignment(node) || ts.isVariableDeclaration(node)
    if (named && node.initializer && hintNames.test(node.name.getText())) texts(node.initializer)
    if (ts.isCallExpression(node)) {
      const callee = ts.isPropertyAccessExpression(node.expression) ? node.expression.name : node.expression
      const argument = node.arguments[parameters.get(callee.getText()) ?? -1]
      if (argument) texts(argument)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

export const hints: readonly HintSource[] = sourceFiles.flatMap(hintsIn)
