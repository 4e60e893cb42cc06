/** Finds the recipes a user brings: a directory of roles, or a converge.config.ts that names them. */
import * as fs from 'node:fs'
import { join, resolve } from 'node:path'
import type { Role } from '../compile/recipe.ts'
import { ConvergeError, throwProblems } from '../model/errors.ts'
import type { Handlers } from '../report/events.ts'
import { type BundleOptions, loadModule } from './bundle.ts'

export interface UserRecipes<N> {
  readonly roles: readonly Role<N>[]
  readonly handlers: readonly Handlers[]
}

/** What a converge.config.ts exports by default. */
export interface ConvergeConfig<N = never> {
  /** Directories with one role a file, relative to the configuration. */
  readonly recipes?: string | readonly string[]
  readonly roles?: readonly Role<N>[]
  /** Hear of every run, e.g. to report it elsewhere. */
  readonly handlers?: readonly Handlers[]
}

export const configNames = ['converge.config.ts', 'converge.config.mts', 'converge.config.js', 'converge.config.mjs']

/**
 * @param directories given with --recipes
 * @param config path of a configuration; null: the one in the working directory, if any
 */
export async function loadUserRecipes<N>(
  directories: readonly string[],
  config: string | null,
  options: () => Promise<BundleOptions>,
): Promise<UserRecipes<N>> {
  const found = config ?? configNames.map((name) => resolve(name)).find((path) => fs.existsSync(path))
  if (config !== null && !fs.existsSync(config)) throw missing(config, '--config')
  const all: string[] = [...directories]
  const roles: Role<N>[] = []
  const handlers: Handlers[] = []
  if (found !== undefined) {
    const configuration = configOf<N>((await loadModule(found, await options())).default, found)
    roles.push(...(configuration.roles ?? []))
    handlers.push(...(configuration.handlers ?? []))
    const more = configuration.recipes ?? []
    for (const directory of typeof more === 'string' ? [more] : more) all.push(resolve(found, '..', directory))
  }
  for (const directory of all) roles.push(...(await loadDirectory<N>(directory, options)))
  return { roles, handlers }
}

async function loadDirectory<N>(directory: string, options: () => Promise<BundleOptions>): Promise<Role<N>[]> {
  if (!fs.existsSync(directory)) throw missing(directory, '--recipes')
  const files = fs.statSync(directory).isDirectory()
    ? fs
        .readdirSync(directory)
        .filter((name) => /\.[cm]?[jt]s$/.test(name) && !/\.(d|test)\.[cm]?ts$/.test(name))
        .sort()
        .map((name) => join(directory, name))
    : [directory]
  const roles: Role<N>[] = []
  const problems: ConvergeError[] = []
  for (const file of files) {
    const exported = await loadModule(file, await options())
    const candidates = [exported.default, ...Object.values(exported)].flat().filter(isRole)
    roles.push(...(new Set(candidates) as Set<Role<N>>))
    if (exported.default !== undefined && candidates.length === 0)
      problems.push(
        new ConvergeError('its default export is no role', {
          code: 'NO_ROLE',
          source: { file },
          hint: "export default role('name', { deploy(r, node) { ... } })",
          usage: true,
        }),
      )
  }
  throwProblems(problems)
  if (roles.length === 0)
    throw new ConvergeError(`there is no role in ${directory}`, {
      code: 'NO_ROLE',
      hint: "a recipe file exports one: export default role('name', { ... })",
      usage: true,
    })
  return roles
}

function isRole(value: unknown): value is Role {
  return (
    typeof value === 'object' && value !== null && 'events' in value && value.events instanceof Map && 'name' in value
  )
}

function configOf<N>(value: unknown, file: string): ConvergeConfig<N> {
  if (typeof value === 'object' && value !== null) return value as ConvergeConfig<N>
  throw new ConvergeError('it has to export a configuration by default', {
    code: 'INVALID_CONFIG',
    source: { file },
    hint: 'export default { recipes: "./recipes" }',
    usage: true,
  })
}

function missing(path: string, flag: string): ConvergeError {
  return new ConvergeError(`${flag}: ${path} does not exist`, {
    code: 'NO_FILE',
    hint: `it is taken from the working directory: ${process.cwd()}`,
    usage: true,
  })
}
