/** Hints in the sources: each command, option and attribute that one names exists, and none gives a command that some hosts lack. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'
import { attributeSchemas } from '../attributes/index.ts'
import { commands } from '../core/cli/options.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

function files(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name)
    return statSync(path).isDirectory() ? files(path) : path.endsWith('.ts') ? [path] : []
  })
}

interface Hint {
  readonly where: string
  /** Its fixed text; what is filled in is `…`. */
  readonly text: string
}

/** Every text that a property or a constant named hint or remedy gets. */
function hintsIn(path: string): Hint[] {
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true)
  const found: Hint[] = []
  const texts = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) found.push({ where: placeOf(node), text: node.text })
    else if (ts.isTemplateExpression(node))
      found.push({
        where: placeOf(node),
        text: [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join('…'),
      })
    else if (ts.isConditionalExpression(node)) {
      texts(node.whenTrue)
      texts(node.whenFalse)
    } else if (ts.isBinaryExpression(node)) {
      texts(node.left)
      texts(node.right)
    } else if (ts.isParenthesizedExpression(node)) texts(node.expression)
  }
  const placeOf = (node: ts.Node) =>
    `${relative(root, path)}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}`
  const visit = (node: ts.Node): void => {
    const named = ts.isPropertyAssignment(node) || ts.isVariableDeclaration(node)
    if (named && node.initializer && /^(hints?|remedy)$/.test(node.name.getText())) texts(node.initializer)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

const hints = ['core', 'resources', 'recipes', 'attributes'].flatMap((name) => files(join(root, name)).flatMap(hintsIn))

t.test('the hints are found', async (t) => {
  t.ok(hints.length > 150, `${hints.length}`)
})

t.test('a command of converge that a hint names exists', async (t) => {
  const names = new Set(commands.map(({ name }) => name))
  for (const { where, text } of hints)
    for (const [, words = ''] of text.matchAll(/\bconverge ((?:[a-z]+)(?: [a-z]+)?)/g)) {
      const [first = '', second] = words.split(' ')
      const known =
        names.has(first) || names.has(`${first} ${second}`) || [...names].some((name) => name.startsWith(`${first} `))
      if (!known && !notCommands.has(first)) t.fail(`${where}: converge ${words}`)
    }
})

/** What follows the name of the program in a sentence. */
const notCommands = new Set([
  'as',
  'has',
  'does',
  'with',
  'keeps',
  'starts',
  'installs',
  'mounts',
  'to',
  'and',
  'itself',
  'on',
  'is',
  'writes',
  'by',
])

t.test('an attribute that a hint names exists', async (t) => {
  const keys = Object.keys(attributeSchemas).filter((key) => key !== 'deploy')
  const pattern = new RegExp(`\\b(${keys.join('|')})((?:\\.[a-z_]+)+)`, 'g')
  for (const { where, text } of hints)
    for (const [whole, key = '', rest = ''] of text.matchAll(pattern)) {
      const parsed = attributeSchemas[key]?.safeParse(undefined)
      const value = rest
        .slice(1)
        .split('.')
        .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], parsed?.data)
      if (value === undefined && !whole.endsWith('.cfg')) t.fail(`${where}: ${whole}`)
    }
})

t.test('commands for packages are written alike', async (t) => {
  for (const { where, text } of hints) if (/\bapt install\b/.test(text)) t.fail(`${where}: ${text}`)
})
