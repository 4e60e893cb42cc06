/** Bundles a user's TypeScript with esbuild and keeps the result by the content of every file it was made of. */
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import vm from 'node:vm'
import type { BuildFailure, Message, OutputFile, Plugin } from 'esbuild'
import { recipeFault } from '../compile/source.ts'
import { callWithLimit, repeatInterrupted } from '../compile/time_limit.ts'
import { makeDirectories } from '../host/directories.ts'
import { readInputFile } from '../host/input_file.ts'
import { loadCompiler } from '../model/compiler.ts'
import { asConvergeError, ConvergeError, isStackOverflow, throwProblems } from '../model/errors.ts'
import { utf8Text } from '../model/utf8.ts'

export interface BundleOptions {
  /** Where bundles are kept; made with mode 0700, since what is in it is run. */
  readonly cacheDirectory: string
  /** Belongs to the key: another engine, another bundle. */
  readonly engineVersion: string
  /** The module that `import ... from 'converge-engine'` resolves to: the running engine. */
  readonly api: object
}

interface Manifest {
  /** Path → SHA-256 of its content. */
  readonly inputs: Readonly<Record<string, string>>
  /** Digest of the bundle. A truncated or half replaced bundle is built again. */
  readonly bundle: string
}

/**
 * Loads a module and gives its exports.
 * @throws InvalidInput with every error of the compiler, or what the module itself throws, each with file and line
 */
export async function loadModule(entry: string, options: BundleOptions): Promise<Record<string, unknown>> {
  const path = resolve(entry)
  const key = createHash('sha256')
    .update(`${options.engineVersion}\0${process.version}\0${path}`)
    .digest('hex')
    .slice(0, 24)
  const base = `${options.cacheDirectory}/${key}`
  const safe = isSafe(options.cacheDirectory)
  if (safe && isFresh(base)) return evaluate(`${base}.cjs`, path, options.api)
  if (!safe || !store(base, await build(path, base, options.api))) {
    // It lasts as long as this process; errors are traced back to the recipe by the map beside it.
    const directory = fs.mkdtempSync(`${tmpdir()}/converge-`)
    process.once('exit', () => fs.rmSync(directory, { recursive: true, force: true }))
    write(`${directory}/${key}`, await build(path, `${directory}/${key}`, options.api))
    return evaluate(`${directory}/${key}.cjs`, path, options.api)
  }
  return evaluate(`${base}.cjs`, path, options.api)
}

