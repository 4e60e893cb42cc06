/** Bundles a user's TypeScript with esbuild and keeps the result by the content of every file it was made of. */
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import vm from 'node:vm'
import type { BuildFailure, Plugin } from 'esbuild'
import { ConvergeError, throwProblems } from '../model/errors.ts'

export interface BundleOptions {
  /** Where bundles are kept; made with mode 0700, since what is in it is run. */
  readonly cacheDirectory: string
  /** Belongs to the key: another engine, another bundle. */
  readonly engineVersion: string
  /** What `import ... from 'converge-engine'` gives: the running engine itself. */
  readonly api: object
}

interface Manifest {
  /** Path → SHA-256 of its content. */
  readonly inputs: Readonly<Record<string, string>>
}

/**
 * Loads a module and gives its exports.
 * @throws InvalidInput with every error of the compiler, each with file and line
 */
export async function loadModule(entry: string, options: BundleOptions): Promise<Record<string, unknown>> {
  const path = resolve(entry)
  const key = createHash('sha256')
    .update(`${options.engineVersion}\0${process.version}\0${path}`)
    .digest('hex')
    .slice(0, 24)
  const base = `${options.cacheDirectory}/${key}`
  if (!isFresh(base)) await build(path, base, options)
  return evaluate(`${base}.cjs`, path, options.api)
}

function isFresh(base: string): boolean {
  try {
    const manifest = JSON.parse(fs.readFileSync(`${base}.json`, 'utf8')) as Manifest
    fs.accessSync(`${base}.cjs`)
    return Object.entries(manifest.inputs).every(([path, digest]) => digestOfFile(path) === digest)
  } catch {
    // Not there, cut short, or one of its files is gone: it is made anew.
    return false
  }
}

function digestOfFile(path: string): string {
  return createHash('sha256').update(fs.readFileSync(path)).digest('hex')
}

async function build(entry: string, base: string, options: BundleOptions): Promise<void> {
  const esbuild = await import('esbuild')
  const directory = dirname(entry)
  try {
    const result = await esbuild.build({
      entryPoints: [entry],
      bundle: true,
      platform: 'node',
      format: 'cjs',
      target: 'node20',
      write: false,
      metafile: true,
      sourcemap: 'external',
      sourcesContent: false,
      outfile: `${base}.cjs`,
      absWorkingDir: directory,
      external: ['converge-engine'],
      loader: { '.hbs': 'text', '.cfg': 'text', '.conf': 'text', '.txt': 'text' },
      logLevel: 'silent',
      plugins: [ownUrl],
    })
    const inputs: Record<string, string> = {}
    for (const input of Object.keys(result.metafile.inputs)) {
      const path = resolve(directory, input.replace(/^[a-z]+:/, ''))
      if (fs.existsSync(path)) inputs[path] = digestOfFile(path)
    }
    store(base, options.cacheDirectory, result.outputFiles, { inputs })
  } catch (error) {
    if (!isBuildFailure(error)) throw error
    throwProblems(
      error.errors.map(
        ({ text, location }) =>
          new ConvergeError(text, {
            code: 'RECIPE_SYNTAX',
            source: location
              ? { file: resolve(directory, location.file), line: location.line, column: location.column + 1 }
              : { file: entry },
            hint: /Could not resolve/.test(text) ? "check the path; the engine itself is 'converge-engine'" : undefined,
            usage: true,
          }),
      ),
      'the recipes cannot be compiled',
    )
  }
}

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && 'errors' in error && Array.isArray(error.errors)
}

/** `import.meta.url` of each file is its own place, also in a bundle: templates are read beside the recipe. */
const ownUrl: Plugin = {
  name: 'own-url',
  setup(build) {
    build.onLoad({ filter: /\.[cm]?[jt]s$/ }, ({ path }) => {
      const text = fs.readFileSync(path, 'utf8')
      if (!text.includes('import.meta.url')) return undefined
      const loader = /\.[cm]?ts$/.test(path) ? 'ts' : 'js'
      return { contents: text.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)), loader }
    })
  },
}

function store(
  base: string,
  directory: string,
  files: readonly { path: string; contents: Uint8Array }[],
  manifest: Manifest,
): void {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
  fs.chmodSync(directory, 0o700)
  for (const { path, contents } of files) replace(path, contents)
  // Last: without it the rest counts for nothing.
  replace(`${base}.json`, JSON.stringify(manifest))
}

function replace(path: string, content: Uint8Array | string): void {
  const temporary = `${path}.${process.pid}`
  fs.writeFileSync(temporary, content, { mode: 0o600 })
  fs.renameSync(temporary, path)
}

function evaluate(file: string, origin: string, api: object): Record<string, unknown> {
  const script = new vm.Script(
    `(function (exports, require, module, __filename, __dirname) {${fs.readFileSync(file, 'utf8')}\n})`,
    { filename: file },
  )
  const native = createRequire(origin)
  const module = { exports: {} as Record<string, unknown> }
  const require = (name: string): unknown => (name === 'converge-engine' ? api : native(name))
  const run = script.runInThisContext() as (...args: unknown[]) => void
  run(module.exports, require, module, file, dirname(file))
  return module.exports
}
