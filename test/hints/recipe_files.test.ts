/** Proves the hints about recipe files, configurations and packs: triggers each, then follows it. */
import { chmodSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { packRecipes } from '../../core/load/pack.ts'
import { loadPacked } from '../../core/load/packed_recipes.ts'
import * as api from '../../recipes/api.ts'
import { role as defineRole } from '../../recipes/role.ts'
import { TestHost } from '../../recipes/testing/host.ts'
import { converge } from '../../recipes/testing/role_run.ts'
import { needs } from '../support/machine.ts'
import { Sandbox } from '../support/program.ts'
import { type CommandProof, hintPattern, proveCalls, proveCommands } from '../support/proofs.ts'

const importRole = "import { role } from 'converge-engine'\n"
const role = `${importRole}export default role('web', { deploy() {} })\n`
const broken = 'render --role web --prefix @/root --recipes @/recipes'

/** A proof with a recipe file before and after the hint was followed. */
const file = (source: string, hint: string, before: string, after = role): CommandProof => ({
  source,
  hint,
  broken,
  files: { 'recipes/web.ts': before },
  changed: { 'recipes/web.ts': after },
})

t.test('the hints about the compiler work', async (t) => {
  const source = 'core/load/bundle.ts'
  proveCommands(t, [
    file(
      source,
      'check the spelling; converge resources lists the resource types, and this version may be older than your recipes',
      `import { copy_file } from 'converge-engine'\n${importRole}copy_file()\nexport default role('web', { deploy() {} })`,
      `import { file } from 'converge-engine'\n${importRole}file\nexport default role('web', { deploy() {} })`,
    ),
    file(
      source,
      'nest at most 200 levels',
      `export const list = ${'['.repeat(20_000)}${']'.repeat(20_000)}\n${role}`,
      `export const list = ${'['.repeat(200)}${']'.repeat(200)}\n${role}`,
    ),
    file(
      source,
      "import { z } from 'converge-engine'",
      `import { z } from 'zod'\n${importRole}z.string()\nexport default role('web', { deploy() {} })`,
      `import { role, z } from 'converge-engine'\nz.string()\nexport default role('web', { deploy() {} })`,
    ),
    {
      ...file(
        source,
        'check the path: it is taken from the file that imports it',
        `import { a } from './lib/a.ts'\na()\n${role}`,
        `import { a } from '../lib/a.ts'\na()\n${role}`,
      ),
      changed: {
        'recipes/web.ts': `import { a } from '../lib/a.ts'\na()\n${role}`,
        'lib/a.ts': 'export const a = () => 1\n',
      },
    },
    {
      ...file(
        source,
        "install it beside your recipes (npm install left-colour); the engine itself is 'converge-engine'",
        `import colour from 'left-colour'\ncolour\n${role}`,
      ),
      changed: {
        'recipes/node_modules/left-colour/package.json': '{"name": "left-colour", "main": "index.js"}',
        'recipes/node_modules/left-colour/index.js': 'module.exports = 1\n',
      },
    },
    {
      source,
      hint: 'remove await: a file of recipes is loaded synchronously; readData reads a file, and a query reads the host',
      broken,
      files: { 'recipes/web.ts': `await Promise.resolve()\n${role}` },
      changed: { 'recipes/web.ts': role },
    },
    {
      source,
      hint: 'recipes are written in .ts, .mts, .js or .mjs files',
      broken: 'render --role web --prefix @/root --recipes @/web.txtx',
      repaired: 'render --role web --prefix @/root --recipes @/web.mjs',
      files: { 'web.txtx': role, 'web.mjs': role },
    },
  ])
  t.test('without the compiler', async (t) => {
    const proof = {
      source: 'core/load/bundle.ts',
      hint: 'install converge with its dependencies (npm install), or let converge stack upload the recipes',
    }
    const sandbox = new Sandbox(t)
    sandbox.write({ 'recipes/web.ts': role })
    const project = fileURLToPath(new URL('../..', import.meta.url))
    for (const name of ['dist', 'package.json'])
      cpSync(join(project, name), sandbox.at('alone', name), { recursive: true })
    const words = broken.replaceAll('@', sandbox.directory)
    const start = () =>
      sandbox.shell(`'${process.execPath}' alone/dist/start.cjs ${words} --state-dir state --config-dir etc`)
    const before = await start()
    t.match(before.stderr, hintPattern(`…hint: ${proof.hint}…`))
    mkdirSync(sandbox.at('alone/node_modules'))
    for (const name of ['esbuild', '@esbuild'])
      symlinkSync(join(project, 'node_modules', name), sandbox.at('alone/node_modules', name))
    const after = await start()
    t.equal(after.status, 0, 'the recipes are compiled', { after })
  })
})

t.test('the hints about roles work', async (t) => {
  const source = 'core/load/recipes.ts'
  proveCommands(t, [
    file(source, "a recipe file exports one: export default role('name', { ... })", '', role),
    file(source, "export default role('name', { deploy(r, node) { ... } })", 'export default 1\n'),
    file(source, "write export default role('web', { ... })", role.replace('export default ', '')),
    {
      source,
      hint: 'rename web.tsx: recipes are written in .ts, .mts, .js or .mjs files',
      broken,
      files: { 'recipes/web.tsx': role },
      changed: { 'recipes/web.ts': role },
    },
    file(
      'core/compile/role.ts',
      'write attributes as an object',
      role.replace('deploy', 'attributes: 5, deploy'),
      role.replace('deploy', 'attributes: {}, deploy'),
    ),
    {
      source,
      hint: 'name the directory with the recipe files: --recipes …',
      broken: 'render --role web --prefix @/root --recipes @/site',
      repaired: 'render --role web --prefix @/root --recipes @/site/recipes',
      files: { 'site/converge.config.ts': "export default { recipes: './recipes' }\n", 'site/recipes/web.mjs': role },
    },
    {
      source,
      hint: 'give one of them another name',
      broken,
      files: { 'recipes/a.ts': role, 'recipes/b.ts': role },
      changed: { 'recipes/b.ts': role.replace('web', 'other') },
    },
    { source, hint: 'check the path', broken, changed: { 'recipes/web.ts': role } },
    {
      source,
      hint: 'check the path, which is relative to the working directory, @',
      broken: 'render --role web --prefix @/root --recipes mine',
      changed: { 'mine/web.ts': role },
    },
  ])
})

t.test('the hints about configurations work', async (t) => {
  const source = 'core/load/recipes.ts'
  const config = (before: string, after: string) => ({
    broken: 'render --role web --prefix @/root --config @/converge.config.ts',
    files: { 'converge.config.ts': `${importRole}${before}\n`, 'recipes/web.ts': role },
    changed: { 'converge.config.ts': `${importRole}${after}\n` },
  })
  const right = "export default { recipes: './recipes' }"
  proveCommands(t, [
    { source, hint: "export default { recipes: './recipes' }", ...config('export default 7', right) },
    {
      source,
      hint: 'it has: recipes, roles, handlers',
      ...config("export default { qqqqqq: './recipes' }", right),
    },
    { source, hint: "recipes: './recipes'", ...config('export default { recipes: 7 }', right) },
    {
      source,
      hint: "roles: [role('name', { ... })]",
      ...config('export default { roles: 7 }', "export default { roles: [role('web', { deploy() {} })] }"),
    },
    {
      source,
      hint: 'handlers: [{ end(report) { ... } }]',
      ...config('export default { handlers: 7 }', "export default { recipes: './recipes', handlers: [{ end() {} }] }"),
    },
  ])
  t.test('a configuration that others may change', async (t) => {
    const proof = { source, hint: 'if you trust it: --config …; else work in another directory' }
    const sandbox = new Sandbox(t)
    sandbox.write({ 'converge.config.ts': right, 'recipes/web.ts': role, 'other/empty': '' })
    chmodSync(sandbox.at('converge.config.ts'), 0o666)
    chmodSync(sandbox.directory, 0o777)
    const words = ['render', '--role', 'web', '--prefix', sandbox.at('root')]
    if (!needs(t, ['root'])) return
    const before = await sandbox.converge(words)
    t.match(before.stderr, hintPattern(`…${proof.hint}…`))
    const named = await sandbox.converge([...words, '--config', sandbox.at('converge.config.ts')])
    t.equal(named.status, 0, 'named, it is used', { named })
    const elsewhere = await sandbox.converge(['render', '--role', 'solr', '--prefix', sandbox.at('root')], {
      cwd: sandbox.at('other'),
    })
    t.equal(elsewhere.status, 0, 'another directory has none', { elsewhere })
  })
})

t.test('the hints about packs work', async (t) => {
  const sandbox = new Sandbox(t)
  const own = role.replace('deploy() {}', 'deploy(r) { String(import.meta.url) }')
  sandbox.write({
    'recipes/web.ts': role,
    'reading/web.ts': own,
    'reading/big.bin': 'x'.repeat(4000),
    'small/web.ts': own,
    'outside/web.ts': `import { here } from '../lib/here.ts'\nhere\n${role}`,
    'lib/here.ts': 'export const here = import.meta.url\n',
    'inside/web.ts': `import { here } from './lib/here.ts'\nhere\n${role}`,
    'inside/lib/here.ts': 'export const here = import.meta.url\n',
  })
  const bundle = { cacheDirectory: sandbox.at('cache'), engineVersion: '1', api }
  const pack = async (name: string, engineVersion = '1') => {
    const packed = await packRecipes([sandbox.at(name)], null, async () => ({ ...bundle, engineVersion }), {
      limit: 2000,
    })
    return packed?.files ?? new Map<string, Uint8Array>()
  }
  const write = async (name: string, engineVersion = '1') => {
    for (const [path, content] of await pack('recipes', engineVersion)) {
      mkdirSync(dirname(sandbox.at(name, path)), { recursive: true })
      writeFileSync(sandbox.at(name, path), content)
    }
  }
  const load = (name: string) => loadPacked(sandbox.at(name), bundle)
  await write('packed')
  await write('old', '0')
  await write('changed')
  const script = sandbox.at('changed', 'scripts/0.cjs')
  writeFileSync(script, `${readFileSync(script, 'utf8')}\n`)
  proveCalls(t, [
    {
      source: 'core/load/pack.ts',
      hint: 'name the directory of its sources',
      broken: () => pack('packed'),
      repaired: () => pack('recipes'),
    },
    {
      source: 'core/load/pack.ts',
      hint: 'move it, with the files it reads, below the directory given with --recipes',
      broken: () => pack('outside'),
      repaired: () => pack('inside'),
    },
    {
      source: 'core/load/pack.ts',
      hint: 'keep there only what the recipes read, and fetch the rest by remote_file; the largest of the first …: big.bin (…)',
      broken: () => pack('reading'),
      repaired: () => pack('small'),
    },
    {
      source: 'core/load/packed_recipes.ts',
      hint: 'pack the recipes again, with the version that is to run them',
      broken: () => load('old'),
      repaired: async () => {
        await write('old')
        load('old')
      },
    },
    {
      source: 'core/load/packed_recipes.ts',
      hint: 'pack and upload the recipes again; a pack must not be changed by hand',
      broken: () => load('changed'),
      repaired: async () => {
        await write('changed')
        load('changed')
      },
    },
  ])
})

t.test('the hints about attributes of recipes work', async (t) => {
  const source = 'core/load/own_attributes.ts'
  const define = (key: string, schema = 'z.object({})') => `import { defineAttributes, role, z } from 'converge-engine'
defineAttributes('${key}', ${schema})
export default role('web', { deploy() {} })
`
  const other = "import { defineAttributes, z } from 'converge-engine'\ndefineAttributes('web', z.object({}))\n"
  proveCommands(t, [
    file(source, "defineAttributes('my_app', z.object({ ... }))", define('my-app'), define('my_app')),
    file(
      source,
      "import z from converge-engine, and write defineAttributes('web', z.object({ ... }))",
      define('web', '{} as never'),
      define('web'),
    ),
    file(source, 'choose another key', define('facts'), define('web')),
    file(
      source,
      'call defineAttributes at the top level of the file, outside of the recipe',
      "import { defineAttributes, role, z } from 'converge-engine'\nexport default role('web', { deploy() { defineAttributes('web', z.object({})) } })\n",
      define('web'),
    ),
    file(
      source,
      'choose another key; to set built-in attributes in a role, write role(name, { attributes: { ... } })',
      define('haproxy'),
      "import { role } from 'converge-engine'\nexport default role('web', { attributes: { haproxy: {} }, deploy() {} })",
    ),
    {
      ...file(source, 'define each key once, and import the definition where it is needed', define('web')),
      files: { 'recipes/attributes.ts': other, 'recipes/web.ts': define('web') },
    },
    {
      source: 'core/node/problems.ts',
      hint: 'the keys are: title',
      broken: `${broken} --json @/site.json`,
      files: {
        'recipes/web.ts': define('web', 'z.strictObject({ title: z.string().optional() })'),
        'site.json': '{"web": {"colour": "red"}}',
      },
      changed: { 'site.json': '{"web": {"title": "red"}}' },
    },
  ])
})

t.test('the hints about resource types of recipes work', async (t) => {
  const source = 'recipes/own_resource.ts'
  const define = (
    description: string,
    implementation = 'read, desired, apply',
  ) => `import { defineResource, role, z } from 'converge-engine'
const [read, desired, apply] = [() => ({}), () => ({}), () => undefined]
const usual = { type: 'own_note', doc: '', examples: [], key: () => 'x', props: z.strictObject({}), state: z.strictObject({}) }
defineResource({ ...usual, ${description} }, { paths: () => [], ${implementation} })
export default role('web', { deploy() {} })
`
  const right = define('')
  proveCommands(t, [
    file(
      source,
      "write a name such as host_alias: defineResource({ type: 'host_alias', ... }, { ... })",
      define("type: 'own note'"),
      right,
    ),
    file(
      source,
      'write it as a function: read(host, props) { ... }',
      define('', 'read: 5, desired, apply'),
      define('', 'read(host, props) { return {} }, desired, apply'),
    ),
    file(source, 'write a function that returns a text: ({ name }) => name', define("key: 'x'"), right),
    file(
      source,
      'import z from converge-engine, and write props: z.strictObject({ ... })',
      define('props: {}'),
      define('props: z.strictObject({})'),
    ),
    file(source, 'correct the example, or the schema', define("examples: [{ name: 'a' }]"), define('examples: [{}]')),
    file(source, 'remove it, or use one of: …', define('qqqqqqqq: 5'), right),
    file(source, 'add apply to its definition', define('', 'read, desired'), right),
  ])
})

t.test('the hints about arguments of a recipe work', async (t) => {
  const hosts = (filter: string) => `import { role, stack } from 'converge-engine'
export default role('web', { deploy(r, node) { stack(node).hosts(${filter}) } })
`
  const read = (from: string) => `import { readTemplate, role } from 'converge-engine'
readTemplate(${from}, 'page.hbs')
export default role('web', { deploy() {} })
`
  proveCommands(t, [
    file('recipes/stack_hosts.ts', 'use layer or online', hosts("{ qqqqqqqq: 'app' }"), hosts('{ online: true }')),
    file(
      'recipes/stack_hosts.ts',
      'call it in a recipe with its second argument: deploy(r, node) { stack(node).hosts() }',
      hosts('{}').replace('stack(node)', 'stack({})'),
      hosts('{}'),
    ),
    {
      ...file(
        'resources/files/read_beside.ts',
        "write import.meta.url first, such as readTemplate(import.meta.url, 'page.hbs')",
        read("'web.ts'"),
      ),
      changed: { 'recipes/web.ts': read('import.meta.url'), 'recipes/page.hbs': 'x' },
    },
  ])
})

t.test('the hint about a data file works', async (t) => {
  const read = (name: string) => `import { readData, role, z } from 'converge-engine'
readData(import.meta.url, '${name}', z.unknown())
export default role('web', { deploy() {} })
`
  proveCommands(t, [
    {
      ...file(
        'recipes/data_file.ts',
        'put the file beside the recipe that calls readData, or correct its name',
        read('host.json'),
        read('hosts.json'),
      ),
      changed: { 'recipes/web.ts': read('hosts.json'), 'recipes/hosts.json': '[]' },
    },
  ])
})

t.test('the hints about overrides work', async (t) => {
  const source = 'core/compile/overrides.ts'
  const override = (...calls: readonly string[]) => `import { file, role } from 'converge-engine'
const base = role('base-web', { deploy(r) { file(r, { path: '/etc/web.conf', content: 'port = 80' }) } })
export default role('web', { deploy(r) {
  r.include(base, 'deploy')
  ${calls.join('\n  ')}
} })
`
  const right = override("r.override(file, '/etc/web.conf', { content: 'x' })")
  proveCommands(t, [
    file(
      source,
      'make all changes in one override',
      override(
        "r.override(file, '/etc/web.conf', { content: 'x' })",
        "r.override(file, '/etc/web.conf', { mode: '0600' })",
      ),
      override("r.override(file, '/etc/web.conf', { content: 'x', mode: '0600' })"),
    ),
    file(
      source,
      'converge plan prints the resources with their keys; if a role declares it only for some hosts or events, override it there',
      override("r.override(file, '/srv/shop/settings.ini', { content: 'x' })"),
      right,
    ),
    file(
      source,
      'change other properties only; this one identifies the resource',
      override("r.override(file, '/etc/web.conf', { path: '/etc/other.conf' })"),
      right,
    ),
    file(
      source,
      "write r.override(template, '/etc/app.conf', { source: ... })",
      override("r.override('file', '/etc/web.conf', { content: 'x' })"),
      right,
    ),
  ])
})

t.test('the hints about steps, and about names that are built in, work', async (t) => {
  const steps = 'core/compile/steps_before.ts'
  const inDeploy = (calls: string, more = '') => `import { file, role, defineResource, z } from 'converge-engine'
const base = role('base-web', { deploy(r) { file(r, { path: '/etc/web.conf', content: 'port = 80' }) } })
export default role('web', { ${more} deploy(r) {
  r.include(base, 'deploy')
  ${calls}
} })
`
  const step = (key: string) =>
    `r.before(file, '${key}', (when) => { file(r, { path: '/etc/web.step', content: 'x', when }) })`
  const right = inDeploy(step('/etc/web.conf'))
  const ofType = (type: string) => `import { defineResource, role, z } from 'converge-engine'
const own = defineResource(
  { type: '${type}', doc: '', examples: [], key: () => 'x', props: z.strictObject({}), state: z.strictObject({}) },
  { read: () => ({}), desired: () => ({}), apply: () => undefined, paths: () => [] },
)
export default role('web', { deploy(r) { own(r, {}) } })
`
  const named = (name: string, more = '') => `import { role } from 'converge-engine'
export const other = role('${name}', { ${more} deploy() {} })
export default role('web', { deploy() {} })
`
  proveCommands(t, [
    file(
      steps,
      'converge plan prints the resources with their keys; if a role declares it only for some hosts or events, call before there',
      inDeploy(step('/srv/shop/settings.ini')),
      right,
    ),
    file(
      steps,
      'call r.before in the event that declares the resource, after r.include',
      inDeploy('', "overrides: (r) => r.before(file, '/etc/web.conf', () => undefined),"),
      right,
    ),
    file(
      steps,
      "write r.before(service_restart, 'web', (when) => { execute(r, { command: [...], when }) })",
      inDeploy("r.before(file, '/etc/web.conf')"),
      right,
    ),
    file(
      'core/compile/role.ts',
      'overrides(r, node) { r.override(...) }',
      inDeploy('', 'overrides: 5,'),
      inDeploy('', "overrides: (r) => r.override(file, '/etc/web.conf', { content: 'x' }),"),
    ),
    file('recipes/own_resource.ts', 'give it another name', ofType('file'), ofType('own_file')),
    file(
      'core/cli/inputs/read_inputs.ts',
      'give it another name; to replace the built-in role, write replacesBuiltIn: true in the definition',
      named('frontend'),
      named('frontend', 'replacesBuiltIn: true,'),
    ),
  ])
})

t.test('the hints of converge test work', async (t) => {
  const source = 'core/cli/commands/recipe_tests.ts'
  const green = "import { test } from 'node:test'\ntest('green', () => undefined)\n"
  proveCommands(t, [
    {
      source,
      hint: 'write a test, such as test/motd.test.ts, or name the directory: converge test DIR',
      broken: 'test @/my-recipes',
      files: { 'my-recipes/web.ts': role },
      changed: { 'my-recipes/test/motd.test.ts': green },
    },
    {
      source,
      hint: 'check the path, which is relative to the working directory, …',
      broken: 'test recipes-of-mine',
      repaired: 'test my-recipes',
      files: { 'my-recipes/web.test.ts': green },
    },
    {
      source: 'core/load/bundle.ts',
      hint: 'run this test with vitest: npx vitest',
      broken: 'test @/my-recipes',
      files: { 'my-recipes/web.test.ts': "import { test } from 'vitest'\ntest('green', () => undefined)\n" },
      changed: { 'my-recipes/web.test.ts': green },
    },
  ])
})

t.test('the hints of a test host work', async (t) => {
  const motd = defineRole('motd', {
    deploy(r) {
      api.execute(r, { name: 'compress', command: ['gzip', '/x'] })
    },
  })
  await proveCalls(t, [
    {
      source: 'recipes/testing/host.ts',
      hint: "script its answer: new TestHost({ commands: { 'gzip': {} } })",
      broken: () => new TestHost().run(['gzip', '/x']),
      repaired: () => converge(motd, { host: new TestHost({ commands: { gzip: {} } }) }),
    },
    {
      source: 'recipes/testing/host.ts',
      hint: "add it: new TestHost({ accounts: ['jane'], user: 'jane' })",
      broken: () => new TestHost({ user: 'jane' }),
      repaired: () => new TestHost({ accounts: ['jane'], user: 'jane' }),
    },
  ])
})

t.test('the hints of converge new work', async (t) => {
  const source = 'core/cli/commands/scaffold.ts'
  const recipes = { 'converge.config.ts': 'export default {}\n', 'recipes/.gitkeep': '' }
  proveCommands(t, [
    { source, hint: 'converge new recipes my-recipes', broken: 'new recipes', repaired: 'new recipes my-recipes' },
    {
      source,
      hint: 'converge new role NAME',
      broken: 'new role',
      repaired: 'new role queue-worker',
      files: recipes,
    },
    {
      source,
      hint: 'change to the directory of your recipes, or make one: converge new recipes my-recipes',
      broken: 'new role queue-worker',
      changed: recipes,
    },
    {
      source,
      hint: 'use lower-case letters, digits and "-", such as queue-worker',
      broken: 'new role Queue_Worker',
      repaired: 'new role queue-worker',
      files: recipes,
    },
    {
      source,
      hint: 'choose another name; to extend a built-in role, see "Extend a built-in role" in docs/writing-recipes.md',
      broken: 'new role frontend',
      repaired: 'new role shop-frontend',
      files: recipes,
    },
    {
      source,
      hint: 'use two or more lower-case letters, digits and "_", and no reserved word of TypeScript, such as login_banner',
      broken: 'new resource class',
      repaired: 'new resource login_banner',
      files: recipes,
    },
    {
      source,
      hint: 'choose another name; converge resources file describes the built-in type',
      broken: 'new resource file',
      repaired: 'new resource own_file',
      files: recipes,
    },
    {
      source,
      hint: 'choose another name, or move the file away: nothing is overwritten',
      broken: 'new resource note',
      repaired: 'new resource other_note',
      files: { ...recipes, 'test/note.test.ts': '' },
    },
  ])
})
