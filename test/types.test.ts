/** Tests the published types: authors of recipes can compile against them outside of the project. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import ts from 'typescript'
import type { z } from 'zod'
import { bare } from '../core/node/notes.ts'
import { documentDeclarations } from '../docs/declarations/document_declarations.ts'
import { fieldOf } from '../docs/declarations/schema_fields.ts'
import { definitions } from '../resources/definitions.ts'
import { allBlocks } from './docs/blocks.ts'
import { kitExamples } from './docs/kit_examples.ts'
import { documentedModules } from './docs/modules.ts'
import { scratch } from './support/machine.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

function tsc(...args: string[]): { readonly status: number | null; readonly stdout: string } {
  return spawnSync(`${root}node_modules/.bin/tsc`, args, { encoding: 'utf8' })
}

const types = scratch(t)
const emitted = tsc('-p', `${root}tsconfig.types.json`, '--outDir', types)
t.equal(emitted.status, 0, emitted.stdout)
const hint = 'add a description to the schema, and an example to docs/declarations/value_examples.ts or to the type'
t.same(documentDeclarations(types), [], `every attribute and property has a description and a valid example; ${hint}`)

/** Makes a recipe author's project, as the documentation describes. */
function project(t: Test, files: Readonly<Record<string, string>>): string {
  const directory = scratch(t)
  fs.symlinkSync(`${root}node_modules`, `${directory}/node_modules`)
  fs.symlinkSync(types, `${directory}/types`)
  for (const [name, text] of Object.entries({ 'package.json': '{ "type": "module" }', ...files })) {
    fs.mkdirSync(dirname(`${directory}/${name}`), { recursive: true })
    fs.writeFileSync(`${directory}/${name}`, text)
  }
  const documented = allBlocks().find(({ key }) => key === 'docs/writing-recipes.md > Types in your editor')
  const { compilerOptions } = JSON.parse(documented?.text ?? '') as { compilerOptions: object }
  const paths = {
    'converge-engine': ['./types/recipes/api.d.ts'],
    'converge-engine/testing': ['./types/recipes/testing/index.d.ts'],
  }
  const sources = Object.keys(files).filter((name) => name.endsWith('.ts'))
  fs.writeFileSync(
    `${directory}/tsconfig.json`,
    JSON.stringify({ compilerOptions: { ...compilerOptions, preserveSymlinks: true, paths }, files: sources }),
  )
  return directory
}

t.test('the compiler checks a recipe against the declarations, and finds a typing error', async (t) => {
  const directory = project(t, {
    'recipe.ts': `import { file, type PloneNode, role, service_restart } from 'converge-engine'
export default role<PloneNode>('mine', {
  deploy(r, node) {
    const config = file(r, { path: '/etc/mine', content: node.plone_instances.site_id })
    service_restart(r, { services: [{ name: 'mine' }], when: [config] })
    // @ts-expect-error a slip
    file(r, { pat: '/etc/mine' })
    // @ts-expect-error no such attribute
    node.plone_instance
  },
})
`,
  })
  const { status, stdout } = tsc('-p', directory)
  t.equal(status, 0, stdout)
})

