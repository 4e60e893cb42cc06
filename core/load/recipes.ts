/** Finds the recipes of the user: a directory of roles, or a converge.config.ts that names them. */
import * as fs from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { definedRoles, type Role } from '../compile/role.ts'
import { ConvergeError, describeLocation, InvalidInput, type SourceLocation, throwProblems } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import type { Handlers } from '../report/events.ts'
import { type BundleOptions, loadModule } from './bundle.ts'
import { isPacked } from './manifest.ts'
import { reasonNotToTrust } from './trusted_files.ts'

export interface UserRecipes<N> {
  readonly roles: readonly Role<N>[]
  readonly handlers: readonly Handlers[]
}

/** The default export of a converge.config.ts. */
export interface ConvergeConfig<N = never> {
  /** Directories with one role a file, relative to the configuration. */
  readonly recipes?: string | readonly string[]
  readonly roles?: readonly Role<N>[]
  /** Receive the events of every run, e.g. to report it elsewhere. */
  readonly handlers?: readonly Handlers[]
}

export const configNames = ['converge.config.ts', 'converge.config.mts', 'converge.config.js', 'converge.config.mjs']

/**
 * @param directories given with --recipes
 * @param config path of a configuration; null: the one in the working directory, if any
 * @throws InvalidInput with what is wrong in any of the files
 */
export async function loadUserRecipes<N>(
  directories: readonly string[],
  config: string | null,
  options: () => Promise<BundleOptions>,
): Promise<UserRecipes<N>> {
  const { user, problems } = await draftUserRecipes<N>(directories, config, options)
  throwProblems(problems, 'the recipes cannot be loaded')
  return user
}

export interface UserRecipesDraft<N> {
  /** Those of the files that could be loaded. */
  readonly user: UserRecipes<N>
  readonly problems: readonly ConvergeError[]
}

/**
 * Loads the recipes, and returns the mistakes in some of the files beside those that could be loaded.
 * @throws ConvergeError where the configuration or a packed directory cannot be loaded
 */
export async function draftUserRecipes<N>(
  directories: readonly string[],
  config: string | null,
  options: () => Promise<BundleOptions>,
): Promise<UserRecipesDraft<N>> {
  const { configuration, recipeDirectories } = await recipeDirectoriesOf<N>(directories, config, options)
  const roles: FoundRole<N>[] = []
  const handlers: Handlers[] = []
  const takeConfig = ({ value, file }: Configuration<N>) => {
    roles.push(...(value.roles ?? []).map((role) => ({ role, file })))
    handlers.push(...(value.handlers ?? []))
  }
  if (configuration !== null) takeConfig(configuration)
  const problems: ConvergeError[] = []
  const loaded = new Set<string>()
  for (const directory of recipeDirectories) {
    if (!isPacked(directory.path)) {
      roles.push(...(await loadDirectory<N>(directory, options, problems, loaded)))
      continue
    }
    const { loadPacked } = await import('./packed_recipes.ts')
    for (const { kind, file, exports } of loadPacked(directory.path, await options()))
      if (kind === 'config') takeConfig({ value: configOf<N>(exports.default, file), file })
      else roles.push(...rolesIn<N>(exports, file, problems))
  }
  problems.push(...duplicateRoles(roles))
  return { user: { roles: roles.map(({ role }) => role), handlers }, problems }
}

interface Configuration<N> {
  readonly value: ConvergeConfig<N>
  readonly file: string
}

/** A directory of recipes, with the option or the key that names it, for messages. */
export interface RecipeDirectory {
  readonly path: string
  readonly origin: string
}

/** Finds the configuration and all directories with recipes: those of the options, and those that the configuration names. */
export async function recipeDirectoriesOf<N>(
  directories: readonly string[],
  config: string | null,
  options: () => Promise<BundleOptions>,
): Promise<{
  readonly configuration: Configuration<N> | null
  readonly recipeDirectories: readonly RecipeDirectory[]
}> {
  const file = config ?? configInWorkingDirectory()
  if (config !== null && !fs.existsSync(config)) throw missingFile(config, `--config ${config}`)
  const recipeDirectories = directories.map((path) => ({ path, origin: `--recipes ${path}` }))
  if (file === undefined) return { configuration: null, recipeDirectories }
  const value = configOf<N>((await loadModule(file, await options())).default, file)
  for (const directory of [value.recipes ?? []].flat())
    recipeDirectories.push({ path: resolve(file, '..', directory), origin: `recipes in ${file}: ${directory}` })
  return { configuration: { value, file }, recipeDirectories }
}

