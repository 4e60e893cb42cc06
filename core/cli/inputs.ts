/** Gathers what a run starts from: recipes, layers of attributes, the node. */
import { randomUUID } from 'node:crypto'
import * as fs from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import { wholeWay } from '../compile/compile.ts'
import type { Role } from '../compile/recipe.ts'
import { givenFileLimit, readGivenFile } from '../host/given_file.ts'
import type { HostReader } from '../host/types.ts'
import type { BundleOptions } from '../load/bundle.ts'
import type { UserRecipes } from '../load/recipes.ts'
import { configNames, loadUserRecipes } from '../load/recipes.ts'
import { asConvergeError, ConvergeError, describeLocation, throwProblems } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import type { Secrets } from '../model/secrets.ts'
import { fileTooLarge } from '../model/unreadable.ts'
import { utf8Text } from '../model/utf8.ts'
import { environmentLayer } from '../node/environment.ts'
import { type Facts, gatherFacts } from '../node/facts.ts'
import { parseJson } from '../node/json_text.ts'
import { type Layer, type NodeWarning, objectLayer, parseAttributes } from '../node/layers.ts'
import { buildNode, locateIn, type Node } from '../node/node.ts'
import { type Origins, originsByFile, originsFile, withOrigins } from '../node/origins.ts'
import { parsePath, valueAt } from '../node/path.ts'
import type { Catalogue, RunFacts } from './catalogue.ts'
import type { Arguments } from './options.ts'

export interface Inputs<N> {
  readonly roles: readonly Role<N>[]
  readonly user: UserRecipes<N>
  readonly built: Node<unknown>
  readonly stateDirectory: string
  /** What recipes see, for the given events. */
  readonly node: (events: readonly string[], host: HostReader | null) => N
}

export interface GatherOptions {
  /** Of this host, if not given; `render` gives neutral ones, since it looks nothing up. */
  readonly facts?: Facts
  /** False: no role at all is fine. Default true. */
  readonly needsRole?: boolean
}

/**
 * @param secrets gets what must not be shown
 * @throws InvalidInput with all problems of all files
 */
export async function gather<N>(
  args: Arguments,
  catalogue: Catalogue<N>,
  secrets: Secrets,
  { facts = gatherFacts(), needsRole = true }: GatherOptions = {},
): Promise<Inputs<N>> {
  if (args.prefix !== undefined) checkPrefix(args.prefix)
  // Before anything is read that has them: what is wrong there must not show them either.
  if (args.secrets !== undefined) for (const one of secretTexts(args.secrets)) secrets.add(one)
  const user = await userRecipes(args, catalogue)
  const layers = await readLayers(args)
  const schemas = await catalogue.schemas()
  const foreignKeys = await catalogue.foreignKeys()
  const named = args.role ?? rolesOf(layers)
  const roles = named.length > 0 || needsRole ? await findRoles(named, user, catalogue) : []
  for (const role of roles)
    if (Object.keys(role.attributes).length > 0) layers.push(objectLayer(role.attributes, `role ${role.name}`, 'role'))
  const built = buildNode({ layers, facts, schemas, foreignKeys })
  for (const secret of built.secrets) secrets.add(secret)
  secrets.useNames(built.names)
  const page = args.page === undefined ? undefined : readInput(args.page, '--page')
  const run = (events: readonly string[], host: HostReader | null): RunFacts => ({
    id: randomUUID(),
    events,
    roles: roles.map(({ name }) => name),
    host,
    options: {
      to: args.to,
      purge: args.purge,
      revision: args.revision,
      migrate: args.migrate,
      retryFailed: args.retryFailed,
      message: args.message,
      coordinated: args.coordinated,
      page,
    },
    by: args.by ?? author(facts),
    locate: (path) => locateIn(built.layers, built.states, parsePath(path)),
  })
  return {
    roles,
    user,
    built,
    stateDirectory: stateDirectory(args),
    node: (events, host) => catalogue.node(built, run(events, host)),
  }
}

