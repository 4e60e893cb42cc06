/** Tests recipes in TypeScript: what is cached, when it is compiled again, and which positions errors name. */
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { type BundleOptions, loadModule } from '../../../core/load/bundle.ts'
import { ConvergeError, InvalidInput } from '../../../core/model/errors.ts'
import { hostileKinds } from '../../support/hostile.ts'
import { needs, scratch } from '../../support/machine.ts'

interface Project {
  readonly at: (...parts: string[]) => string
  readonly write: (files: Readonly<Record<string, string>>) => void
  readonly options: BundleOptions
  readonly load: (name?: string, options?: Partial<BundleOptions>) => Promise<Record<string, unknown>>
  /** Returns the modification time of each cached file. */
  readonly cached: () => Record<string, number>
}

function createProject(t: Test, files: Readonly<Record<string, string>>): Project {
  const directory = scratch(t)
  const at = (...parts: string[]) => join(directory, ...parts)
  const write: Project['write'] = (all) => {
    for (const [name, text] of Object.entries(all)) {
      fs.mkdirSync(dirname(at(name)), { recursive: true })
      fs.writeFileSync(at(name), text)
    }
  }
  write(files)
  const options = { cacheDirectory: at('cache', 'of', 'mine'), engineVersion: '1', api: { version: 1 } }
  return {
    at,
    write,
    options,
    load: (name = 'recipe.ts', more = {}) => loadModule(at(name), { ...options, ...more }),
    cached: () => {
      const names = fs.existsSync(options.cacheDirectory) ? fs.readdirSync(options.cacheDirectory).sort() : []
      return Object.fromEntries(names.map((name) => [name, fs.statSync(join(options.cacheDirectory, name)).ino]))
    },
  }
}

/** Returns the errors of a load, one by one. */
async function problems(loading: Promise<unknown>): Promise<readonly ConvergeError[]> {
  const thrown: unknown = await loading.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (thrown instanceof InvalidInput) return thrown.problems
  if (thrown instanceof ConvergeError) return [thrown]
  throw thrown ?? new Error('it was loaded')
}

t.test('loads a module with all its imports, and the engine', async (t) => {
  const { load } = createProject(t, {
    'recipe.ts': `
      import * as engine from 'converge-engine'
      import { one } from './lib/one.ts'
      import data from './data.json'
      import page from './page.html.hbs'
      import { readFileSync } from 'node:fs'
      const typed: number = one as number
      export default { typed, data, page, engine, own: typeof readFileSync, url: import.meta.url }
      export { where } from './lib/one.ts'`,
    'lib/one.ts': 'export const one = 1\nexport const where = import.meta.url',
    'data.json': '{"a": [1]}',
    'page.html.hbs': '<p>{{name}}</p>\n',
  })
  const { default: exported, where } = await load()
  t.match(exported, { typed: 1, data: { a: [1] }, page: '<p>{{name}}</p>\n', engine: { version: 1 }, own: 'function' })
  t.match((exported as { url: string }).url, /^file:.*\/recipe\.ts$/, 'each file has its own address')
  t.match(where, /^file:.*\/lib\/one\.ts$/)
})

t.test('modules get the running engine, not a copy', async (t) => {
  const { load } = createProject(t, { 'recipe.ts': "import { mark } from 'converge-engine'\nexport default mark" })
  const mark = {}
  t.equal((await load('recipe.ts', { api: { mark } })).default, mark)
})

t.test('loads packages beside the recipe', async (t) => {
  const { load } = createProject(t, {
    'recipe.ts': "import word from 'a-package'\nexport default word",
    'node_modules/a-package/package.json': '{"name": "a-package", "main": "index.js"}',
    'node_modules/a-package/index.js': "module.exports = 'from a package'",
  })
  t.equal((await load()).default, 'from a package')
})

const two = {
  'recipe.ts': "import { word } from './word.ts'\nimport text from './text.hbs'\nexport default [word, text].join(' ')",
  'word.ts': "export { word } from './deep/word.ts'",
  'deep/word.ts': "export const word = 'one'",
  'text.hbs': 'text',
}

t.test('uses the cache while no file has changed', async (t) => {
  const { load, cached, at } = createProject(t, two)
  t.equal((await load()).default, 'one text')
  const before = cached()
  t.equal(Object.keys(before).length, 3)
  fs.utimesSync(at('deep/word.ts'), 0, 0)
  t.equal((await load()).default, 'one text')
  t.strictSame(cached(), before, 'the content counts, not the time')
})

t.test('notices a change of any imported file, also with the same length and time', async (t) => {
  const { load, write, at } = createProject(t, two)
  await load()
  for (const [file, content, expected] of [
    ['deep/word.ts', "export const word = 'two'", 'two text'],
    ['text.hbs', 'TEXT', 'two TEXT'],
    ['word.ts', "export const word = 'three'", 'three TEXT'],
    ['recipe.ts', "export default 'alone'", 'alone'],
  ] as const) {
    const { atime, mtime } = fs.statSync(at(file))
    write({ [file]: content })
    fs.utimesSync(at(file), atime, mtime)
    t.equal((await load()).default, expected, file)
  }
})

t.test('reports a missing imported file in spite of the cached bundle', async (t) => {
  const { load, at } = createProject(t, two)
  await load()
  fs.rmSync(at('deep/word.ts'))
  const [problem] = await problems(load())
  t.match(problem, {
    message: 'Could not resolve "./deep/word.ts"',
    source: { file: at('word.ts'), line: 1, column: 22 },
  })
})

