/**
 * Tests packed recipes: their contents, that they run elsewhere without a compiler, and which positions errors name.
 */
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { type PackOptions, packRecipes } from '../../../core/load/pack.ts'
import { loadUserRecipes } from '../../../core/load/recipes.ts'
import { ConvergeError, InvalidInput } from '../../../core/model/errors.ts'
import * as api from '../../../recipes/api.ts'
import { scratch } from '../../support/machine.ts'
import { Sandbox } from '../../support/program.ts'

const project = new URL('../../..', import.meta.url)
const { version } = JSON.parse(fs.readFileSync(new URL('package.json', project), 'utf8')) as { version: string }

function createProject(t: Test, files: Readonly<Record<string, string>>) {
  const directory = fs.realpathSync(scratch(t))
  const at = (...parts: string[]) => join(directory, ...parts)
  write(directory, new Map(Object.entries(files)))
  const options = async () => ({ cacheDirectory: at('cache'), engineVersion: version, api })
  const pack = async (directories: readonly string[], config: string | null = null, more: PackOptions = {}) => {
    const all = directories.map((one) => at(one))
    const packed = await packRecipes(all, config === null ? null : at(config), options, more)
    return packed?.files ?? new Map<string, Uint8Array>()
  }
  /** Writes the files into another directory, without the sources. */
  const moved = (files: ReadonlyMap<string, Uint8Array>, name = 'moved') => {
    const directory = join(fs.realpathSync(scratch(t)), name)
    write(directory, files)
    return directory
  }
  return { at, options, pack, moved }
}

function write(directory: string, files: ReadonlyMap<string, Uint8Array | string>): void {
  for (const [name, content] of files) {
    fs.mkdirSync(dirname(join(directory, name)), { recursive: true })
    fs.writeFileSync(join(directory, name), content)
  }
}

async function problems(packing: Promise<unknown>): Promise<readonly ConvergeError[]> {
  const thrown: unknown = await packing.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (thrown instanceof InvalidInput) return thrown.problems
  if (thrown instanceof ConvergeError) return [thrown]
  throw thrown ?? new Error('it was packed')
}

const recipes = {
  'site/recipes/web.ts': `
import { file, readTemplate, role } from 'converge-engine'
import { word } from '../lib/word.ts'
import colour from 'a-colour'
import inside from './inside.hbs'

export default role('web', {
  deploy(r, node) {
    const text: string = readTemplate(import.meta.url, 'pages/index.html.hbs')
    file(r, { path: node.converge.prefix + '/index.html', content: [text, word, colour, inside].join('\\n') })
  },
  stop(r) {
    file(r, { path: 'not absolute', content: '' })
  },
  restart() {
    throw new Error('on a host')
  },
})
`,
  'site/recipes/inside.hbs': 'inside',
  'site/recipes/other.ts': "import { role } from 'converge-engine'\nexport default role('other', { setup() {} })\n",
  'site/recipes/pages/index.html.hbs': 'page',
  'site/recipes/node_modules/ignored/index.js': '',
  'site/recipes/.git/HEAD': '',
  'site/lib/word.ts': "export const word = 'word'\n",
  'site/node_modules/a-colour/package.json': '{"name": "a-colour", "type": "module", "exports": "./index.js"}',
  'site/node_modules/a-colour/index.js':
    "import { createRequire } from 'node:module'\nexport default createRequire(import.meta.url)('node:path').posix.sep + 'green'\n",
}

/** Makes \`esbuild\` appear not to be installed. */
const withoutCompiler = `
const Module = require('node:module')
const resolve = Module._resolveFilename
Module._resolveFilename = function (name, ...rest) {
  if (/esbuild/.test(name)) throw Object.assign(new Error('no ' + name), { code: 'MODULE_NOT_FOUND' })
  return resolve.call(this, name, ...rest)
}
`

t.test('runs packed recipes elsewhere, without a compiler', async (t) => {
  const { pack, moved, at } = createProject(t, recipes)
  const files = await pack(['site/recipes'])
  t.strictSame([...files.keys()].sort(), [
    'converge-recipes.json',
    'files/0-recipes/inside.hbs',
    'files/0-recipes/other.ts',
    'files/0-recipes/pages/index.html.hbs',
    'files/0-recipes/web.ts',
    'scripts/0.cjs',
    'scripts/0.cjs.map',
    'scripts/1.cjs',
    'scripts/1.cjs.map',
  ])
  const directory = moved(files)
  fs.rmSync(at('site'), { recursive: true })
  const sandbox = new Sandbox(t)
  sandbox.write({ 'hook.cjs': withoutCompiler, 'own/web.ts': recipes['site/recipes/other.ts'] })
  const through = ['env', `NODE_OPTIONS=--require=${sandbox.at('hook.cjs')}`]
  const run = (event: string, ...more: string[]) =>
    sandbox.converge([event, '--role', 'web', '--recipes', directory, '--prefix', 'host', ...more], { through })
  fs.mkdirSync(sandbox.at('host'))
  const { status, stderr } = await run('deploy')
  t.equal(status, 0, stderr)
  t.equal(fs.readFileSync(sandbox.at('host/index.html'), 'utf8'), 'page\nword\n/green\ninside')
  const source = await sandbox.converge(['setup', '--role', 'other', '--recipes', 'own'], { through })
  t.match(source.stderr, 'recipes cannot be compiled here: esbuild is not installed', 'there is none, indeed')
  const wrong = await run('stop', '--json-output')
  t.equal(wrong.status, 2)
  t.match(wrong.stderr, /recipes\/web\.ts:13:/)
  t.notMatch(wrong.stderr, directory, 'as its author knows it')
  const thrown = await run('restart')
  t.match(thrown.stderr, /restart of the role web failed: Error: on a host/)
  t.match(thrown.stderr, /^ *(at )?.*recipes\/web\.ts:16:/m)
  t.notMatch(thrown.stderr, 'scripts/0.cjs')
})