/** Who asked for it: the person behind sudo, where there is one. */
export function author({ uid, user, hostname }: Facts = gatherFacts()): string {
  return `${(uid === 0 && process.env.SUDO_USER) || user || uid}@${hostname}`
}

/** A warning of the attributes on one line. */
export function warningText({ message, hint, source }: NodeWarning): string {
  const where = source ? `${describeLocation(source)}: ` : ''
  return `${where}${message}${hint ? ` (${hint})` : ''}`
}

export function stateDirectory(args: Arguments): string {
  if (args.stateDir !== undefined) return resolve(args.stateDir)
  return `${args.prefix === undefined ? '' : resolve(args.prefix)}/var/lib/converge`
}

export function eventsOf(events: readonly string[] | null): readonly string[] {
  return events ?? wholeWay
}

/** The recipes that --recipes and --config name, or a configuration in the working directory. */
export async function userRecipes<N>(
  args: Pick<Arguments, 'recipes' | 'config'>,
  catalogue: Catalogue<N>,
): Promise<UserRecipes<N>> {
  const { recipes = [], config = null } = args
  if (recipes.length === 0 && config === null && !configNames.some((name) => fs.existsSync(name)))
    return { roles: [], handlers: [] }
  return loadUserRecipes<N>(recipes, config, () => bundleOptions(catalogue))
}

/** How TypeScript of the user is bundled. */
export async function bundleOptions<N>(catalogue: Catalogue<N>): Promise<BundleOptions> {
  return { cacheDirectory: cacheDirectory(), engineVersion: catalogue.version, api: await catalogue.api() }
}

export function cacheDirectory(): string {
  const own = process.env.XDG_CACHE_HOME
  if (own !== undefined && isAbsolute(own)) return `${own}/converge`
  return process.getuid?.() === 0 ? '/var/cache/converge' : `${process.env.HOME ?? '/tmp'}/.cache/converge`
}

/** Lowest first: the stack's, this host's, the deployment's, single values from the command line. */
async function readLayers(args: Arguments): Promise<Layer[]> {
  const layers: Layer[] = []
  const problems: ConvergeError[] = []
  const origins = originsIn(args.configDir)
  const add = async (file: string, kind: Layer['kind'], flag: string) => {
    try {
      const text = file === '-' ? await standardInput() : readInput(file, flag)
      const layer = await parseAttributes({ text, file: file === '-' ? 'standard input' : file, kind })
      layers.push(withOrigins(layer, origins.get(resolve(file))))
    } catch (error) {
      const problem = asConvergeError(error)
      problems.push(...('problems' in problem ? (problem.problems as ConvergeError[]) : [problem]))
    }
  }
  for (const file of args.nodeJson ?? []) await add(file, 'stack', '--node-json')
  for (const file of hostFiles(args.configDir)) await add(file, 'host', '--config-dir')
  for (const file of args.json ?? []) await add(file, 'deployment', '--json')
  throwProblems(problems)
  const environment = environmentLayer(process.env)
  if (environment) layers.push(environment)
  if (args.prefix !== undefined)
    layers.push(objectLayer({ converge: { prefix: resolve(args.prefix) } }, '--prefix', 'deployment'))
  return layers
}

/** Which files of an operator the documents come from that converge stack has uploaded; by path. */
function originsIn(directory: string | undefined): ReadonlyMap<string, Origins> {
  const file = directory === undefined ? undefined : resolve(directory, originsFile)
  if (file === undefined || !fs.existsSync(file)) return new Map()
  const found = originsByFile.safeParse(parseJson(readInput(file, '--config-dir')).value)
  return new Map(Object.entries(found.data ?? {}).map(([path, origins]) => [resolve(file, '../..', path), origins]))
}

/** @throws NO_FILE, INVALID_SECRETS */
function secretTexts(file: string): readonly string[] {
  const { value, problems } = parseJson(readInput(file, '--secrets'))
  if (problems.length === 0 && Array.isArray(value) && value.every((one) => typeof one === 'string')) return value
  throw new ConvergeError(`--secrets ${file}: is no JSON list of texts`, {
    code: 'INVALID_SECRETS',
    hint: '["the first one", "the second one"]',
    usage: true,
  })
}

