/** Reads what the options of a command name: recipes, files and variables with attributes, roles. */
import * as fs from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import { defaultEvents } from '../../compile/compile.ts'
import type { Role } from '../../compile/role.ts'
import { readInputFile } from '../../host/input_file.ts'
import type { BundleOptions } from '../../load/bundle.ts'
import { definitionProblems } from '../../load/own_attributes.ts'
import { configNames, draftUserRecipes, type UserRecipesDraft } from '../../load/recipes.ts'
import {
  asConvergeError,
  ConvergeError,
  describeLocation,
  failureReason,
  InvalidInput,
  problemsOf,
  throwProblems,
} from '../../model/errors.ts'
import { nearest } from '../../model/nearest.ts'
import { utf8Text } from '../../model/utf8.ts'
import { environmentLayer } from '../../node/environment.ts'
import { type Facts, gatherFacts } from '../../node/facts.ts'
import { parseJson } from '../../node/json_text.ts'
import type { Layer, NodeWarning } from '../../node/layer.ts'
import { type Origins, originsByFile, originsFile, withOrigins } from '../../node/origins.ts'
import { draftAttributes, type LayerDraft, objectLayer } from '../../node/parse_layer.ts'
import { valueAt } from '../../node/path.ts'
import type { Catalogue } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'
import { stackReferences } from './stack_references.ts'
import { standardInput } from './standard_input.ts'

/** Returns the account that started the run: behind sudo, the account that called sudo. */
export function author({ uid, user, hostname }: Facts = gatherFacts()): string {
  return `${(uid === 0 && process.env.SUDO_USER) || user || uid}@${hostname}`
}

/** Formats a warning about attributes on one line. */
export function warningText({ message, hint, source }: NodeWarning): string {
  const where = source ? `${describeLocation(source)}: ` : ''
  return `${where}${message}${hint ? ` (${hint})` : ''}`
}

export function stateDirectory(args: Arguments): string {
  if (args.stateDir !== undefined) return resolve(args.stateDir)
  return `${args.prefix === undefined ? '' : resolve(args.prefix)}/var/lib/converge`
}

export function eventsOf(events: readonly string[] | null): readonly string[] {
  return events ?? defaultEvents
}

/** Loads the recipes that --recipes, --config, or a configuration in the working directory names. */
export async function userRecipes<N>(
  args: Pick<Arguments, 'recipes' | 'config'>,
  catalogue: Catalogue<N>,
): Promise<UserRecipesDraft<N>> {
  const { recipes = [], config = null } = args
  const none = { roles: [], handlers: [] }
  if (recipes.length === 0 && config === null && !configNames.some((name) => fs.existsSync(name)))
    return { user: none, problems: [] }
  try {
    const draft = await draftUserRecipes<N>(recipes, config, () => bundleOptions(catalogue))
    const problems = [...draft.problems, ...definitionProblems(await catalogue.schemas())]
    return { ...draft, problems: [...problems, ...takenNameProblems(draft.user.roles, catalogue)] }
  } catch (error) {
    return { user: none, problems: problemsOf(error) }
  }
}

/** Reports roles with the name of a built-in role, which `--role` would no longer find. */
function takenNameProblems<N>(roles: readonly Role<N>[], { roles: builtIn }: Catalogue<N>): ConvergeError[] {
  return roles
    .filter(({ name, replacesBuiltIn }) => Object.hasOwn(builtIn, name) && !replacesBuiltIn)
    .map(
      ({ name, source }) =>
        new ConvergeError(`the role ${name} is built in, and defined here again`, {
          code: 'ROLE_TAKEN',
          hint: 'give it another name; to replace the built-in role, write replacesBuiltIn: true in the definition',
          source: source?.(),
          usage: true,
        }),
    )
}

/** Returns the options for bundling the user's TypeScript. */
export async function bundleOptions<N>(catalogue: Catalogue<N>): Promise<BundleOptions> {
  return { cacheDirectory: cacheDirectory(), engineVersion: catalogue.version, api: await catalogue.api() }
}

export function cacheDirectory(): string {
  const userCache = process.env.XDG_CACHE_HOME
  if (userCache !== undefined && isAbsolute(userCache)) return `${userCache}/converge`
  return process.getuid?.() === 0 ? '/var/cache/converge' : `${process.env.HOME ?? '/tmp'}/.cache/converge`
}

interface LayerFiles {
  readonly layers: readonly Layer[]
  /** Problems of files that could not become layers. */
  readonly problems: readonly ConvergeError[]
}

/** Reads the layers, lowest precedence first: stack, this host, deployment, single values on the command line. */
export async function readLayers(args: Arguments): Promise<LayerFiles> {
  const layers: Layer[] = []
  const problems: ConvergeError[] = []
  const origins = originsIn(args.configDir)
  const add = async (read: () => Layer | null | Promise<LayerDraft>) => {
    try {
      const result = await read()
      if (result === null) return
      layers.push('layer' in result ? result.layer : result)
      if ('layer' in result) problems.push(...result.problems)
    } catch (error) {
      const problem = asConvergeError(error)
      problems.push(...(problem instanceof InvalidInput ? problem.problems : [problem]))
    }
  }
  const addFile = (file: string, kind: Layer['kind'], flag: string) =>
    add(async () => {
      const text = file === '-' ? await standardInput() : readInput(file, flag)
      const draft = await draftAttributes({ text, file: file === '-' ? 'standard input' : file, kind })
      throwProblems(stackReferences(draft.layer), `${file} cannot be read`)
      return { ...draft, layer: withOrigins(draft.layer, origins.get(resolve(file))) }
    })
  for (const file of args.nodeJson ?? []) await addFile(file, 'stack', '--node-json')
  for (const file of hostFiles(args.configDir)) await addFile(file, 'host', '--config-dir')
  for (const file of args.json ?? []) await addFile(file, 'deployment', '--json')
  await add(() => environmentLayer(process.env))
  if (args.prefix !== undefined)
    layers.push(objectLayer({ converge: { prefix: resolve(args.prefix) } }, '--prefix', 'deployment'))
  return { layers, problems }
}

