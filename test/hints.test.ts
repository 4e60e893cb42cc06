/**
 * Tests the hints in the sources: each command, option and attribute in one exists, and none uses a command that some
 * hosts lack.
 */
import t from 'tap'
import { attributeSchemas } from '../attributes/index.ts'
import { commands } from '../core/cli/command_specs/list.ts'
import { attributesJsonSchema, type JsonSchema } from '../core/node/schema.ts'
import { hints as found } from './support/hint_sources.ts'

const schema = attributesJsonSchema(attributeSchemas)
const hints = found.map(({ file, line, text }) => ({ where: `${file}:${line}`, text }))

t.test('finds the hints in the sources', async (t) => {
  t.ok(hints.length > 150, `${hints.length}`)
})

t.test('each command of converge in a hint exists', async (t) => {
  const names = new Set(commands.map(({ name }) => name))
  for (const { where, text } of hints)
    for (const [, words = ''] of text.matchAll(/\bconverge ((?:[a-z]+)(?: [a-z]+)?)/g)) {
      const [first = '', second] = words.split(' ')
      const known =
        names.has(first) || names.has(`${first} ${second}`) || [...names].some((name) => name.startsWith(`${first} `))
      if (!known && !notCommands.has(first)) t.fail(`${where}: converge ${words}`)
    }
})

/** Words that follow the program's name in a sentence and are not commands. */
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
  'expands',
  'supports',
])

/** Whether the JSON Schema of the attributes names a path, or has a map there. */
function hasAttribute(path: readonly string[]): boolean {
  const found = path.reduce<JsonSchema | undefined>((at, name) => {
    const alternatives = at === undefined ? [] : [at, ...((at.anyOf ?? []) as JsonSchema[])]
    const children = alternatives.flatMap((one) => [
      (one.properties as Record<string, JsonSchema> | undefined)?.[name],
      typeof one.additionalProperties === 'object' ? (one.additionalProperties as JsonSchema) : undefined,
    ])
    return children.find((child) => child !== undefined)
  }, schema)
  return found !== undefined
}

t.test('each attribute in a hint exists', async (t) => {
  const keys = Object.keys(attributeSchemas).filter((key) => key !== 'deploy')
  const pattern = new RegExp(`\\b(${keys.join('|')})((?:\\.[a-z_][a-z_\\d]*)+)`, 'g')
  for (const { where, text } of hints)
    for (const [whole, key = '', rest = ''] of text.matchAll(pattern)) {
      const exists = hasAttribute([key, ...rest.slice(1).split('.')])
      if (!exists && !/\.(cfg|md)$|^console\.error$/.test(whole)) t.fail(`${where}: ${whole}`)
    }
})

t.test('hints name packages in one style', async (t) => {
  for (const { where, text } of hints) if (/\bapt install\b/.test(text)) t.fail(`${where}: ${text}`)
})