function readInput(file: string, flag: string): string {
  try {
    return utf8Text(readGivenFile(file), file)
  } catch (error) {
    throw error instanceof ConvergeError && error.code === 'NOT_UTF8' ? error : unreadable(file, flag, error)
  }
}

/** Not by readFileSync, which fails where standard input is a pipe that nobody has written to yet. */
async function standardInput(): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer)
    length += (chunk as Buffer).length
    if (length > givenFileLimit) throw fileTooLarge('standard input', null, givenFileLimit)
  }
  return utf8Text(Buffer.concat(chunks), 'standard input')
}

/** All JSON and YAML files of a directory, by name. The one of the system need not be there, one that was asked for has to. */
function hostFiles(given: string | undefined): string[] {
  const directory = given ?? '/etc/converge'
  try {
    return fs
      .readdirSync(directory)
      .filter((name) => /\.(json|jsonc|ya?ml)$/.test(name))
      .sort()
      .map((name) => `${directory}/${name}`)
  } catch (error) {
    if (given === undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw unreadable(directory, '--config-dir', error)
  }
}

function unreadable(path: string, flag: string, error: unknown): ConvergeError {
  const { code, message } = asConvergeError(error)
  const hints: Readonly<Record<string, string>> = {
    ENOENT: isAbsolute(path) ? 'check the path' : `it is looked for in the working directory, ${process.cwd()}`,
    NOT_A_FILE: 'give a file; several by repeating the option',
    ENOTDIR: 'give a directory',
    EACCES: 'run as an account that may read it',
  }
  // The system's own words repeat the call and the path.
  const reason = message.replace(/^.*?: /, '')
  return new ConvergeError(`${flag} ${path}: ${reason}`, {
    code: 'NO_FILE',
    hint: hints[code],
    usage: true,
    cause: error,
  })
}

/** A file there would make every path below it fail, one by one. */
function checkPrefix(prefix: string): void {
  try {
    if (fs.statSync(prefix, { throwIfNoEntry: false })?.isDirectory() !== false) return
  } catch (error) {
    throw unreadable(prefix, '--prefix', error)
  }
  throw new ConvergeError(`--prefix ${prefix}: is no directory`, {
    code: 'NO_FILE',
    hint: 'give a directory; one that is not there yet is made',
    usage: true,
  })
}

/** Without --role the host's own files may name them: `{"converge": {"roles": ["zeo-client"]}}`. */
function rolesOf(layers: readonly Layer[]): readonly string[] {
  const named = layers
    .map(({ value }) => valueAt(value, ['converge', 'roles']))
    .findLast((roles) => Array.isArray(roles))
  return Array.isArray(named) ? named.map(String) : []
}

/** @throws InvalidInput where there is no role of such a name */
export async function findRoles<N>(
  names: readonly string[],
  user: UserRecipes<N>,
  catalogue: Catalogue<N>,
): Promise<Role<N>[]> {
  const own = new Map(user.roles.map((role) => [role.name, role]))
  const known = [...new Set([...own.keys(), ...Object.keys(catalogue.roles)])].sort()
  if (names.length === 0)
    throw new ConvergeError('no role is given', {
      code: 'NO_ROLE',
      hint: `--role NAME, of: ${known.join(', ')}; or {"converge": {"roles": [...]}} in /etc/converge`,
      usage: true,
    })
  const roles: Role<N>[] = []
  const problems: ConvergeError[] = []
  for (const name of new Set(names)) {
    const found =
      own.get(name) ?? (Object.hasOwn(catalogue.roles, name) ? await catalogue.roles[name]?.load() : undefined)
    if (found) roles.push(found)
    else
      problems.push(
        new ConvergeError(`there is no role ${name}`, {
          code: 'UNKNOWN_ROLE',
          hint: nearest(name, known) ?? `there are: ${known.join(', ')}`,
          usage: true,
        }),
      )
  }
  throwProblems(problems)
  return roles
}
