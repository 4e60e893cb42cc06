/** Tests attributes that recipes define: typed on the node, validated, masked and explained like the built-in ones. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { scratch } from '../support/machine.ts'

const program = fileURLToPath(new URL('../../dist/start.cjs', import.meta.url))

const recipe = `import { defineAttributes, file, type NodeWith, role, secret, z } from 'converge-engine'

export const statusPage = defineAttributes('status_page', z.object({
  title: z.string().default('Status').meta({ description: 'Title of the page' }),
  owner: z.string().meta({ description: 'Address of the person who answers for the page' }),
  refresh: z.number().int().positive().default(60).meta({ description: 'Time between two updates', unit: 'seconds' }),
  signature: secret(z.string().optional()),
}))

export default role<NodeWith<typeof statusPage>>('status-page', {
  deploy(r, node) {
    const { title, owner, refresh, signature } = node.status_page
    const path = \`\${node.converge.prefix}/page\`
    file(r, { path, content: [title, owner, refresh, signature ?? 'unsigned', ''].join('\\n') })
  },
})
`

/** Writes files below a directory of their own, and returns a function that calls the program in it. */
function workspace(t: Test, files: Readonly<Record<string, string>>) {
  const directory = scratch(t)
  for (const [name, text] of Object.entries({ 'recipes/status.ts': recipe, ...files })) {
    mkdirSync(dirname(`${directory}/${name}`), { recursive: true })
    writeFileSync(`${directory}/${name}`, text)
  }
  mkdirSync(`${directory}/root`)
  return (...args: string[]) => {
    const all = [program, ...args, '--recipes', 'recipes']
    const { status, stdout, stderr } = spawnSync(process.execPath, all, { cwd: directory, encoding: 'utf8' })
    return { status, text: stdout + stderr }
  }
}

const site = (attributes: object) => JSON.stringify({ status_page: attributes }, null, 2)
const host = ['--prefix', 'root', '--config-dir', 'recipes', '--role', 'status-page']
const run = ['deploy', ...host, '--json', 'site.json']

t.test('a recipe reads its own attributes, with defaults', (t) => {
  const converge = workspace(t, { 'site.json': site({ owner: 'ops@example.org', refresh: 5 }) })
  const { status, text } = converge(...run)
  t.equal(status, 0, text)
  t.match(text, /\+Status\n.*\+ops@example\.org\n.*\+5\n/)
  t.notMatch(text, /warning/, 'an attribute that a recipe defines is known')
  t.equal(converge(...run).status, 0)
  t.end()
})

t.test('mistakes are reported together, each with its line', (t) => {
  const converge = workspace(t, { 'site.json': site({ owner: true, refresh: 0, titel: 'x' }) })
  const { status, text } = converge(...run)
  t.equal(status, 2, text)
  t.match(text, /site\.json:3:\d+: status_page\.owner: expected/)
  t.match(text, /site\.json:4:\d+: status_page\.refresh: expected/)
  t.match(text, /site\.json:5:\d+: .*status_page\.titel.*did you mean status_page\.title\?/)
  t.end()
})

t.test('a strict object refuses unknown keys', (t) => {
  const strict = recipe.replace('z.object(', 'z.strictObject(')
  const files = { 'recipes/status.ts': strict, 'site.json': site({ owner: 'ops', titel: 'x' }) }
  const { status, text } = workspace(t, files)(...run)
  t.equal(status, 2, text)
  t.match(text, /site\.json:4:\d+: status_page\.titel: unknown key\n +hint: did you mean title\?/)
  t.end()
})

t.test('a required attribute that nobody sets is an error of the role that reads it', (t) => {
  const converge = workspace(t, { 'site.json': '{}' })
  const { status, text } = converge(...run)
  t.equal(status, 2, text)
  t.match(text, /status_page\.owner: expected .*there is none/)
  t.match(text, /recipes\/status\.ts:12:\d+/, 'at the line of the recipe')
  t.match(text, /Address of the person/, 'with the description as the hint')
  t.end()
})