interface FoundRole<N> {
  readonly role: Role<N>
  readonly file: string
}

/** The file is executed, so it must belong to this account or to root, and others must not be able to replace it. */
function configInWorkingDirectory(): string | undefined {
  const path = configNames.map((name) => resolve(name)).find((one) => fs.existsSync(one))
  if (path === undefined) return undefined
  const uid = process.getuid?.() ?? 0
  const why = reasonNotToTrust(path, [0, uid, Number(process.env.SUDO_UID ?? 0)], uid === 0)
  if (why === null) return path
  throw new ConvergeError(`${path} is not run without being named: ${why}`, {
    code: 'FOREIGN_CONFIG',
    hint: `if you trust it: --config ${path}; else work in another directory`,
    usage: true,
  })
}

async function loadDirectory<N>(
  { path, origin }: RecipeDirectory,
  options: () => Promise<BundleOptions>,
  problems: ConvergeError[],
  loaded: Set<string>,
): Promise<FoundRole<N>[]> {
  const before = problems.length
  if (!fs.existsSync(path)) {
    problems.push(missingFile(path, origin))
    return []
  }
  const roles: FoundRole<N>[] = []
  const all = filesOf(path)
  const files = newFiles(all, loaded)
  if (all.length > files.length && files.length === 0) return []
  for (const file of files) {
    const exported = await loadModule(file, await options()).catch((error: unknown) => {
      if (!(error instanceof ConvergeError)) throw error
      problems.push(...(error instanceof InvalidInput ? error.problems : [error]))
      return {}
    })
    roles.push(...rolesIn<N>(exported, file, problems))
  }
  if (roles.length > 0 || problems.length > before) return roles
  problems.push(...notExported(files))
  if (problems.length === before)
    problems.push(
      new ConvergeError(`there is no role in ${path}`, { code: 'NO_ROLE', hint: hintForNoRole(path), usage: true }),
    )
  return []
}

function hintForNoRole(path: string): string {
  const below = join(path, 'recipes')
  if (fs.existsSync(below)) return `name the directory with the recipe files: --recipes ${below}`
  const other = fs.statSync(path).isDirectory()
    ? fs.readdirSync(path).find((name) => /\.[jt]sx$/.test(name))
    : undefined
  if (other !== undefined) return `rename ${other}: recipes are written in .ts, .mts, .js or .mjs files`
  return "a recipe file exports one: export default role('name', { ... })"
}

/** Finds roles that these files define and do not export. */
function notExported(files: readonly string[]): ConvergeError[] {
  return definedRoles.flatMap(({ name, source }) => {
    const location = source?.()
    if (location === undefined || !files.includes(location.file)) return []
    return new ConvergeError(`the role ${name} is not exported`, {
      code: 'NO_ROLE',
      source: location,
      hint: `write export default role('${name}', { ... })`,
      usage: true,
    })
  })
}

function rolesIn<N>(exported: Record<string, unknown>, file: string, problems: ConvergeError[]): FoundRole<N>[] {
  const { default: defaultExport, ...others } = exported
  // module.exports = role(...)
  const candidates = new Set([exported, defaultExport, ...Object.values(others)].flat().filter(isRole))
  if ('default' in exported && candidates.size === 0) problems.push(noRole(file, defaultExport))
  return [...candidates].map((role) => ({ role: role as Role<N>, file }))
}

/** Lists the recipe files of a directory; the path itself if it is a file. */
export function filesOf(path: string): string[] {
  if (!fs.statSync(path).isDirectory()) return [path]
  return fs
    .readdirSync(path)
    .filter((name) => /\.[cm]?[jt]s$/.test(name) && !/\.(d|test)\.[cm]?ts$/.test(name) && !configNames.includes(name))
    .sort()
    .map((name) => join(path, name))
}