t.test('attributes of a recipe are typed, and a slip is found', async (t) => {
  const directory = project(t, {
    'recipe.ts': `import { defineAttributes, file, type NodeWith, type PloneNode, role, secret, z } from 'converge-engine'
export const statusPage = defineAttributes('status_page', z.object({
  title: z.string().default('Status').meta({ description: 'Title of the page', unit: 'characters' }),
  hosts: z.array(z.string()).default([]),
  token: secret(z.string().optional()),
}))
const queue = defineAttributes('queue', z.object({ size: z.number().default(3) }))
type Node = NodeWith<typeof statusPage | typeof queue>
const base = role<PloneNode>('base-page', { deploy(r, node) { file(r, { path: '/x', content: node.plone_instances.site_id }) } })
export default role<Node>('mine', {
  extends: base,
  attributes: { status_page: { title: 'Shop' }, queue: { size: 4 }, plone_instances: { per_cpu: 2 } },
  setup(r, node) {
    r.include(base, 'deploy')
    const sum: number = node.queue.size + 1
    const token: string | undefined = node.status_page.token
    file(r, { path: '/etc/mine', content: [node.status_page.title, token ?? '', String(sum), ...node.status_page.hosts].join() })
    // @ts-expect-error no such attribute
    node.status_page.titel
    // @ts-expect-error attributes cannot be changed
    node.status_page.title = 'x'
  },
})
export const inferred = role('inferred', {
  attributes: { haproxy: { client_timeout: '30s' } },
  deploy(r, node) { file(r, { path: '/x', content: node.plone_instances.site_id }) },
})
// @ts-expect-error a slip in an own attribute
export const one = role<Node>('one', { attributes: { status_page: { titel: 'Shop' } } })
// @ts-expect-error a slip in a key
export const two = role('two', { attributes: { plone_instance: { per_cpu: 2 } } })
// @ts-expect-error a slip in a built-in attribute
export const three = role('three', { attributes: { plone_instances: { per_cpus: 2 } } })
// @ts-expect-error a value of the wrong type
export const four = role<Node>('four', { attributes: { queue: { size: 'large' } } })
`,
  })
  const { status, stdout } = tsc('-p', directory)
  t.equal(status, 0, stdout)
})

/** The language service on one file of an author, as editors use it; comments in the text name positions. */
function editor(t: Test, text: string) {
  const directory = project(t, { 'recipe.ts': text })
  const path = `${directory}/recipe.ts`
  const { config } = ts.readConfigFile(`${directory}/tsconfig.json`, ts.sys.readFile)
  const { options, fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, directory)
  const service = ts.createLanguageService({
    getCompilationSettings: () => options,
    getScriptFileNames: () => fileNames,
    getScriptVersion: () => '1',
    getScriptSnapshot: (name) => {
      const content = ts.sys.readFile(name)
      return content === undefined ? undefined : ts.ScriptSnapshot.fromString(content)
    },
    getCurrentDirectory: () => directory,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: ts.sys.fileExists,
    readFile: ts.sys.readFile,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
  })
  const at = (mark: string) => text.indexOf(`/*${mark}*/`) + mark.length + 4
  const shown = (parts: readonly ts.SymbolDisplayPart[] | undefined) => ts.displayPartsToString([...(parts ?? [])])
  const described = (details: ts.QuickInfo | ts.CompletionEntryDetails | undefined) =>
    [shown(details?.documentation), ...(details?.tags ?? []).map(({ name, text }) => `@${name} ${shown(text)}`)].join(
      '\n',
    )
  return {
    hover: (mark: string) => described(service.getQuickInfoAtPosition(path, at(mark))),
    completions: (mark: string) =>
      service.getCompletionsAtPosition(path, at(mark), {})?.entries.map(({ name }) => name.replace('?', '')) ?? [],
    completion: (mark: string, name: string) =>
      described(service.getCompletionEntryDetails(path, at(mark), name, {}, undefined, {}, undefined)),
    errors: () =>
      service.getSemanticDiagnostics(path).map(({ start = 0, messageText }) => ({
        line: text.slice(0, start).split('\n').length,
        message: ts.flattenDiagnosticMessageText(messageText, '\n'),
      })),
  }
}