/** Code that is run comes from nobody but this account: not from a directory that another one may write to. */
function isSafe(directory: string): boolean {
  try {
    const { uid, mode } = fs.statSync(directory)
    return uid === process.getuid?.() && (mode & 0o022) === 0
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

function isFresh(base: string): boolean {
  try {
    const manifest = JSON.parse(fs.readFileSync(`${base}.json`, 'utf8')) as Manifest
    if (digestOfFile(`${base}.cjs`) !== manifest.bundle) return false
    return Object.entries(manifest.inputs).every(([path, digest]) => digestOfFile(path) === digest)
  } catch {
    // Missing, truncated, or without one of its files: build it again.
    return false
  }
}

function digestOfFile(path: string): string {
  return digestOf(readInputFile(path))
}

function digestOf(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

interface Built {
  readonly files: readonly OutputFile[]
  readonly inputs: Readonly<Record<string, string>>
}

async function build(entry: string, base: string, api: object): Promise<Built> {
  const directory = dirname(entry)
  const moduleUrl = (path: string) => JSON.stringify(pathToFileURL(path).href)
  const { outputFiles, metafile } = await compileModule(entry, { outfile: `${base}.cjs`, directory, moduleUrl, api })
  const inputs: Record<string, string> = {}
  for (const input of Object.keys(metafile.inputs)) {
    const path = resolve(directory, input.replace(/^[a-z]+:/, ''))
    if (fs.existsSync(path)) inputs[path] = digestOfFile(path)
  }
  return { files: outputFiles, inputs }
}

export interface CompileOptions {
  readonly outfile: string
  /** Paths in the bundle are relative to this directory. */
  readonly directory: string
  /** An expression that replaces `import.meta.url` in the file with this path. */
  readonly moduleUrl: (path: string) => string
  /** The engine, whose exports are the names that a module may import from it. Default: any name. */
  readonly api?: object
  /** Makes an ES module that Node.js runs alone, with plugins that resolve its imports first. Default: a CommonJS module. */
  readonly standalone?: { readonly plugins: readonly Plugin[] }
}

/** Bundled CommonJS packages call require, which ES modules lack. */
const requireOfModule =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);"

/**
 * A module and all it imports, in one text, and its map; nothing is written.
 * @throws InvalidInput with every error of the compiler
 */
export async function compileModule(entry: string, { outfile, directory, moduleUrl, api, standalone }: CompileOptions) {
  const esbuild = await loadCompiler()
  if (esbuild === null)
    throw new ConvergeError('recipes cannot be compiled here: esbuild is not installed', {
      code: 'NO_COMPILER',
      source: { file: entry },
      hint: 'install converge with its dependencies (npm install), or let converge stack upload the recipes',
      usage: true,
    })
  try {
    return await esbuild.build({
      entryPoints: [entry],
      bundle: true,
      platform: 'node',
      format: standalone === undefined ? 'cjs' : 'esm',
      // Modules are strict: an assignment to the frozen node fails, in a bundle too.
      banner: { js: standalone === undefined ? '"use strict";' : requireOfModule },
      target: 'node20',
      write: false,
      metafile: true,
      sourcemap: standalone === undefined ? 'external' : 'linked',
      sourcesContent: false,
      outfile,
      absWorkingDir: directory,
      external: ['converge-engine', runningEngine],
      loader: { '.hbs': 'text', '.cfg': 'text', '.conf': 'text', '.txt': 'text' },
      logLevel: 'silent',
      plugins: [...(standalone?.plugins ?? []), ...(api === undefined ? [] : [engineExports(api)]), ownUrl(moduleUrl)],
    })
  } catch (error) {
    if (!isBuildFailure(error)) throw error
    const problems = error.errors.map((message) => compilerProblem(message, entry))
    throwProblems(problems, 'the recipes cannot be compiled')
    throw error
  }
}

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && 'errors' in error && Array.isArray(error.errors)
}

function compilerProblem({ text, location, detail }: Message, entry: string): ConvergeError {
  const source = location
    ? { file: resolve(dirname(entry), location.file), line: location.line, column: location.column + 1 }
    : { file: entry }
  const plain = text
    .replace('"engine:converge-engine"', '"converge-engine"')
    .replace(' is currently not supported with the "cjs" output format', ' is not supported in recipes')
  return new ConvergeError(plain, {
    code: 'RECIPE_SYNTAX',
    source,
    hint: typeof detail === 'string' ? detail : compilerHint(text),
    usage: true,
  })
}

function compilerHint(text: string): string | undefined {
  const [, runner] = /^converge test runs tests of node:test, not of (.+)$/.exec(text) ?? []
  if (runner !== undefined) return `run this test with ${runner}: npx ${runner.replace(/^@jest.*/, 'jest')}`
  if (/^No matching export in "(engine:)?converge-engine"/.test(text))
    return 'check the spelling; converge resources lists the resource types, and this version may be older than your recipes'
  const [, missing] = /^Could not resolve "(.+)"/.exec(text) ?? []
  if (missing === 'zod') return "import { z } from 'converge-engine'"
  if (missing?.startsWith('.')) return 'check the path: it is taken from the file that imports it'
  if (missing !== undefined)
    return `install it beside your recipes (npm install ${missing}); the engine itself is 'converge-engine'`
  if (text.startsWith('Top-level await'))
    return 'remove await: a file of recipes is loaded synchronously; readData reads a file, and a query reads the host'
  return text.startsWith('No loader is configured') ? 'recipes are written in .ts, .mts, .js or .mjs files' : undefined
}

/** The compiler would name a line of its own code for what is thrown. */
function readProblem(error: ConvergeError, path: string) {
  const { message: text, source, hint: detail } = error
  const problem = { text, detail }
  if (source?.line === undefined) return problem
  return { ...problem, location: { file: path, line: source.line, column: (source.column ?? 1) - 1 } }
}

/** Name by which a bundle requires the engine that runs it. */
const runningEngine = 'converge-engine/running'

/** Lists the exports of the engine, so that the compiler reports imports that it does not have, with their line. */
function engineExports(api: object): Plugin {
  return {
    name: 'engine-exports',
    setup(build) {
      build.onResolve({ filter: /^converge-engine$/ }, ({ path }) => ({ path, namespace: 'engine' }))
      build.onLoad({ filter: /./, namespace: 'engine' }, () => {
        const names = Object.keys(api).sort()
        // A name such as package is a reserved word, which cannot be the name of a constant.
        const constants = names.map((name, index) => `const export${index} = engine.${name}`)
        const exported = names.map((name, index) => `export${index} as ${name}`).join(', ')
        const engine = `const engine = require(${JSON.stringify(runningEngine)})`
        return { contents: [engine, ...constants, `export { ${exported} }`].join('\n') }
      })
    },
  }
}

/** `import.meta.url` of each file is its own URL, also in a bundle: templates are read beside the recipe. */
function ownUrl(moduleUrl: CompileOptions['moduleUrl']): Plugin {
  return {
    name: 'own-url',
    setup(build) {
      build.onLoad({ filter: /./, namespace: 'file' }, ({ path }) => {
        try {
          // The compiler would wait for a pipe, and read a device without an end.
          const content = readInputFile(path)
          if (!/\.[cm]?[jt]s$/.test(path)) return undefined
          const text = utf8Text(content, path)
          const names = /[\\/]node_modules[\\/]/.test(path) ? namesOfModule : namesOfRecipe
          if (text.search(names) < 0) return undefined
          const loader = /\.[cm]?ts$/.test(path) ? 'ts' : 'js'
          const url = moduleUrl(path)
          return { contents: text.replaceAll(names, (name) => positionOf(name, url)), loader }
        } catch (error) {
          return { errors: [readProblem(asConvergeError(error), path)] }
        }
      })
    },
  }
}

/** Names by which a file finds its own position. In a bundle they would name the bundle. */
const namesOfModule = /\bimport\.meta\.(?:url|dirname|filename)\b/g
/** Packages of others mention `__dirname` without need, and a module with a position is refused outside of the recipes. */
const namesOfRecipe = /\bimport\.meta\.(?:url|dirname|filename)\b|(?<![\w$.])__(?:dirname|filename)\b/g

/** @param url an expression for the URL of the file */
function positionOf(name: string, url: string): string {
  if (name.endsWith('url')) return url
  const path = `require('node:url').fileURLToPath(${url})`
  return name.endsWith('filename') ? path : `require('node:path').dirname(${path})`
}

/** @returns false where the cache cannot be written; a run does without */
function store(base: string, built: Built): boolean {
  try {
    makeDirectories(dirname(base), 0o700)
    fs.chmodSync(dirname(base), 0o700)
    write(base, built)
    return true
  } catch (error) {
    const { syscall, code } = error as NodeJS.ErrnoException
    if (syscall === undefined && code !== 'IN_THE_WAY') throw error
    return false
  }
}

function write(base: string, { files, inputs }: Built): void {
  for (const { path, contents } of files) replace(path, contents)
  const bundle = digestOfFile(`${base}.cjs`)
  // Last: without it the rest counts for nothing.
  replace(`${base}.json`, JSON.stringify({ inputs, bundle } satisfies Manifest))
}

function replace(path: string, content: Uint8Array | string): void {
  const temporary = `${path}.${process.pid}`
  fs.writeFileSync(temporary, content, { mode: 0o600 })
  fs.renameSync(temporary, path)
}

/**
 * Runs a bundle.
 * @param origin where its requires are resolved from
 * @param name of the module, for errors without a position of their own
 */
export function evaluate(file: string, origin: string, api: object, name = origin): Record<string, unknown> {
  const script = compiled(file, name)
  const native = createRequire(origin)
  const require = (name: string): unknown => (name === runningEngine || name === 'converge-engine' ? api : native(name))
  const run = script.runInThisContext() as (...args: unknown[]) => void
  const load = () => {
    const module = { exports: {} as Record<string, unknown> }
    run(module.exports, require, module, file, dirname(file))
    return module.exports
  }
  try {
    return repeatInterrupted(() => callWithLimit(load, { subject: 'loading the file' }))
  } catch (thrown) {
    if (thrown instanceof ConvergeError && thrown.code === 'ENDLESS' && thrown.source !== undefined) throw thrown
    throw recipeFault(thrown, 'it cannot be loaded', { file: name })
  }
}

function compiled(file: string, name: string): vm.Script {
  const text = `(function (exports, require, module, __filename, __dirname) {${fs.readFileSync(file, 'utf8')}\n})`
  try {
    return new vm.Script(text, { filename: file })
  } catch (thrown) {
    if (!isStackOverflow(thrown)) throw thrown
    throw new ConvergeError('it cannot be loaded: its code is nested too deeply', {
      code: 'RECIPE_FAILED',
      source: { file: name },
      hint: 'nest at most 200 levels',
      usage: true,
      cause: thrown,
    })
  }
}