/**
 * Leaves out files that are in `loaded`, and adds the others to it. `--recipes`, the stack file and the configuration may name
 * the same directory.
 * @param loaded real paths
 */
export function newFiles(files: readonly string[], loaded: Set<string>): string[] {
  return files.filter((file) => {
    const real = fs.realpathSync(file)
    return !loaded.has(real) && loaded.add(real)
  })
}

function noRole(file: string, exported: unknown): ConvergeError {
  const description =
    exported === undefined
      ? 'undefined'
      : typeof exported === 'function'
        ? 'a function'
        : `${typeof exported === 'object' ? 'an' : 'a'} ${typeof exported}`
  return new ConvergeError(`its default export is not a role, but ${description}`, {
    code: 'NO_ROLE',
    source: { file },
    hint: "export default role('name', { deploy(r, node) { ... } })",
    usage: true,
  })
}

/** Reports roles with the same name: --role could mean either. */
function duplicateRoles<N>(roles: readonly FoundRole<N>[]): ConvergeError[] {
  return roles.flatMap(({ role, file }, index) => {
    const first = roles.slice(0, index).find((earlier) => earlier.role.name === role.name && earlier.role !== role)
    if (first === undefined) return []
    const [firstLocation, second] = [first, { role, file }].map(locationOf).sort(byLine) as [
      SourceLocation,
      SourceLocation,
    ]
    const locations =
      first.file === file
        ? `in ${describeLocation(firstLocation)} and again in ${describeLocation(second)}`
        : `in ${first.file} and again in ${file}`
    return new ConvergeError(`the role ${role.name} is defined twice: ${locations}`, {
      code: 'ROLE_TWICE',
      // The file of the error names the directory of recipes.
      source: second,
      hint: 'give one of them another name',
      usage: true,
    })
  })
}

/** Compares positions in one file; others keep their order. A default export comes first, wherever it is. */
function byLine(one: SourceLocation, other: SourceLocation): number {
  return one.file === other.file ? (one.line ?? 0) - (other.line ?? 0) : 0
}

/** Returns the line of the role, if the file that exports it defines it; else only the file. */
function locationOf<N>({ role, file }: FoundRole<N>): SourceLocation {
  const source = role.source?.()
  return source?.file === file ? source : { file }
}

function isRole(value: unknown): value is Role {
  return (
    typeof value === 'object' && value !== null && 'events' in value && value.events instanceof Map && 'name' in value
  )
}

const configKeys = ['recipes', 'roles', 'handlers']

function configOf<N>(value: unknown, file: string): ConvergeConfig<N> {
  const refuse = (message: string, hint: string): ConvergeError =>
    new ConvergeError(message, { code: 'INVALID_CONFIG', source: { file }, hint, usage: true })
  if (typeof value !== 'object' || value === null || isRole(value))
    throw refuse('it must export a configuration by default', "export default { recipes: './recipes' }")
  const { recipes = [], roles = [], handlers = [], ...others } = value as Record<string, unknown>
  const problems = Object.keys(others).map((key) =>
    refuse(`a configuration has no ${key}`, nearest(key, configKeys) ?? `it has: ${configKeys.join(', ')}`),
  )
  if (![recipes].flat().every((one) => typeof one === 'string'))
    problems.push(refuse('recipes: a directory, or a list of them, is expected', "recipes: './recipes'"))
  if (!Array.isArray(roles) || !roles.every(isRole))
    problems.push(refuse('roles: a list of roles is expected', "roles: [role('name', { ... })]"))
  if (!Array.isArray(handlers) || !handlers.every((handler) => typeof handler === 'object' && handler !== null))
    problems.push(refuse('handlers: a list of objects is expected', 'handlers: [{ end(report) { ... } }]'))
  throwProblems(problems, 'the configuration is not valid')
  return value as ConvergeConfig<N>
}

function missingFile(path: string, origin: string): ConvergeError {
  return new ConvergeError(`${origin}: there is no such file or directory`, {
    code: 'NO_FILE',
    hint: isAbsolute(path)
      ? 'check the path'
      : `check the path, which is relative to the working directory, ${process.cwd()}`,
    usage: true,
  })
}