t.test('the editor describes attributes and properties, and offers no members of references', async (t) => {
  const { hover, completions, completion, errors } = editor(
    t,
    `import { directory, execute, role, service_restart, template } from 'converge-engine'
export default role('mine', {
  attributes: { haproxy: { /*settable*/check_interval: 5000 } },
  deploy(r, node) {
    const made = /*type*/directory(r, { /*property*/path: '/srv/shop' })
    template(r, { path: '/x', source: '', variables: {}, verify: { /*nested*/ } })
    service_restart(r, { services: [{ name: 'shop', ready: { kind: 'tcp', /*variant*/port: 80 } }], when: [made] })
    directory(r, { path: '/srv/other', /*new*/ })
    const interval = node.haproxy./*attribute*/check_interval
    const { ssl_certificate_key } = node.deploy.shop ?? {}
    execute(r, { command: ['true'], timeout: 60 })
    execute(r, { command: ['true'], retryDelay: 60, /*option*/retries: 1 })
    return [interval, /*secret*/ssl_certificate_key, node.haproxy./*members*/balance]
  },
})
`,
  )
  const interval = [
    'Time between two checks of a client.\n\nUnit: milliseconds.',
    '@default 10000',
    '@example {"haproxy":{"check_interval":10000}}',
  ].join('\n')
  t.equal(hover('attribute'), interval)
  t.equal(hover('settable'), interval)
  t.match(completion('members', 'check_interval'), interval)
  t.match(hover('type'), /^Keeps a directory[\s\S]*@example directory\(r, \{ path: '/)
  t.match(hover('property'), /^Path of the directory[\s\S]*@example path: '\//)
  t.match(completion('new', 'owner'), /^Account that owns it[\s\S]*@example owner: 'deploy'/)
  t.match(hover('variant'), /@example port: \d+/)
  t.match(hover('option'), /^How often `apply` is tried again[\s\S]*@default 0[\s\S]*@example retries: 3/)
  t.match(hover('secret'), /Never displayed/)
  t.same(completions('nested').sort(), ['command', 'inside'])
  t.ok(['mode', 'owner', 'timeout', 'when'].every((name) => completions('new').includes(name)))
  t.notOk(completions('new').some((name) => ['provider', 'output', 'transform', 'query'].includes(name)))
  const found = errors()
  t.same(
    found.map(({ line }) => line),
    [6, 11, 12],
    JSON.stringify(found),
  )
  for (const { message } of found.slice(1)) t.match(message, /seconds\(60\)/)
})

interface PropertyGroup {
  readonly object: z.core.$ZodObject
  readonly path: readonly string[]
  /** Returns the literal of a call whose object at the path has these members. */
  readonly literal: (members: string) => string
}

/** Finds the objects inside a property, each with the literal around it. Schemas that contain themselves have none. */
function groupsIn(
  schema: z.core.$ZodType,
  path: readonly string[],
  literal: PropertyGroup['literal'],
  above: readonly z.core.$ZodType[] = [],
): PropertyGroup[] {
  const core = bare(schema).schema
  if (above.includes(core)) return []
  const { def } = core._zod
  const inside = (one: z.core.$ZodType, name: string | undefined, around: PropertyGroup['literal']) =>
    groupsIn(one, name === undefined ? path : [...path, name], (text) => literal(around(text)), [...above, core])
  if (def.type === 'array') return inside(def.element, undefined, (text) => `[${text}]`)
  if (def.type === 'record') return inside(def.valueType, '*', (text) => `{ example: ${text} }`)
  if (def.type === 'union') return def.options.flatMap((option) => inside(option, undefined, (text) => text))
  if (def.type !== 'object') return []
  const inner = Object.entries(def.shape).flatMap(([name, one]) =>
    inside(one, name, (text) => `{ ${variantOf(def.shape, name)} ${name}: ${text} }`),
  )
  return [{ object: core as z.core.$ZodObject, path, literal: (members) => literal(`{ ${members} }`) }, ...inner]
}

/** Returns the members with one value, which tell the variants of an object apart. */
const variantOf = (shape: z.core.$ZodShape, except: string) =>
  Object.entries(shape)
    .map(([name, schema]) => ({ name, value: literalOf(schema) }))
    .filter(({ name, value }) => value !== undefined && name !== except)
    .map(({ name, value }) => `${name}: ${value},`)
    .join(' ')

function literalOf(schema: z.core.$ZodType): string | undefined {
  const { def } = bare(schema).schema._zod
  return def.type === 'literal' ? JSON.stringify(def.values[0]) : undefined
}

/** Every property of every resource type, those inside others too, with the parts of its comment. */
const properties = Object.values(definitions).flatMap(({ type, functionName = type, props, examples }) =>
  groupsIn(props, [], (literal) => literal).flatMap(({ object, path, literal }, group) =>
    Object.entries(object._zod.def.shape).map(([name, schema]) => {
      const field = fieldOf(object, name, [type, ...path], examples)
      const parts = [
        String(field?.notes.description),
        ...(field?.notes.unit === undefined ? [] : [`\n\nUnit: ${field.notes.unit}.`]),
        ...(field?.standard === undefined ? [] : [`\n@default ${JSON.stringify(field.standard)}`]),
        `\n@example ${name}: `,
      ]
      const mark = [functionName, group, ...path, name].join('.')
      const alone = (fileName: string) =>
        literal(
          `${variantOf(object._zod.def.shape, name)} /*${fileName}:${mark}*/${name}: ${literalOf(schema) ?? 'value'}`,
        )
      return { functionName, name, isInner: path.length > 0, mark, parts, alone }
    }),
  ),
)

t.test('the editor describes every property of every resource type, in every place', async (t) => {
  const outer = properties.filter(({ isInner }) => !isInner)
  const functions = [...new Set(outer.map(({ functionName }) => functionName))]
  const ofFunction = (one: string) => outer.filter(({ functionName }) => functionName === one)
  const together = (fileName: string, one: string) =>
    `{ ${ofFunction(one)
      .map(({ mark, name }) => `/*${fileName}:${mark}*/${name}: value`)
      .join(', ')} }`
  const { hover, completion } = editor(
    t,
    `import { ${functions.join(', ')}, role } from 'converge-engine'
import { resourceContract, type TestRun } from 'converge-engine/testing'
declare const value: never
declare const run: TestRun
export default role('mine', {
  deploy(r) {
    ${properties.map(({ functionName, alone }) => `${functionName}(r, ${alone('alone')})`).join('\n')}
    ${functions.map((one) => `${one}(r, ${together('together', one)})`).join('\n')}
    ${functions.map((one) => `${one}(r, { /*completed:${one}*/ })`).join('\n')}
    ${functions.map((one) => `r.override(${one}, 'key', ${together('override', one)})`).join('\n')}
    ${functions.map((one) => `resourceContract(${one}, [{ name: '', props: ${together('contract', one)} }])`).join('\n')}
    ${functions.map((one) => `run.assertResource(${one}, 'key', ${together('assertion', one)})`).join('\n')}
  },
})
`,
  )
  const fileNames = ['together', 'override', 'contract', 'assertion']
  const shown = properties.flatMap(({ functionName, isInner, mark, name, parts }) => [
    { where: `alone: ${mark}`, text: hover(`alone:${mark}`), parts },
    ...(isInner
      ? []
      : fileNames.map((fileName) => ({ where: `${fileName}: ${mark}`, text: hover(`${fileName}:${mark}`), parts }))),
    ...(isInner ? [] : [{ where: `completion: ${mark}`, text: completion(`completed:${functionName}`, name), parts }]),
  ])
  const incomplete = shown.flatMap(({ where, text, parts }) => {
    const missing = parts.filter((part) => !text.includes(part))
    return missing.length === 0 ? [] : [`${where} misses ${JSON.stringify(missing)} in ${JSON.stringify(text)}`]
  })
  t.same(incomplete, [])
})

t.test('the editor shows the comments of own attributes', async (t) => {
  const { hover, completion, errors } = editor(
    t,
    `import { defineAttributes, type NodeWith, role, secret, z } from 'converge-engine'
export const myApp = defineAttributes('my_app', z.object({
  /** TCP port of the app. */
  port: z.number().default(8080),
  /** Mail server of the app. */
  mail: z.object({
    /** Name of its host. */
    host: z.string(),
    /** Account at the server. */
    user: secret(z.string().nullable().optional()),
  }).optional(),
  /** Worker processes. */
  workers: z.object({
    /** Number of them. */
    count: z.number().default(2),
  }).prefault({}),
  tags: z.array(z.string()).default([]),
}))
export default role<NodeWith<typeof myApp>>('mine', {
  attributes: { my_app: { /*settable*/port: 80, workers: { /*inside*/count: 3 } } },
  deploy(r, { my_app }) {
    const port: number = my_app./*port*/port
    const host: string | undefined = my_app./*mail*/mail?./*host*/host
    const user: string | null | undefined = my_app.mail?./*user*/user
    const count: number = my_app.workers./*count*/count
    const tags: readonly string[] = my_app.tags
    // @ts-expect-error it can be absent
    my_app.mail.host
    // @ts-expect-error no such attribute
    my_app.workers.number
    // @ts-expect-error attributes cannot be changed
    my_app.workers.count = 3
    return [port, host, user, count, tags, my_app./*members*/port]
  },
})
`,
  )
  t.strictSame(errors(), [])
  const comments = {
    port: 'TCP port of the app.',
    settable: 'TCP port of the app.',
    mail: 'Mail server of the app.',
    host: 'Name of its host.',
    user: 'Account at the server.',
    count: 'Number of them.',
    inside: 'Number of them.',
  }
  for (const [mark, comment] of Object.entries(comments)) t.equal(hover(mark), comment, mark)
  t.equal(completion('members', 'workers'), 'Worker processes.')
})

t.test('the compiler requires what a resource needs unless it is absent', async (t) => {
  const directory = project(t, {
    'recipe.ts': `import { block_in_file, cron, file, hosts_entry, mount, recipeFile, role, supervisor_program, swap, symlink, sysctl, systemd_unit } from 'converge-engine'
export default role('mine', {
  deploy(r, node) {
    const isGone = node.haproxy.balance === ''
    // @ts-expect-error no target
    symlink(r, { path: '/srv/a' })
    // @ts-expect-error no command
    cron(r, { name: 'a', schedule: '@daily' })
    // @ts-expect-error no content
    file(r, { path: '/srv/a', mode: '0644' })
    // @ts-expect-error no address
    hosts_entry(r, { names: ['a'] })
    // @ts-expect-error no type
    mount(r, { path: '/srv/a', device: 'tmpfs' })
    // @ts-expect-error no command
    supervisor_program(r, { name: 'a' })
    // @ts-expect-error no size
    swap(r, { path: '/swap' })
    // @ts-expect-error no value
    sysctl(r, { key: 'vm.swappiness' })
    // @ts-expect-error no content
    systemd_unit(r, { name: 'a.service' })
    // @ts-expect-error no block
    block_in_file(r, { path: '/srv/a', name: 'a' })
    symlink(r, { path: '/srv/a', target: 'b' })
    symlink(r, { path: '/srv/a', absent: true })
    symlink(r, { path: '/srv/a', target: 'b', absent: isGone })
    // @ts-expect-error a slip
    symlink(r, { path: '/srv/a', target: 'b', abset: isGone })
    // @ts-expect-error a target of the wrong type
    symlink(r, { path: '/srv/a', target: 5 })
    // @ts-expect-error a target of the wrong type
    symlink(r, { path: '/srv/a', target: 5, absent: true })
    // @ts-expect-error no target in one case
    symlink(r, { path: '/srv/a', target: isGone ? undefined : 'b' })
    // @ts-expect-error not absent
    symlink(r, { path: '/srv/a', absent: undefined })
    // @ts-expect-error no command in one case
    cron(r, { name: 'a', ...(isGone ? { absent: true } : { schedule: '@daily' }) })
    symlink(r, { path: '/srv/a', target: file(r, { path: '/srv/b', content: 'b' }).digest })
    file(r, { path: '/srv/a', content: '', notIf: { description: 'b', check: (host) => host.lstat('/srv/b') !== null } })
    const link = (props: Parameters<typeof symlink>[1]) => symlink(r, { ...props, owner: 'deploy' })
    link({ path: '/srv/a', target: 'b' })
    link({ path: '/srv/a', absent: true })
    // @ts-expect-error no target
    link({ path: '/srv/a' })
    cron(r, { name: 'a', ...(isGone ? { absent: true } : { schedule: '@daily', command: 'true' }) })
    file(r, { path: '/srv/a', absent: isGone })
    file(r, { path: '/srv/a', source: recipeFile(import.meta.url, 'a') })
    r.override(file, '/srv/a', { mode: '0600' })
    r.override(symlink, '/srv/a', { target: 'c' })
    // @ts-expect-error a slip
    r.override(symlink, '/srv/a', { taget: 'c' })
  },
})
`,
  })
  const { status, stdout } = tsc('-p', directory)
  t.equal(status, 0, stdout)
})

t.test('the examples of the options of every resource compile', async (t) => {
  const text = fs.readFileSync(`${types}/core/model/resource.d.ts`, 'utf8')
  const [, options = ''] = /interface CommonOptions \{([\s\S]*?)\n\}/.exec(text) ?? []
  const examples = [...options.matchAll(/@example\n +\* (.*)/g)].map(([, example]) => example)
  t.equal(examples.length, options.match(/readonly \w+\?: /g)?.length)
  const directory = project(t, {
    'recipe.ts': `import { directory, file, role, seconds } from 'converge-engine'
export default role('mine', {
  deploy(r, node) {
    const config = file(r, { path: '/etc/mine', content: '' })
    ${examples.map((example) => `directory(r, { path: '/srv/mine', ${example} })`).join('\n    ')}
  },
})
`,
  })
  const { status, stdout } = tsc('-p', directory)
  t.equal(status, 0, stdout)
})

t.test('the compiler refuses a text that is no number for an attribute', async (t) => {
  const directory = project(t, {
    'recipe.ts': `import { role } from 'converge-engine'
export const one = role('one', { attributes: { plone_instances: { per_cpu: '1.5' }, haproxy: { check_interval: '5s' } } })
// @ts-expect-error no number
export const two = role('two', { attributes: { plone_instances: { per_cpu: 'two' } } })
`,
  })
  const { status, stdout } = tsc('-p', directory)
  t.equal(status, 0, stdout)
})

t.test('all TypeScript of the documentation compiles', async (t) => {
  const modules = documentedModules()
  const files = Object.fromEntries(modules.map(({ text }, index) => [`example${index}.ts`, text]))
  const directory = project(t, files)
  fs.symlinkSync(`${root}fixtures/custom-recipe/resources`, `${directory}/resources`)
  const { status, stdout } = tsc('-p', directory)
  const named = modules.reduceRight((text, { where }, index) => text.replaceAll(`example${index}.ts`, where), stdout)
  t.equal(status, 0, named)
})

t.test('the examples of the test kit compile, and its options are checked', async (t) => {
  const directory = project(t, {
    ...kitExamples().files,
    'wrong.ts': `import { file } from 'converge-engine'
import { plan, resourceContract, TestHost } from 'converge-engine/testing'
import motd from './motd.ts'
export async function wrong() {
  // @ts-expect-error a slip in an attribute
  await plan(motd, { attributes: { motd: { txt: 'x' } } })
  // @ts-expect-error no such option
  await plan(motd, { hosts: {} })
  // @ts-expect-error no such option of a host
  new TestHost({ file: {} })
  const run = await plan(motd, { attributes: { motd: { text: 'x' }, haproxy: { client_timeout: '30s' } } })
  // @ts-expect-error no such property
  run.assertResource(file, '/etc/motd', { contents: 'x' })
  // @ts-expect-error no such property
  resourceContract(file, [{ name: 'x', props: { pat: '/x' } }])
}
`,
  })
  const { status, stdout } = tsc('-p', directory)
  t.equal(status, 0, stdout)
})

t.test('every export of the package has a description', async (t) => {
  const options = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, types: [] }
  const files = ['recipes/api.d.ts', 'recipes/testing/index.d.ts'].map((name) => `${types}/${name}`)
  const program = ts.createProgram(files, options)
  const checker = program.getTypeChecker()
  for (const file of files) {
    const source = program.getSourceFile(file)
    const module = source === undefined ? undefined : checker.getSymbolAtLocation(source)
    const exported = module === undefined ? [] : checker.getExportsOfModule(module)
    t.ok(exported.length > 15, file)
    const bare = exported.filter((symbol) => {
      const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
      return [symbol, target].every((one) => one.getDocumentationComment(checker).length === 0)
    })
    // These are whole modules, whose exports have descriptions of their own.
    t.strictSame(
      bare.map(({ name }) => name).filter((name) => !['z', 'roles'].includes(name)),
      [],
    )
  }
})