/** Maps documents that `converge stack` has uploaded, by path, to the operator's files that they come from. */
function originsIn(directory: string | undefined): ReadonlyMap<string, Origins> {
  const file = directory === undefined ? undefined : resolve(directory, originsFile)
  if (file === undefined || !fs.existsSync(file)) return new Map()
  const found = originsByFile.safeParse(parseJson(readInput(file, '--config-dir')).value)
  return new Map(Object.entries(found.data ?? {}).map(([path, origins]) => [resolve(file, '../..', path), origins]))
}

/** @throws NO_FILE, INVALID_SECRETS */
export function secretTexts(file: string): readonly string[] {
  const { value, problems } = parseJson(readInput(file, '--secrets'))
  if (problems.length === 0 && Array.isArray(value) && value.every((one) => typeof one === 'string')) return value
  throw new ConvergeError(`--secrets ${file}: expected a JSON list of texts`, {
    code: 'INVALID_SECRETS',
    hint: '["the first one", "the second one"]',
    usage: true,
  })
}

export function readInput(file: string, flag: string): string {
  try {
    return utf8Text(readInputFile(file), file)
  } catch (error) {
    throw error instanceof ConvergeError && error.code === 'NOT_UTF8' ? error : unreadable(file, flag, error)
  }
}

/** Lists JSON and YAML files of a directory by name. The default directory may be missing; a given one must exist. */
function hostFiles(configDirectory: string | undefined): string[] {
  const directory = configDirectory ?? '/etc/converge'
  try {
    return fs
      .readdirSync(directory)
      .filter((name) => /\.(json|jsonc|ya?ml)$/.test(name))
      .sort()
      .map((name) => `${directory}/${name}`)
  } catch (error) {
    if (configDirectory === undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw unreadable(directory, '--config-dir', error)
  }
}

function unreadable(path: string, flag: string, error: unknown): ConvergeError {
  const { code } = asConvergeError(error)
  const hints: Readonly<Record<string, string>> = {
    NOT_A_FILE: 'give a file; several by repeating the option',
    ENOTDIR: 'give a directory',
    EACCES: 'run as an account that may read it',
  }
  const hint =
    code === 'ENOENT' ? missingHint(path) : (hints[code] ?? 'check the path (namei -l shows each part of it)')
  return new ConvergeError(`${flag} ${path}: ${failureReason(error, path)}`, {
    code: 'NO_FILE',
    hint,
    usage: true,
    cause: error,
  })
}

function missingHint(path: string): string {
  const target = fs.lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? fs.readlinkSync(path) : null
  if (target !== null) return `it is a link to ${target}, which does not exist: correct or remove the link`
  return isAbsolute(path)
    ? 'check the path'
    : `check the path, which is relative to the working directory, ${process.cwd()}`
}

/** Refuses a prefix that is a file, once, instead of failing for every path below it. */
export function checkPrefix(prefix: string): void {
  try {
    const found = fs.statSync(prefix, { throwIfNoEntry: false }) ?? fs.lstatSync(prefix, { throwIfNoEntry: false })
    if (found === undefined || found.isDirectory()) return
  } catch (error) {
    throw unreadable(prefix, '--prefix', error)
  }
  throw new ConvergeError(`--prefix ${prefix}: is not a directory`, {
    code: 'NO_FILE',
    hint: 'give a directory; one that is not there yet is made',
    usage: true,
  })
}

/** Returns the roles that the host's files name, for use without --role: `{"converge": {"roles": ["zeo-client"]}}`. */
export function rolesOf(layers: readonly Layer[]): readonly string[] {
  const named = layers
    .map(({ value }) => valueAt(value, ['converge', 'roles']))
    .findLast((roles) => Array.isArray(roles))
  return Array.isArray(named) ? named.map(String) : []
}

interface RoleDraft<N> {
  readonly roles: readonly Role<N>[]
  readonly problems: readonly ConvergeError[]
}

/** Finds the named roles, and reports each unknown name, unless recipes with mistakes may define it. */
export async function draftRoles<N>(
  names: readonly string[],
  { user, problems: wrong }: UserRecipesDraft<N>,
  catalogue: Catalogue<N>,
): Promise<RoleDraft<N>> {
  const userRoles = new Map(user.roles.map((role) => [role.name, role]))
  const known = [...new Set([...userRoles.keys(), ...Object.keys(catalogue.roles)])].sort()
  const refuse = (message: string, code: string, hint: string) =>
    new ConvergeError(message, { code, hint, usage: true })
  if (names.length === 0) {
    const hint = `--role NAME, of: ${known.join(', ')}; or {"converge": {"roles": [...]}} in /etc/converge`
    return { roles: [], problems: [refuse('no role is given', 'NO_ROLE', hint)] }
  }
  const roles: Role<N>[] = []
  const problems: ConvergeError[] = []
  for (const name of new Set(names)) {
    const found =
      userRoles.get(name) ?? (Object.hasOwn(catalogue.roles, name) ? await catalogue.roles[name]?.load() : undefined)
    if (found) roles.push(found)
    else {
      const near = nearest(name, known)
      if (near === undefined && wrong.length > 0) continue
      problems.push(refuse(`unknown role ${name}`, 'UNKNOWN_ROLE', near ?? `there are: ${known.join(', ')}`))
    }
  }
  return { roles, problems }
}