t.test('other roles do not require it', (t) => {
  const other = `import { file, role } from 'converge-engine'
export default role('other', { deploy(r, node: any) { file(r, { path: node.converge.prefix + '/x', content: 'x' }) } })`
  const converge = workspace(t, { 'site.json': '{}', 'recipes/other.ts': other })
  const { status, text } = converge('deploy', '--prefix', 'root', '--config-dir', 'recipes', '--role', 'other')
  t.equal(status, 0, text)
  t.end()
})

t.test('a secret attribute is masked', (t) => {
  const converge = workspace(t, { 'site.json': site({ owner: 'ops', signature: 'tulip-garden' }) })
  for (const args of [run, ['plan', ...run], ['attributes', ...host, '--json', 'site.json']]) {
    const { status, text } = converge(...args.filter((word, at) => !(word === 'deploy' && at === 1)))
    t.equal(status, 0, text)
    t.notMatch(text, /tulip/)
  }
  t.end()
})

t.test('converge attributes explains them, and the JSON Schema has them', (t) => {
  const converge = workspace(t, { 'site.json': site({ owner: 'ops', refresh: 5 }) })
  const explained = converge('attributes', ...host, '--json', 'site.json', '--explain', 'status_page.refresh')
  t.equal(explained.status, 0, explained.text)
  t.match(explained.text, /status_page\.refresh = 5\n.*deployment.*site\.json:4:\d+ 5\n.*default 60/)
  const schema = JSON.parse(converge('attributes', '--schema').text) as {
    properties: Record<string, { properties: Record<string, Record<string, unknown>> }>
  }
  t.match(schema.properties.status_page?.properties.refresh, {
    default: 60,
    description: 'Time between two updates',
    'x-unit': 'seconds',
  })
  t.equal(schema.properties.status_page?.properties.signature?.['x-sensitive'], true)
  t.end()
})

t.test('converge attributes reports a required attribute that is not set', (t) => {
  const converge = workspace(t, { 'site.json': '{}' })
  for (const args of [
    ['attributes', ...host],
    ['attributes', '--defaults'],
  ]) {
    const { status, text } = converge(...args)
    t.equal(status, 0, text)
    t.match(text, /"plone_instances"/, 'the other attributes are printed')
    t.match(text, /"title": "Status"/)
  }
  t.end()
})

t.test('in a stack file', (t) => {
  const stack = `name: shop
recipes: recipes
layers:
  web: { roles: [status-page] }
hosts:
  web1: { address: 10.0.0.1, layers: [web] }
custom_json:
  status_page:
    owner: 7
    refresh: often
`
  const converge = workspace(t, { 'stack.yaml': stack })
  const { status, text } = converge('stack', 'check')
  t.equal(status, 2, text)
  t.match(text, /stack\.yaml:10:\d+: status_page\.refresh: expected/)
  t.end()
})

const definition = (key: string) => `import { defineAttributes, role, z } from 'converge-engine'
export const own = defineAttributes(${key}, z.object({ a: z.string().default('') }))
export default role('own', { deploy() {} })`

for (const [key, message] of [
  ["'plone_instances'", /own\.ts:2:\d+: defineAttributes: plone_instances is a built-in attribute/],
  ["'cpu'", /own\.ts:2:\d+: defineAttributes: the node already has cpu/],
  ["'my-app'", /own\.ts:2:\d+: defineAttributes: "my-app" is not a name for attributes/],
  ["'status_page'", /status\.ts:3:\d+: defineAttributes: status_page is already defined in .*own\.ts:2/],
] as const)
  t.test(`the key ${key} is refused`, (t) => {
    const converge = workspace(t, { 'recipes/own.ts': definition(key), 'site.json': '{}' })
    const { status, text } = converge('plan', ...host)
    t.equal(status, 2, text)
    t.match(text, message)
    t.end()
  })

t.test('a schema that is not an object is refused', (t) => {
  const own = definition("'own'").replace(/z\.object\(.*\)\)/, "{ a: 'text' } as never)")
  const converge = workspace(t, { 'recipes/own.ts': own })
  const { status, text } = converge('plan', ...host)
  t.equal(status, 2, text)
  t.match(text, /own\.ts:2:\d+: defineAttributes: the schema of own is not a zod object/)
  t.end()
})
