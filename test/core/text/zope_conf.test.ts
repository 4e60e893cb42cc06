/** Tests the environment of a Zope client with models of buildout, plone.recipe.zope2instance and ZConfig. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { zopeEnvironment } from '../../../core/text/zope_conf.ts'
import { anyText, knownTexts } from './generated_texts.ts'

const space = '[\\t-\\r\\x1c-\\x1f \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]'
const strip = (text: string) => text.replace(new RegExp(`^${space}+|${space}+$`, 'g'), '')

/** Parses a block of indented lines; `$$` is passed on, and `${...}` would be a reference. */
function readByBuildout(lines: readonly string[]): string {
  const text = lines.map((line) => `    ${line}`).join('\n')
  const read = text.split(/\r\n|\r|\n/).map((line) => line.slice(4).replace(new RegExp(`${space}+$`), ''))
  assert.doesNotMatch(read.join('\n').split('$$').join(''), /\$\{[^}]*\}/)
  return read.join('\n')
}

/** Splits one line at its blanks, or several lines in the same way as Python's splitlines. */
function readByRecipe(text: string): string[] {
  if (text.includes('\n')) return text.split(/\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/)
  const words = text.split(new RegExp(`${space}+`)).filter((word) => word !== '')
  return words.flatMap((word, index) =>
    index % 2 === 0 && index + 1 < words.length ? [`${word} ${words[index + 1]}`] : [],
  )
}

function readByZconfig(lines: readonly string[]): Record<string, string> {
  const defined = new Map<string, string>()
  const found: Record<string, string> = {}
  for (const line of lines.map(strip)) {
    if (line === '' || line.startsWith('#')) continue
    const [, name = '', value = ''] = new RegExp(`^(.+?)(?:${space}+(.*))?$`, 's').exec(line) ?? []
    if (name === '%define') defined.set(value, '')
    else found[name] = substitute(value, defined)
  }
  return found
}

function substitute(text: string, defined: ReadonlyMap<string, string>): string {
  return text.replace(/\$(\$|[A-Za-z_]\w*)?/g, (_, what: string | undefined) => {
    if (what === '$') return '$'
    const value = defined.get(what ?? '')
    assert.ok(value !== undefined, `no replacement in ${text}`)
    return value
  })
}

function assertReadBack(environment: Readonly<Record<string, string>>): void {
  const { lines, missing } = zopeEnvironment(environment)
  for (const name of missing) assert.match(environment[name] ?? '', /[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/)
  const expected = Object.fromEntries(Object.entries(environment).filter(([name]) => !missing.includes(name)))
  assert.deepEqual(readByZconfig(readByRecipe(readByBuildout(lines))), expected)
}

t.test('writes any text, or leaves it to the environment of the process', async (t) => {
  for (const text of knownTexts) {
    assertReadBack({ A: text })
    assertReadBack({ A: 'x', B: text, C: text })
  }
  const name = fc.constantFrom('A', 'B', 'PYTHON_EGG_CACHE', 'c')
  fc.assert(fc.property(fc.dictionary(name, anyText), assertReadBack), { numRuns: 2000 })
  t.pass()
})

t.test('leaves lines that need no escape unchanged', async (t) => {
  t.strictSame(zopeEnvironment({ A: 'x y', B: '', C: 'a # b' }).lines, ['A x y', 'B', 'C a # b'])
  t.strictSame(zopeEnvironment({ A: '/srv/eggs' }).lines, ['A /srv/eggs'])
  t.strictSame(zopeEnvironment({ A: 'pa$word', B: '${x}' }).lines, ['A pa$$word', 'B $${x}'])
})
