/** Tests faults in custom recipes: the built program names file and line, and never exits with success. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { scratch } from '../support/machine.ts'

const program = fileURLToPath(new URL('../../dist/start.cjs', import.meta.url))

interface Fault {
  readonly name: string
  /** The recipe after its first line, which contains the imports. */
  readonly recipe: string
  readonly files?: Readonly<Record<string, string>>
  readonly status: 1 | 2
  readonly message: readonly RegExp[]
}

const type = (functions: string) => `
const odd = defineResource(
  { type: 'odd', doc: 'x', reach: 'paths', examples: [{ n: 'a' }], key: (p) => p.n, props: z.strictObject({ n: z.string() }), state: z.strictObject({ v: z.string() }) },
  { read: () => ({ v: '' }), desired: () => ({ v: '1' }), apply() {}, ${functions} })
export default role('web', { deploy(r) {
  odd(r, { n: 'q' })
} })`

const faults: readonly Fault[] = [
  {
    name: 'a template with a variable that it does not get',
    recipe: `export default role('web', { deploy(r) {
  template(r, { path: '/x', source: readTemplate(import.meta.url, 'x.hbs'), variables: { a: 1 } })
} })`,
    files: { 'x.hbs': 'one\ntwo {{b}}\n' },
    status: 1,
    message: [/recipes\/x\.hbs:2:7: "b" is not among the variables of the template \(.*recipes\/web\.ts:3:\d+\)/],
  },
  {
    name: 'attributes that contain themselves',
    recipe: `const own: any = { a: 1 }
own.own = own
export default role('web', { attributes: own, deploy() {} })`,
    status: 2,
    message: [/the attributes of role web are more than plain data: Converting circular structure to JSON/],
  },
  {
    name: 'a template that does not exist',
    recipe: `export default role('web', { deploy(r) { readTemplate(import.meta.url, 'gone.hbs') } })`,
    status: 2,
    message: [/web\.ts:2:\d+: cannot read the template .*recipes\/gone\.hbs: no such file/],
  },
  ...['read', 'desired', 'apply'].map((name) => ({
    name: `${name} of a resource type throws`,
    recipe: type(`${name}() { return (undefined as any).foo },`),
    status: 1 as const,
    message: [/the resource type odd threw TypeError: Cannot read prop.* \(.*recipes\/web\.ts:4:\d+\)/],
  })),
  {
    name: 'a resource type that calls the host with nonsense',
    recipe: type('read(host) { host.readText(undefined as never); return { v: "" } },'),
    status: 1,
    message: [/the resource type odd threw TypeError.*web\.ts:4:\d+/],
  },
  ...[
    'Object.create(null)',
    'new Proxy({}, { get() { throw 1 } })',
    'new Proxy(new Error("x"), { get() { throw 1 } })',
    '{ code: 5 }',
    'undefined',
    'Symbol("s")',
  ].map((thrown) => ({
    name: `the recipe throws ${thrown}`,
    recipe: `export default role('web', { deploy() { throw ${thrown} } })`,
    status: 2 as const,
    message: [
      /deploy of the role web failed: (?:\[Object: null prototype\] \{\}|\{\}|a value that cannot be shown|\{ code: 5 \}|undefined|Symbol\(s\))/,
    ],
  })),
  {
    name: 'a check throws',
    recipe: `export default role('web', { deploy(r) {
  directory(r, { path: '/x', onlyIf: { description: 'it is there', check: () => (undefined as any).foo } })
} })`,
    status: 1,
    message: [/the check "it is there" threw TypeError.*web\.ts:3:\d+/],
  },
  {
    name: 'a role that extends undefined',
    recipe: `import { base } from './base.ts'\nexport default role('web', { extends: base })`,
    files: { 'base.ts': 'export const base = undefined as never' },
    status: 2,
    message: [/web\.ts:3:\d+: the role web extends undefined, not a role/],
  },
  {
    name: 'an event that is undefined',
    recipe: `export default role('web', { deploy: ({} as any).deploy })`,
    status: 2,
    message: [/web\.ts:2:\d+: the role web: deploy is not a function/],
  },
  {
    name: 'a role without an event',
    recipe: `export default role('web', { doc: 'Nothing' })`,
    status: 2,
    message: [/web\.ts:2:\d+: the role web has no event/],
  },
  {
    name: 'include of undefined',
    recipe: `export default role('web', { deploy(r) {\n  r.include(undefined as never, 'deploy')\n} })`,
    status: 2,
    message: [/web\.ts:3:\d+: include: undefined is not a role/],
  },
  {
    name: 'a default export that is undefined',
    recipe: `export default undefined`,
    status: 2,
    message: [/web\.ts: its default export is not a role, but undefined/],
  },
  {
    name: 'process.exit(0) in a recipe',
    recipe: `export default role('web', { deploy(r) {\n  process.exit(0)\n} })`,
    status: 1,
    message: [/web\.ts:3:\d+: the program ended before its work was over: process\.exit\(\) was called/],
  },
  {
    name: 'process.exit() while recipes are loaded',
    recipe: 'process.exit()',
    status: 1,
    message: [/web\.ts:2:\d+: the program ended before/],
  },
  {
    name: 'a resource type that waits for ever',
    recipe: type('async read() { await new Promise(() => {}); return { v: "" } },'),
    status: 1,
    message: [/the program ended before its work was over: something it waited for never came/],
  },
  {
    name: 'a promise without await',
    recipe: `Promise.reject(new TypeError('late'))\nexport default role('web', { deploy() {} })`,
    status: 1,
    message: [/web\.ts:2:\d+: a promise that nobody waits for was rejected: TypeError: late/],
  },
  {
    name: 'a function that throws later',
    recipe: `export default role('web', { deploy() {\n  setTimeout(() => { throw new TypeError('late') }, 0)\n} })`,
    status: 1,
    message: [/web\.ts:3:\d+: a function that ran later threw: TypeError: late/],
  },
  {
    name: 'a property that contains itself',
    recipe: `export default role('web', { deploy(r) {
  const own: Record<string, unknown> = {}
  own.list = [{ own }]
  template(r, { path: '/x', source: 'x', variables: own })
} })`,
    status: 2,
    message: [/web\.ts:5:\d+: template: property variables\.list\.0\.own contains itself/],
  },
  ...[
    ["directory(r, 'x', { path: '/x' } as never)", 'directory: expected an object of properties, got the text "x"'],
    [
      "directory(r, { path: '/x' }, { onlyIf: false } as never)",
      'directory: expected r and one object, got 3 arguments',
    ],
    ["directory({ path: '/x' } as never)", 'directory is declared in a scope'],
  ].map(([call, message]) => ({
    name: `a wrong call: ${call}`,
    recipe: `export default role('web', { deploy(r) {\n  ${call}\n} })`,
    status: 2 as const,
    message: [new RegExp(`^error: .*recipes/web\\.ts:3:\\d+: ${message}`, 'm')],
  })),
  {
    name: 'a template of a hundred thousand tags',
    recipe: `export default role('web', { deploy(r) {
  template(r, { path: '/x', source: '{{a}}\\n'.repeat(100_000), variables: { a: 1 } })
} })`,
    status: 1,
    message: [/the template has more than 20000 tags \(.*web\.ts:3:\d+\)/],
  },
  {
    name: 'a list that is nested too deeply to be compiled',
    recipe: `export const list = ${'['.repeat(20_000)}${']'.repeat(20_000)}
export default role('web', { deploy(r) { void list } })`,
    status: 2,
    message: [
      /recipes\/web\.ts: it cannot be loaded: its code is nested too deeply\n {2}hint: nest at most 200 levels/,
    ],
  },
  {
    name: 'a property that is nested without end',
    recipe: `export default role('web', { deploy(r) {
  let deep: unknown = 1
  for (let at = 0; at < 5000; at++) deep = { deep }
  template(r, { path: '/x', source: 'x', variables: { deep } })
} })`,
    status: 2,
    message: [/web\.ts:5:\d+: template: property variables\.deep.* is nested too deeply/],
  },
]

for (const { name, recipe, files = {}, status, message: expected } of faults)
  t.test(name, async (t) => {
    const directory = scratch(t)
    const recipes = join(directory, 'recipes')
    mkdirSync(recipes)
    const imports = "import { defineResource, directory, readTemplate, role, template, z } from 'converge-engine'"
    writeFileSync(join(recipes, 'web.ts'), `${imports}\n${recipe.replace(/^\n/, '')}\n`)
    for (const [file, text] of Object.entries(files)) writeFileSync(join(recipes, file), text)
    const words = [
      'deploy',
      '--role',
      'web',
      '--recipes',
      recipes,
      '--prefix',
      join(directory, 'p'),
      '--config-dir',
      recipes,
    ]
    const env = { ...process.env, XDG_CACHE_HOME: join(directory, 'cache'), NO_COLOR: '1' }
    // tap loads a module of its own into every child process; the program must run without it.
    const command = ['-u', 'NODE_OPTIONS', process.execPath, program, ...words]
    const ended = spawnSync('env', command, { encoding: 'utf8', cwd: directory, env })
    t.equal(ended.status, status)
    for (const pattern of expected) t.match(`${ended.stdout}${ended.stderr}`, pattern)
  })
