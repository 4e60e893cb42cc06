/** Compares sentences and tables of the documentation with the code: names, options, defaults, messages and links. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'
import type { ZodType } from 'zod'
import { attributeSchemas } from '../../attributes/index.ts'
import { parseArguments } from '../../core/cli/command_line/parse.ts'
import { allOptions, families } from '../../core/cli/command_specs/list.ts'
import { lifecycleEvents } from '../../core/compile/role.ts'
import { defaultKeepalive } from '../../core/fleet/ssh/session.ts'
import { attributesJsonSchema, type JsonSchema } from '../../core/node/schema.ts'
import { definitions } from '../../resources/definitions.ts'
import { helpers as templateHelpers } from '../../resources/files/strict_handlebars.ts'
import { pages, project, prose } from './blocks.ts'

interface Said {
  readonly page: string
  readonly line: number
  readonly text: string
}

/** Decision records describe the state at their time. */
const current = [...pages()].filter(([page]) => !page.startsWith('docs/decisions/'))

const code: readonly Said[] = current.flatMap(([page, text]) =>
  prose(text)
    .split('\n')
    .flatMap((line, index) =>
      [...line.matchAll(/`([^`]+)`/g)].map(([, inner = '']) => ({ page, line: index + 1, text: inner })),
    ),
)

const sources = ['core', 'resources', 'recipes', 'attributes', 'console']
  .filter((name) => existsSync(join(project, name)))
  .flatMap((name) =>
    readdirSync(join(project, name), { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.(ts|hbs|cjs|vcl|py|sh)$/.test(path))
      .map((path) => readFileSync(join(project, name, path), 'utf8')),
  )
  .join('\n')

const at = ({ page, line, text }: Said) => `${page}:${line}: ${text}`

t.test('links lead to a file and to a heading of it', async (t) => {
  const anchor = (heading: string) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-')
  const anchors = (text: string) => [...text.matchAll(/^#+\s+(.*?)\s*$/gm)].map(([, heading = '']) => anchor(heading))
  const broken: string[] = []
  for (const [page, text] of pages())
    for (const [, target = ''] of prose(text).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^\w+:/.test(target)) continue
      const [path = '', part] = target.split('#')
      const file = path === '' ? page : normalize(join(dirname(page), path))
      if (!existsSync(join(project, file))) broken.push(`${page}: ${target}`)
      else if (part !== undefined && !anchors(pages().get(file) ?? '').includes(part)) broken.push(`${page}: ${target}`)
    }
  t.strictSame(broken, [])
})

t.test('options in pages exist', async (t) => {
  const wrong = code.flatMap((quoted) =>
    [...quoted.text.matchAll(/(?<![\w-])--([a-z][\w-]*)/g)].flatMap(([, name = '']) => {
      const known = allOptions.has(name) || allOptions.has(name.replace(/^no-/, '')) || /^(help|version)$/.test(name)
      const own = /^(converge|--)/.test(quoted.text)
      return known || !own ? [] : at(quoted)
    }),
  )
  t.strictSame(wrong, [])
})

t.test('commands in pages parse', async (t) => {
  const wrong = code.flatMap((quoted) => {
    if (!quoted.text.startsWith('converge ') || /[…[\]<>|"'$]|\.\.\./.test(quoted.text)) return []
    const words = quoted.text.replace(/ #.*$/, '').split(/\s+/).slice(1)
    if (words.some((word) => /^(--?h(elp)?|--version)$/.test(word)) || words.length === 0) return []
    // A command with the name of its argument, or an option with the name of its value.
    const family = families.some(({ name }) => name === words[0]) && words.length === 1
    if (family) return []
    const values = words.map((word) => (/^(SECONDS|COUNT|N|LIMIT)$/.test(word) ? '1' : word))
    try {
      parseArguments(values, [])
      return []
    } catch (thrown) {
      return /missing|requires|needs|is to be|which|what/i.test(String(thrown)) ? [] : `${at(quoted)}: ${thrown}`
    }
  })
  t.strictSame(wrong, [])
})

const schema = attributesJsonSchema(attributeSchemas as Readonly<Record<string, ZodType>>)

/** Returns the schema of a key; `*`, `<app>` and similar stand for a name of the user's. */
function schemaAt(key: string): JsonSchema | undefined {
  let node: JsonSchema | undefined = schema
  for (const name of key.split('.')) {
    const properties = node?.properties as Record<string, JsonSchema> | undefined
    const more: unknown = node?.additionalProperties
    const next: JsonSchema | undefined = properties?.[name]
    if (next !== undefined) node = next
    // Everything below.
    else if (name === '*' && properties !== undefined) return node
    else if (typeof more === 'object' && more !== null) node = more as JsonSchema
    else return undefined
  }
  return node
}

const topKeys = Object.keys((schema.properties ?? {}) as object)
const keyOf = (text: string) => {
  const [, key = ''] = /^([a-z]\w*(?:\.(?:[\w-]+|\*|<\w+>))+)$/.exec(text) ?? []
  return topKeys.includes(key.split('.')[0] ?? '') && !/\.(ts|sqlite[\w-]*)$/.test(key) ? key : ''
}

t.test('attributes in pages are in the schema', async (t) => {
  const wrong = code.filter(({ text }) => keyOf(text) !== '' && schemaAt(keyOf(text)) === undefined)
  t.strictSame(wrong.map(at), [])
})

t.test('a number after an attribute is its default', async (t) => {
  const wrong = current.flatMap(([page, text]) =>
    [...prose(text).matchAll(/`([\w.*<>]+)` \((\d+)\)/g)].flatMap(([whole, name = '', number]) => {
      const found = keyOf(name) === '' ? [] : [schemaAt(name)?.default]
      return found.length === 0 || String(found[0]) === number ? [] : `${page}: ${whole}`
    }),
  )
  t.strictSame(wrong, [])
})

t.test('pages name the seconds after which a silent connection is lost', async (t) => {
  const { interval, count } = defaultKeepalive
  for (const page of ['docs/fleet.md', 'docs/ssh.md']) {
    const [, seconds] =
      /nothing has\s+(?:arrived|come\s+back)\s+for (\d+) seconds counts as lost/.exec(pages().get(page) ?? '') ?? []
    t.equal(Number(seconds), interval * count, page)
  }
})

t.test('error codes in pages exist', async (t) => {
  const wrong = code.filter(({ text }) => /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/.test(text) && !sources.includes(text))
  t.strictSame(
    wrong
      .map(at)
      .filter(
        (quoted) =>
          !/(: |_)(SSL_CERT|REQUESTS_CA|NODE_EXTRA_CA_CERTS|GIT_SSL|SCRIPT_FILENAME|DOCUMENT_ROOT)/.test(quoted),
      ),
    [],
  )
})

t.test('paths of the repository in pages exist', async (t) => {
  const wrong = code.filter(
    ({ text }) => /^(fixtures|docs|test|bench)\/[\w./-]+$/.test(text) && !existsSync(join(project, text)),
  )
  t.strictSame(wrong.map(at), [])
})

/** Messages of other programs. */
const foreignMessages = ["Couldn't find a distribution"]

t.test('the messages in troubleshooting.md are messages of the program', async (t) => {
  const rows = (pages().get('docs/troubleshooting.md') ?? '').split('\n').filter((line) => line.startsWith('| `'))
  t.ok(rows.length > 10)
  const known = sources.replace(/\$\{[^}]*\}/g, '§')
  // Values stand between the words of a message: three consecutive words, or a whole shorter part, identify a message.
  const isKnown = (message: string) => {
    const words = message.replace(/^(error|warning): /, '').split(/\s+/)
    const length = Math.min(/\.\.\.|"/.test(message) ? 2 : 3, words.length)
    return words.some(
      (_, index) => index + length <= words.length && known.includes(words.slice(index, index + length).join(' ')),
    )
  }
  const missing = rows.flatMap((row) => {
    const cell = row.split(/(?<!\\)\|/)[1] ?? ''
    const messages = [...cell.matchAll(/`([^`]+)`/g)].map(([, message = '']) => message)
    return messages.filter((message) => !isKnown(message) && !foreignMessages.includes(message))
  })
  t.strictSame(missing, [])
})

t.test('the lists in writing-recipes.md are complete', async (t) => {
  const text = pages().get('docs/writing-recipes.md') ?? ''
  const [, listed = ''] = /- Events: ([\s\S]*?)\. /.exec(text) ?? []
  t.strictSame([...listed.matchAll(/`(\w+)`/g)].map(([, name]) => name).sort(), [...lifecycleEvents].sort())
  const [, helpers = ''] = /Helpers: ([\s\S]*?)\. `readTemplate/.exec(text) ?? []
  t.strictSame(
    [...new Set([...helpers.matchAll(/\{\{#?(?:if \()?(\w+) /g)].map(([, name]) => name))].sort(),
    Object.keys(templateHelpers).sort(),
  )
  for (const [, name = ''] of text.matchAll(/`([a-z]+_[a-z_]+)` gives/g)) t.ok(name in definitions, name)
})