t.test('another engine or another recipe has another bundle', async (t) => {
  const { load, cached, write } = createProject(t, two)
  await load()
  await load('recipe.ts', { engineVersion: '2' })
  t.equal(Object.keys(cached()).length, 6)
  write({ 'other.ts': 'export default 2' })
  t.equal((await load('other.ts')).default, 2)
  t.equal((await load()).default, 'one text')
  t.equal(Object.keys(cached()).length, 9)
})

t.test('rebuilds a damaged cache', async (t) => {
  const { load, cached, options } = createProject(t, two)
  await load()
  const names = Object.keys(cached())
  t.equal(names.length, 3)
  for (const name of names)
    for (const content of ['', '{', 'module.exports.default = 1', null]) {
      const path = join(options.cacheDirectory, name)
      if (content === null) fs.rmSync(path)
      else fs.writeFileSync(path, content)
      t.equal((await load()).default, 'one text', `${name.slice(24)} is ${content === null ? 'gone' : `'${content}'`}`)
      if (!name.endsWith('.map')) t.match(fs.readFileSync(path, 'utf8'), name.endsWith('.json') ? '{"inputs"' : 'one')
    }
})

t.test('only this account can read the cache', async (t) => {
  const { load, options } = createProject(t, two)
  fs.mkdirSync(dirname(options.cacheDirectory), { recursive: true })
  fs.mkdirSync(options.cacheDirectory, { mode: 0o755 })
  await load()
  t.equal(fs.statSync(options.cacheDirectory).mode & 0o777, 0o700)
  for (const name of fs.readdirSync(options.cacheDirectory))
    t.equal(fs.statSync(join(options.cacheDirectory, name)).mode & 0o777, 0o600)
})

t.test('does not run a cached bundle that others can write to', async (t) => {
  const directory = createProject(t, { ...two, 'failing.ts': "\nthrow new Error('late')" })
  const { load, options, cached, at } = directory
  await load()
  for (const name of Object.keys(cached()))
    if (name.endsWith('.cjs')) fs.writeFileSync(join(options.cacheDirectory, name), "module.exports.default = 'evil'")
  fs.chmodSync(options.cacheDirectory, 0o777)
  const before = cached()
  t.equal((await load()).default, 'one text')
  t.strictSame(cached(), before, 'nor written to')
  const [problem] = await problems(load('failing.ts'))
  t.match(problem?.source, { file: at('failing.ts'), line: 2, column: 7 }, 'and errors still name their line')
})

t.test('does not run the cache of another account', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const { load, options } = createProject(t, two)
  await load()
  fs.chownSync(options.cacheDirectory, 65534, 65534)
  for (const name of fs.readdirSync(options.cacheDirectory)) fs.writeFileSync(join(options.cacheDirectory, name), '')
  t.equal((await load()).default, 'one text')
  t.ok(
    fs.readdirSync(options.cacheDirectory).every((name) => fs.statSync(join(options.cacheDirectory, name)).size === 0),
  )
})

t.test('works without a cache directory, and errors name their line', async (t) => {
  const { load, at, write } = createProject(t, { ...two, file: '' })
  // Root can write anywhere, but not below a file.
  for (const cacheDirectory of [at('file'), at('file/below'), '/proc/nowhere']) {
    t.equal((await load('recipe.ts', { cacheDirectory })).default, 'one text', cacheDirectory)
    write({ 'failing.ts': "\n\nthrow new Error('late')" })
    const [problem] = await problems(load('failing.ts', { cacheDirectory }))
    t.match(problem?.source, { file: at('failing.ts'), line: 3, column: 7 })
  }
})

t.test('reports every error of the compiler with file, line and column', async (t) => {
  const { load, at } = createProject(t, {
    'recipe.ts': "import './nope.ts'\nimport 'a-package'\nimport './broken.ts'\n",
    'broken.ts': 'export const a =\n',
  })
  t.match(await problems(load()), [
    { code: 'RECIPE_SYNTAX', source: { file: at('broken.ts'), line: 2, column: 1 }, message: /Unexpected end of file/ },
    { source: { file: at('recipe.ts'), line: 1, column: 8 }, hint: /taken from the file that imports it/ },
    { source: { file: at('recipe.ts'), line: 2, column: 8 }, hint: /npm install a-package/ },
  ])
})

t.test('refuses a recipe or an import that is a pipe or a device', { timeout: 20_000 }, async (t) => {
  const { load, at } = createProject(t, { 'recipe.ts': "import x from './more.json'\nexport default x\n" })
  for (const kind of hostileKinds.filter(({ name }) => !/of root$/.test(name)))
    for (const name of ['more.json', 'entry.ts']) {
      kind.put(at(name), '')
      const [problem] = await problems(load(name === 'entry.ts' ? name : 'recipe.ts'))
      t.match(problem?.message, /cannot read|Could not (read|resolve)|Cannot read/, `${kind.name} as ${name}`)
      fs.rmSync(at(name), { recursive: true })
    }
})

t.test('an error that a module throws has its line, and those of its callers', async (t) => {
  const { load, at } = createProject(t, {
    'recipe.ts': "import { check } from './check.ts'\n\ncheck(\n  null,\n)\n",
    'check.ts':
      'interface Any { readonly name: string }\n\nexport function check(value: Any | null): string {\n  return value!.name\n}\n',
    'word.ts': "throw 'a word'",
  })
  t.match(await problems(load()), [
    {
      code: 'RECIPE_FAILED',
      usage: true,
      message: /^it cannot be loaded: TypeError: .*'name'/,
      source: { file: at('check.ts'), line: 4, column: 17 },
    },
  ])
  t.match(
    await problems(load()),
    [{ source: { file: at('check.ts'), line: 4, column: 17 } }],
    'out of the cache as well',
  )
  t.match(await problems(load('word.ts')), [
    { message: 'it cannot be loaded: a word', source: { file: at('word.ts') } },
  ])
})
