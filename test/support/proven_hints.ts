/** Reads the tables of proofs from the test files as text, and compares them with the hints in the sources. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { type HintSource, hints } from './hint_sources.ts'
import { hintPattern, type Proof } from './proofs.ts'

const hintTables = fileURLToPath(new URL('../hints', import.meta.url))
const machineTests = fileURLToPath(new URL('../machine', import.meta.url))

/**
 * Finds `{ source, hint }`, where source may be a constant of the same block, and in tables `file(source, hint, ...)`.
 */
function proofsIn(path: string): Proof[] {
  const parsed = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true)
  const found: Proof[] = []
  const isTable = path.startsWith(hintTables)
  const textOf = (node: ts.Node | undefined, scope: ReadonlyMap<string, string>): string | undefined => {
    if (node === undefined) return undefined
    if (ts.isStringLiteralLike(node)) return node.text
    return ts.isIdentifier(node) ? scope.get(node.text) : undefined
  }
  const visit = (node: ts.Node, scope: Map<string, string>): void => {
    const inner = ts.isBlock(node) ? new Map(scope) : scope
    if (ts.isVariableDeclaration(node) && node.initializer && ts.isStringLiteralLike(node.initializer))
      inner.set(node.name.getText(), node.initializer.text)
    let pair: readonly (ts.Node | undefined)[] = []
    if (ts.isObjectLiteralExpression(node)) {
      const value = (name: string) => {
        const property = node.properties.find((one) => one.name?.getText() === name)
        if (property === undefined) return undefined
        return ts.isPropertyAssignment(property) ? property.initializer : property.name
      }
      pair = [value('source'), value('hint')]
    } else if (isTable && ts.isCallExpression(node) && node.expression.getText() === 'file')
      pair = node.arguments.slice(0, 2)
    const [source, hint] = pair.map((one) => textOf(one, inner))
    if (source !== undefined && hint !== undefined) found.push({ source, hint })
    ts.forEachChild(node, (child) => visit(child, inner))
  }
  visit(parsed, new Map())
  return found
}

export const proofs: readonly Proof[] = [hintTables, machineTests].flatMap((directory) =>
  readdirSync(directory)
    .filter((name) => name.endsWith('.test.ts'))
    .flatMap((name) => proofsIn(join(directory, name))),
)

export function isProvenBy(hint: HintSource, proof: Proof): boolean {
  return proof.source === hint.file && hintPattern(hint.text).test(proof.hint)
}

/** Returns the hints of the sources that no table proves, by file. */
export function unprovenHints(): Record<string, string[]> {
  const found: Record<string, string[]> = {}
  for (const hint of hints) {
    if (proofs.some((proof) => isProvenBy(hint, proof))) continue
    const texts = found[hint.file] ?? []
    if (!texts.includes(hint.text)) found[hint.file] = [...texts, hint.text]
  }
  return found
}
