/** Loads the input of a run: recipes, layers of attributes, the merged node. */
import type { Plan } from '../../compile/compile.ts'
import type { Role } from '../../compile/role.ts'
import { withOwnAttributes } from '../../load/own_attributes.ts'
import type { UserRecipes } from '../../load/recipes.ts'
import { type ConvergeError, problemsOf, throwProblems } from '../../model/errors.ts'
import { byPosition, Findings } from '../../model/findings.ts'
import type { Secrets } from '../../model/secrets.ts'
import { type Facts, gatherFacts } from '../../node/facts.ts'
import type { Layer } from '../../node/layer.ts'
import { draftNode, type Node } from '../../node/node.ts'
import type { Catalogue } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'
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
} from './read_inputs.ts'
import { roleLayer } from './role_layer.ts'

export interface RunInputs<N> {
  readonly roles: readonly Role<N>[]
  readonly user: UserRecipes<N>
  readonly mergedNode: Node<unknown>
  readonly stateDirectory: string
  /** Compiles events; default: of all roles. */
  readonly compile: (events: readonly string[], roles?: readonly Role<N>[]) => Plan
  /** Compiles events of all roles for another node, such as a variant of the merged one. */
  readonly compileFor: (node: Node<unknown>, events: readonly string[]) => Plan
  /** Builds the node that recipes get for the given events. */
  readonly buildRecipeNode: (events: readonly string[]) => N
  /** Finds every mistake in compiling these events. */
  readonly diagnose: (events: readonly string[]) => Promise<readonly ConvergeError[]>
}

export interface InputOptions {
  /** Default: the facts of this host. `render` passes constant ones, because it must not read the host. */
  readonly facts?: Facts
  /** Whether an input without any role is an error; default true. */
  readonly needsRole?: boolean
  /** Id of the run in the node; default: a new one for each node. */
  readonly runId?: string | undefined
  /** Events that the caller compiles next. If the input has mistakes, those of these events are reported with them. */
  readonly events?: readonly string[]
}

/**
 * Loads recipes and attributes, and returns the merged node with functions that compile it.
 * @param secrets receives the values that must be masked
 * @throws InvalidInput with all problems of all files, and of the recipes for `events`
 */
export async function loadInputs<N>(
  args: Arguments,
  catalogue: Catalogue<N>,
  secrets: Secrets,
  { facts = gatherFacts(), needsRole = true, events, runId }: InputOptions = {},
): Promise<RunInputs<N>> {
  if (args.prefix !== undefined) checkPrefix(args.prefix)
  // Learn secrets before reading files that contain them: errors about those files must mask them too.
  if (args.secrets !== undefined) for (const secret of secretTexts(args.secrets)) secrets.add(secret)
  const read = await readAll(args, catalogue, needsRole)
  const { user, roles, layers } = read
  const draft = draftNode({
    layers: [...layers, ...roleLayers(roles)],
    facts,
    schemas: withOwnAttributes(await catalogue.schemas()),
    foreignKeys: await catalogue.foreignKeys(),
  })
  const mergedNode = draft.node
  for (const secret of mergedNode.secrets) secrets.add(secret)
  secrets.useNames(mergedNode.names)
  const page = args.page === undefined ? undefined : readInput(args.page, '--page')
  const run = {
    options: {
      to: args.to,
      purge: args.purge,
      full: args.full,
      revision: args.revision,
      migrate: args.migrate,
      retryFailed: args.retryFailed,
      message: args.message,
      coordinated: args.coordinated,
      page,
    },
    absentHosts: args.absentHosts,
    by: args.by ?? author(facts),
    ...(runId === undefined ? {} : { id: runId }),
  }
  const nodeFor = (node: Node<unknown>, events: readonly string[]) =>
    recipeNode({ catalogue, roles, mergedNode: node, run }, events)
  const diagnose = async (eventLists: readonly (readonly string[])[]) => {
    const found = await (await import('./diagnosis.ts')).diagnose({
      draft,
      roles,
      runs: eventLists,
      mayBeUnread: () => !read.isComplete,
      node: nodeFor,
      mask: (text) => secrets.mask(text),
    })
    const findings = new Findings()
    findings.add(read.problems)
    findings.add(found)
    return byPosition(findings.problems)
  }
  if (read.problems.length + draft.problems.length > 0) {
    // An unknown event may belong to a role that was not found.
    const known = events?.filter((event) => roles.some((role) => role.events.has(event))) ?? []
    await withWarnings(
      () => mergedNode.warnings.map(warningText),
      async () => throwProblems(await diagnose([known]), 'the input is not valid'),
    )
  }
  return {
    roles,
    user,
    mergedNode,
    stateDirectory: stateDirectory(args),
    compile: (events, selected = roles) =>
      compileHost({ catalogue, secrets, roles, mergedNode, run }, events, selected).plan,
    compileFor: (node, events) => compileHost({ catalogue, secrets, roles, mergedNode: node, run }, events).plan,
    buildRecipeNode: (events) => nodeFor(mergedNode, events),
    diagnose: (events) => diagnose([events]),
  }
}

interface ReadInput<N> {
  readonly user: UserRecipes<N>
  readonly roles: readonly Role<N>[]
  readonly layers: readonly Layer[]
  /** Problems of the recipes, the attributes and the roles. */
  readonly problems: readonly ConvergeError[]
  /** Whether all attribute files could be read. */
  readonly isComplete: boolean
}

/** Reads recipes and attributes; a mistake in one does not hide mistakes in others. */
async function readAll<N>(args: Arguments, catalogue: Catalogue<N>, needsRole: boolean): Promise<ReadInput<N>> {
  const recipes = await userRecipes(args, catalogue)
  const { layers, problems: unreadable } = await readLayers(args)
  const named = args.role ?? rolesOf(layers)
  const isComplete = unreadable.length === 0
  // Without a name, draftRoles reports that a role is required; but an unreadable file may name the roles.
  const shouldFindRoles = named.length > 0 || (needsRole && isComplete)
  const found = shouldFindRoles ? await draftRoles(named, recipes, catalogue) : { roles: [], problems: [] }
  const problems = [...recipes.problems, ...unreadable, ...found.problems]
  return { user: recipes.user, roles: found.roles, layers, problems, isComplete }
}

function roleLayers<N>(roles: readonly Role<N>[]): Layer[] {
  return roles.flatMap((role) => (Object.keys(role.attributes).length > 0 ? [roleLayer(role)] : []))
}

/**
 * Returns the result of compiling. If compiling refuses the input, throws all its mistakes together.
 * @throws InvalidInput
 */
export async function compileOrDiagnose<T>(
  work: () => T,
  diagnose: () => Promise<readonly ConvergeError[]>,
): Promise<T> {
  try {
    return work()
  } catch (error) {
    // Rethrows what is not a problem of the input.
    problemsOf(error)
    throwProblems(await diagnose(), 'the input is not valid')
    throw error
  }
}
