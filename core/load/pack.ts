/** Packs recipes for hosts that have neither a compiler nor any file of their author's. */
import * as fs from 'node:fs'
import { basename, dirname, join, posix, relative } from 'node:path'
import { namesOnly } from '../compile/source.ts'
import { readInputFile } from '../host/input_file.ts'
import { ConvergeError, throwProblems } from '../model/errors.ts'
import { type BundleOptions, compileModule } from './bundle.ts'
import { isPacked, manifestName } from './manifest.ts'
import { digestOf, type PackManifest } from './packed_recipes.ts'
import { filesOf, loadUserRecipes, newFiles, recipeDirectoriesOf } from './recipes.ts'

export interface PackedRecipes {
  /** By path, relative to the directory that they are installed in. Equal sources give equal bytes. */
  readonly files: ReadonlyMap<string, Uint8Array>
}

export interface PackOptions {
  /** How many bytes the files beside the recipes may have together; default 20 MiB. */
  readonly limit?: number
}

/** A directory that modules may read files of, which is therefore packed with them. */
interface Root {
  /** Its real path. */
  readonly path: string
  /** Where it is in the pack. */
  readonly packed: string
}

interface Entry {
  readonly kind: 'recipe' | 'config'
  readonly path: string
  /** Names are relative to this directory: the author's name for a file is recipes/web.ts. */
  readonly base: string
}

const defaultLimit = 20 * 1024 * 1024

/**
 * Packs the files that a host needs to run these recipes with the engine. Each file with recipes, and the configuration
 * with its roles and handlers, becomes one bundle with a source map. Where a module uses `import.meta.url`, the pack has all
 * files of its directory of recipes but `node_modules` and `.git`. `--recipes` takes the directory of these files.
 * @param directories given with --recipes
 * @param config path of a configuration; null: the one in the working directory, if any
 * @returns null where there are no recipes at all
 * @throws InvalidInput with all mistakes of the recipes; NOT_PACKABLE, PACK_TOO_LARGE
 */
export async function packRecipes(
  directories: readonly string[],
  config: string | null,
  options: () => Promise<BundleOptions>,
  { limit = defaultLimit }: PackOptions = {},
): Promise<PackedRecipes | null> {
  // Report mistakes once, here, instead of on each host.
  await loadUserRecipes(directories, config, options)
  const { configuration, recipeDirectories } = await recipeDirectoriesOf(directories, config, options)
  const packedAlready = recipeDirectories.find(({ path }) => isPacked(path))
  if (packedAlready)
    throw notPackable(`${packedAlready.origin}: is packed already`, 'name the directory of its sources')
  const base = configuration === null ? null : dirname(fs.realpathSync(configuration.file))
  const entries: Entry[] = configuration === null ? [] : [entryOf('config', configuration.file, base)]
  const roots: Root[] = []
  const packedFiles = new Set<string>()
  for (const { path } of recipeDirectories) {
    const real = fs.realpathSync(path)
    const root = fs.statSync(real).isDirectory() ? real : dirname(real)
    if (!roots.some((packedRoot) => packedRoot.path === root))
      roots.push({ path: root, packed: `files/${roots.length}-${basename(root)}` })
    for (const file of newFiles(filesOf(real), packedFiles))
      entries.push(entryOf('recipe', file, isBelow(base, root) ? base : dirname(root)))
  }
  if (entries.length === 0) return null
  return assemble(entries, roots, await options(), limit)
}

function entryOf(kind: Entry['kind'], path: string, base: string | null): Entry {
  const real = fs.realpathSync(path)
  return { kind, path: real, base: base ?? dirname(real) }
}

function isBelow(directory: string | null, path: string): directory is string {
  return directory !== null && path.startsWith(`${directory}/`)
}

