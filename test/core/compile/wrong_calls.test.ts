/** Tests calls of a resource function that its types reject: each is one error at the line of the recipe. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { compile } from '../../../core/compile/compile.ts'
import { type Recipe, role } from '../../../core/compile/role.ts'
import { ConvergeError, InvalidInput } from '../../../core/model/errors.ts'
import { reference } from '../../../core/model/reference.ts'
import { type Declare, defineResource } from '../../../core/model/resource.ts'
import { definitions } from '../../../resources/definitions.ts'
import { probe } from '../../support/faulty_resource.ts'

type R = Recipe<unknown>
type Call = (r: unknown, ...given: unknown[]) => unknown

const thisFile = fileURLToPath(import.meta.url)
const lineOf = (mark: string) =>
  readFileSync(thisFile, 'utf8')
    .split('\n')
    .findIndex((line) => line.endsWith(`// ${mark}`)) + 1

function problemsOf(deploy: (r: R) => void): readonly ConvergeError[] {
  try {
    compile([role<unknown>('own', { deploy })], ['deploy'], {})
  } catch (error) {
    if (error instanceof InvalidInput) return error.problems
    if (error instanceof ConvergeError) return [error]
    throw error
  }
  return []
}

class Options {
  readonly name = 'a'
}

const values: readonly (readonly [what: string, value: unknown])[] = [
  ['the text "make the tool"', 'make the tool'],
  ['the text ""', ''],
  ['null', null],
  ['undefined', undefined],
  ['a list', []],
  ['a list', [{ name: 'a' }]],
  ['a number', 7],
  ['a number', Number.NaN],
  ['a boolean', true],
  ['a boolean', false],
  ['a bigint', 7n],
  ['a symbol', Symbol('a')],
  ['a promise', Promise.resolve({ name: 'a' })],
  ['a function', () => ({ name: 'a' })],
  ['an instance of Map', new Map([['name', 'a']])],
  ['an instance of Date', new Date(0)],
  ['an instance of Options', new Options()],
  ['the output path of file /a', reference('file /a', 'path')],
]

const types: readonly Declare<never, never>[] = Object.values(definitions).map(
  ({ implementation, ...description }) => defineResource(description as never, implementation) as never,
)

t.test('refuses another value in place of the properties', (t) => {
  for (const declare of [probe(), ...types] as unknown as (Declare<never, never> & Call)[])
    for (const [what, value] of values) {
      const { type } = declare.definition
      const found = problemsOf((r) => {
        declare(r, value) // value
      })
      const name = `${type}: ${what}`
      t.equal(found.length, 1, name)
      t.match(found[0], { code: 'INVALID_CALL', usage: true, source: { file: thisFile, line: lineOf('value') } }, name)
      t.equal(found[0]?.message, `${type}: expected an object of properties, got ${what}`)
      t.match(found[0]?.hint, `write ${type}(r, { ... })`)
    }
  t.end()
})

t.test('the error for a name as first argument explains the call', (t) => {
  for (const declare of [probe(), ...types] as unknown as (Declare<never, never> & Call)[]) {
    const { type } = declare.definition
    const found = problemsOf((r) => {
      declare(r, 'a name', { name: 'a' }) // named
    })
    t.equal(found.length, 1, type)
    t.match(found[0], { code: 'INVALID_CALL', source: { file: thisFile, line: lineOf('named') } })
    t.equal(found[0]?.message, `${type}: expected an object of properties, got the text "a name"`)
  }
  t.end()
})

t.test('refuses more arguments, and names the property for options', (t) => {
  const thing = probe() as unknown as Call
  for (const more of [{ notIf: true }, undefined, null, 'x', []]) {
    const found = problemsOf((r) => {
      thing(r, { name: 'a' }, more) // more
    })
    t.equal(found.length, 1)
    t.match(found[0], { code: 'INVALID_CALL', usage: true, source: { file: thisFile, line: lineOf('more') } })
    t.equal(found[0]?.message, 'probe: expected r and one object, got 3 arguments')
    t.match(found[0]?.hint, 'write options such as onlyIf beside the properties: probe(r, { ..., onlyIf: ... })')
  }
  t.end()
})

t.test('refuses a call without r', (t) => {
  const thing = probe() as unknown as Call
  for (const first of [undefined, null, 'a', 7, { name: 'a' }, [], () => 7]) {
    const found = problemsOf(() => {
      thing(first, { name: 'a' })
    })
    t.equal(found.length, 1)
    t.match(found[0], { code: 'NO_SCOPE', usage: true })
  }
  t.end()
})

t.test('reports missing, unknown and wrong properties at once, each at its line', (t) => {
  const thing = probe() as unknown as Call
  const found = problemsOf((r) => {
    thing(r, {})
    thing(r, { name: 'a', vlaue: 'b' })
    thing(r, { name: ['a'] })
    thing(r, { name: null })
    thing(r, { name: () => 'a' })
    thing(r, { name: Promise.resolve('a') })
    thing(r, 'a')
    thing(r, { __proto__: null, name: 'b' })
  })
  t.strictSame(
    found.map(({ code }) => code),
    ['INVALID_PROP', 'UNKNOWN_PROP', 'INVALID_PROP', 'INVALID_PROP', 'INVALID_PROP', 'INVALID_PROP', 'INVALID_CALL'],
  )
  t.strictSame(new Set(found.map(({ source }) => source?.line)).size, 7)
  for (const { source } of found) t.equal(source?.file, thisFile)
  t.end()
})

t.test('a wrong call causes one error, also if its result is used later', (t) => {
  const thing = probe() as unknown as (...given: unknown[]) => Record<string, unknown>
  const found = problemsOf((r) => {
    const made = thing(r, 'a')
    thing(r, { name: 'b', value: made.value, when: [made], after: made })
  })
  t.match(
    found.map(({ code }) => code),
    ['INVALID_CALL'],
  )
  t.end()
})
