/** Gathers the input of a run: recipes, layers of attributes, the node. */
import type { Plan } from '../compile/compile.ts'
import type { Role } from '../compile/role.ts'
import type { HostReader } from '../host/types.ts'
import type { UserRecipes } from '../load/recipes.ts'
import { type ConvergeError, problemsOf, throwProblems } from '../model/errors.ts'
import { byPosition, Findings } from '../model/findings.ts'
import type { Secrets } from '../model/secrets.ts'
import { type Facts, gatherFacts } from '../node/facts.ts'
import { type Layer, objectLayer } from '../node/layers.ts'
import { draftNode, type Node } from '../node/node.ts'
import type { Catalogue } from './catalogue.ts'
import { compileHost, recipeNode } from './compile_host.ts'
import { withWarnings } from './input_warnings.ts'
import {
  author,
  checkPrefix,
  draftRoles,
  readInput,
  readLayers,
  rolesOf,
  secretTexts,
  stateDirectory,
  userRecipes,
  warningText,
} from './inputs.ts'
import type { Arguments } from './options.ts'

export interface Inputs<N> {
  readonly roles: readonly Role<N>[]
  readonly user: UserRecipes<N>
  readonly built: Node<unknown>
  readonly stateDirectory: string
  /** Compiles events; default: of all roles. */
  readonly compile: (events: readonly string[], host: HostReader | null, roles?: readonly Role<N>[]) => Plan
  /** Builds the node that recipes get for the given events. */
  readonly node: (events: readonly string[], host: HostReader | null) => N
  /** Finds every mistake in compiling these events. */
  readonly diagnose: (events: readonly string[], host: HostReader | null) => Promise<readonly ConvergeError[]>
}

export interface GatherOptions {
  /** Default: the facts of this host. `render` passes neutral ones, because it must not read the host. */
  readonly facts?: Facts
  /** Whether an input without any role is an error; default true. */
  readonly needsRole?: boolean
  /** Events that the caller compiles next. If the input has mistakes, those of these events are reported with them. */
  readonly events?: readonly string[]
}

/**
 * @param secrets receives the values that must be masked
 * @throws InvalidInput with all problems of all files, and of the recipes for `events`
 */
export async function gather<N>(
  args: Arguments,
  catalogue: Catalogue<N>,
  secrets: Secrets,
  { facts = gatherFacts(), needsRole = true, events }: GatherOptions = {},
): Promise<Inputs<N>> {
  if (args.prefix !== undefined) checkPrefix(args.prefix)
  // Learn secrets before reading files that contain them: errors about those files must mask them too.
  if (args.secrets !== undefined) for (const one of secretTexts(args.secrets)) secrets.add(one)
  const given = await readAll(args, catalogue, needsRole)
  const { user, roles, layers } = given
  const draft = draftNode({
    layers: [...layers, ...roleLayers(roles)],
    facts,
    schemas: await catalogue.schemas(),
    foreignKeys: await catalogue.foreignKeys(),
  })
  const built = draft.node
  for (const secret of built.secrets) secrets.add(secret)
  secrets.useNames(built.names)
  const page = args.page === undefined ? undefined : readInput(args.page, '--page')
  const run = {
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
  }
  const nodeFor = (of: Node<unknown>, asked: readonly string[], host: HostReader | null) =>
    recipeNode({ catalogue, roles, built: of, run: { ...run, host } }, asked)
  const diagnose = async (runs: readonly (readonly string[])[], host: HostReader | null) => {
    const found = await (await import('./diagnosis.ts')).diagnose({
      ...{ draft, roles, runs, isLost: () => !given.isComplete },
      node: (of, asked) => nodeFor(of, asked, host),
      mask: (text) => secrets.mask(text),
    })
    const findings = new Findings()
    findings.add(given.problems)
    findings.add(found)
    return byPosition(findings.problems)
  }
  if (given.problems.length + draft.problems.length > 0) {
    // An unknown event may belong to a role that was not found.
    const known = events?.filter((event) => roles.some((role) => role.events.has(event))) ?? []
    await withWarnings(
      () => built.warnings.map(warningText),
      async () => throwProblems(await diagnose([known], null), 'the input is not valid'),
    )
  }
  return {
    roles,
    user,
    built,
    stateDirectory: stateDirectory(args),
    compile: (asked, host, some = roles) =>
      compileHost({ catalogue, secrets, roles, built, run: { ...run, host } }, asked, some).plan,
    node: (asked, host) => nodeFor(built, asked, host),
    diagnose: (asked, host) => diagnose([asked], host),
  }
}

interface Given<N> {
  readonly user: UserRecipes<N>
  readonly roles: readonly Role<N>[]
  readonly layers: readonly Layer[]
  /** Problems of the recipes, the attributes and the roles. */
  readonly problems: readonly ConvergeError[]
  /** Whether all attribute files could be read. */
  readonly isComplete: boolean
}

/** Reads recipes and attributes; a mistake in one does not hide mistakes in others. */
async function readAll<N>(args: Arguments, catalogue: Catalogue<N>, needsRole: boolean): Promise<Given<N>> {
  const own = await userRecipes(args, catalogue)
  const { layers, problems: unreadable } = await readLayers(args)
  const named = args.role ?? rolesOf(layers)
  const isComplete = unreadable.length === 0
  // An unreadable file may name the roles.
  const isNamed = named.length > 0 || (needsRole && isComplete)
  const found = isNamed ? await draftRoles(named, own, catalogue) : { roles: [], problems: [] }
  const problems = [...own.problems, ...unreadable, ...found.problems]
  return { user: own.user, roles: found.roles, layers, problems, isComplete }
}

function roleLayers<N>(roles: readonly Role<N>[]): Layer[] {
  return roles.flatMap(({ name, attributes }) =>
    Object.keys(attributes).length > 0 ? [objectLayer(attributes, `role ${name}`, 'role')] : [],
  )
}

/**
 * Returns the result of compiling. If compiling refuses the input, reports all other mistakes with the first one.
 * @throws InvalidInput
 */
export async function compiled<T>(work: () => T, diagnose: () => Promise<readonly ConvergeError[]>): Promise<T> {
  try {
    return work()
  } catch (error) {
    problemsOf(error)
    throwProblems(await diagnose(), 'the input is not valid')
    throw error
  }
}