async function assemble(
  entries: readonly Entry[],
  roots: readonly Root[],
  { engineVersion, api }: BundleOptions,
  limit: number,
): Promise<PackedRecipes> {
  const files = new Map<string, Uint8Array>()
  const usedRoots = new Set<Root>()
  const problems: ConvergeError[] = []
  const scripts: PackManifest['entries'] = []
  for (const [index, { kind, path, base }] of entries.entries()) {
    const script = `scripts/${index}.cjs`
    const outfile = join(base, `${index}.cjs`)
    const moduleUrl = (of: string) => moduleUrlExpression(of, roots, usedRoots, problems)
    const { outputFiles } = await compileModule(path, { outfile, directory: base, moduleUrl, api })
    for (const { path: outputPath, contents } of outputFiles)
      if (outputPath.endsWith('.map')) files.set(`${script}.map`, withAuthorsNames(contents))
      else files.set(script, contents)
    scripts.push({ kind, file: posixRelative(base, path), script })
  }
  throwProblems(problems, 'the recipes cannot be packed')
  let remaining = limit
  for (const root of roots) if (usedRoots.has(root)) remaining = addFiles(files, root, remaining, limit)
  const digests = Object.fromEntries([...files].map(([path, content]) => [path, digestOf(content)]))
  const manifest: PackManifest = { format: 1, engine: engineVersion, entries: scripts, files: digests }
  files.set(manifestName, Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`))
  return { files }
}

/** Marks the names in the source map as the author's: they are not paths of the host that reads the map. */
function withAuthorsNames(contents: Uint8Array): Uint8Array {
  const map = JSON.parse(Buffer.from(contents).toString('utf8')) as object
  return Buffer.from(JSON.stringify({ ...map, [namesOnly]: true }))
}

/** Returns the expression for a module's `import.meta.url`: its path in the pack, wherever the pack is then. */
function moduleUrlExpression(
  path: string,
  roots: readonly Root[],
  usedRoots: Set<Root>,
  problems: ConvergeError[],
): string {
  // A package asks for it to find other modules; what it is made of is in the bundle.
  if (path.includes('/node_modules/')) return 'require("node:url").pathToFileURL(__filename).href'
  const root = roots.find((candidate) => isBelow(candidate.path, path))
  if (root === undefined) {
    problems.push(
      notPackable(
        'it asks for import.meta.url, and is in no directory of recipes: what it reads would be missing on other hosts',
        'move it, with the files it reads, below the directory given with --recipes',
        path,
      ),
    )
    return '""'
  }
  usedRoots.add(root)
  const inPack = JSON.stringify(`/../${root.packed}/${posixRelative(root.path, path)}`)
  return `require("node:url").pathToFileURL(__dirname + ${inPack}).href`
}

const skippedNames = ['node_modules', '.git']

/** @returns the remaining number of bytes */
function addFiles(files: Map<string, Uint8Array>, root: Root, remaining: number, limit: number): number {
  const sizes: [size: number, path: string][] = []
  let rest = remaining
  for (const path of filesBelow(root.path, new Set())) {
    const { size } = fs.statSync(path)
    sizes.push([size, posixRelative(root.path, path)])
    rest -= size
    if (rest < 0) throw tooLarge(root, limit, sizes)
    files.set(`${root.packed}/${posixRelative(root.path, path)}`, readInputFile(path, size))
  }
  return rest
}

/** Yields the files below a directory. Links are followed, once each: what they lead to would not be there on another host. */
function* filesBelow(directory: string, visited: Set<string>): Generator<string> {
  const real = fs.realpathSync(directory)
  if (visited.has(real)) return
  visited.add(real)
  for (const name of fs.readdirSync(directory).sort()) {
    if (skippedNames.includes(name)) continue
    const path = join(directory, name)
    const stat = fs.statSync(path, { throwIfNoEntry: false })
    if (stat?.isDirectory()) yield* filesBelow(path, visited)
    else if (stat?.isFile()) yield path
  }
}

function tooLarge(root: Root, limit: number, sizes: readonly (readonly [number, string])[]): ConvergeError {
  const largest = [...sizes].sort(([a], [b]) => b - a).slice(0, 3)
  const largestFiles = largest.map(([size, path]) => `${path} (${inMegabytes(size)})`).join(', ')
  return new ConvergeError(
    `the files in ${root.path} are too large to upload to each host: over ${inMegabytes(limit)}`,
    {
      code: 'PACK_TOO_LARGE',
      hint: `keep there only what the recipes read, and fetch the rest by remote_file; the largest of the first ${sizes.length}: ${largestFiles}`,
      usage: true,
    },
  )
}

function inMegabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`
}

function notPackable(message: string, hint: string, file?: string): ConvergeError {
  return new ConvergeError(message, { code: 'NOT_PACKABLE', hint, usage: true, ...(file ? { source: { file } } : {}) })
}

function posixRelative(from: string, to: string): string {
  return posix.normalize(relative(from, to))
}