t.test('the same sources give the same bytes in any directory', async (t) => {
  const digests = async () => {
    const files = await createProject(t, recipes).pack(['site/recipes'])
    return Object.fromEntries([...files].map(([path, content]) => [path, Buffer.from(content).toString('utf8')]))
  }
  t.strictSame(await digests(), await digests())
})

t.test('packs a configuration with its roles, its handlers and its directories', async (t) => {
  const { pack, moved, at, options } = createProject(t, {
    ...recipes,
    'site/converge.config.ts': `
import { role } from 'converge-engine'
export default {
  recipes: './recipes',
  roles: [role('inline', { doc: 'from the configuration', setup() {} })],
  handlers: [{ end() {} }],
}
`,
  })
  const directory = moved(await pack([], 'site/converge.config.ts'))
  fs.rmSync(at('site'), { recursive: true })
  const { roles, handlers } = await loadUserRecipes([directory], null, options)
  t.strictSame(
    roles.map(({ name, doc }) => [name, doc]),
    [
      ['inline', 'from the configuration'],
      ['other', ''],
      ['web', ''],
    ],
  )
  t.equal(handlers.length, 1)
})

t.test('packs files beside a recipe only if it uses its own path', async (t) => {
  const { pack, at } = createProject(t, recipes)
  fs.rmSync(at('site/recipes/web.ts'))
  const files = await pack(['site/recipes'])
  t.notOk([...files.keys()].some((path) => path.startsWith('files/')))
  t.strictSame([...(await pack(['site/recipes/other.ts'])).keys()].length, 3)
})

t.test('follows links, and ends at a link to a parent', async (t) => {
  const { pack, at } = createProject(t, { ...recipes, 'elsewhere/shared.hbs': 'shared' })
  fs.symlinkSync(at('elsewhere'), at('site/recipes/shared'))
  fs.symlinkSync('..', at('site/recipes/pages/up'))
  fs.symlinkSync('/nowhere', at('site/recipes/broken'))
  fs.symlinkSync(at('site/recipes'), at('alias'))
  const files = await pack(['alias'])
  t.equal(Buffer.from(files.get('files/0-recipes/shared/shared.hbs') ?? []).toString(), 'shared')
  t.ok(files.has('files/0-recipes/web.ts'), 'also by another way')
  t.equal([...files.keys()].filter((path) => path.endsWith('index.html.hbs')).length, 1)
})

t.test('reports the position of anything that cannot be packed', async (t) => {
  const { pack, at, moved } = createProject(t, {
    ...recipes,
    'site/lib/word.ts': 'export const word = new URL("word.txt", import.meta.url).href\n',
    'broken/web.ts': 'export default (\n',
    'empty/.keep': '',
  })
  t.match(await problems(pack(['site/recipes'])), [
    { code: 'NOT_PACKABLE', source: { file: at('site/lib/word.ts') }, hint: /below the directory given/ },
  ])
  t.match(await problems(pack(['broken'])), [{ code: 'RECIPE_SYNTAX', source: { file: at('broken/web.ts'), line: 2 } }])
  t.match(await problems(pack(['empty'])), [{ code: 'NO_ROLE' }])
  t.match(await problems(pack(['nowhere'])), [{ code: 'NO_FILE' }])
  fs.writeFileSync(at('site/lib/word.ts'), "export const word = ''\n")
  fs.writeFileSync(at('site/recipes/dump.sql'), Buffer.alloc(3_000_000))
  t.match(await problems(pack(['site/recipes'], null, { limit: 2_000_000 })), [
    { code: 'PACK_TOO_LARGE', message: /site\/recipes.* over 1\.9 MB/, hint: /remote_file.*dump\.sql \(2\.9 MB\)/ },
  ])
  const directory = moved(await pack(['site/recipes']), 'site-packed')
  fs.cpSync(directory, at('packed'), { recursive: true })
  t.match(await problems(pack(['packed'])), [{ code: 'NOT_PACKABLE', message: /is packed already/ }])
})

t.test('returns null if there is nothing to pack', async (t) => {
  const { options } = createProject(t, {})
  t.equal(await packRecipes([], null, options), null)
})

t.test('does not run packed recipes that have changed', async (t) => {
  const { pack, moved, options } = createProject(t, recipes)
  const files = await pack(['site/recipes'])
  const load = (directory: string) => problems(loadUserRecipes([directory], null, options))
  for (const name of files.keys()) {
    const directory = moved(files)
    fs.appendFileSync(join(directory, name), name.endsWith('.json') ? '}' : ' ')
    t.match(await load(directory), [{ code: 'PACK_BROKEN', message: join(directory, name) }])
  }
  const without = moved(files)
  fs.rmSync(join(without, 'scripts/0.cjs.map'))
  t.match(await load(without), [{ code: 'PACK_BROKEN', message: /0\.cjs\.map/ }])
  const other = moved(files)
  const manifest = join(other, 'converge-recipes.json')
  fs.writeFileSync(manifest, fs.readFileSync(manifest, 'utf8').replace(version, '99.0.0'))
  t.match(await load(other), [{ code: 'OTHER_ENGINE', message: /packed for converge 99\.0\.0/ }])
  fs.writeFileSync(manifest, '{"format": 2}')
  t.match(await load(other), [{ code: 'PACK_BROKEN' }])
})
