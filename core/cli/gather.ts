/** Gathers what a run starts from: recipes, layers of attributes, the node. */
import { randomUUID } from 'node:crypto'
import type { Role } from '../compile/recipe.ts'
import type { HostReader } from '../host/types.ts'
import type { UserRecipes } from '../load/recipes.ts'
import { type ConvergeError, problemsOf, throwProblems } from '../model/errors.ts'
import { byPlace, Findings } from '../model/findings.ts'
import type { Secrets } from '../model/secrets.ts'
import { type Facts, gatherFacts } from '../node/facts.ts'
import { type Layer, objectLayer } from '../node/layers.ts'
import { draftNode, locateIn, type Node } from '../node/node.ts'
import { parsePath } from '../node/path.ts'
import type { Catalogue } from './catalogue.ts'
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
} from './inputs.ts'
import type { Arguments } from './options.ts'

export interface Inputs<N> {
  readonly roles: readonly Role<N>[]
  readonly user: UserRecipes<N>
  readonly built: Node<unknown>
  readonly stateDirectory: string
  /** What recipes see, for the given events. */
  readonly node: (events: readonly string[], host: HostReader | null) => N
  /** Every mistake that compiling these events finds. */
  readonly diagnose: (events: readonly string[], host: HostReader | null) => Promise<readonly ConvergeError[]>
}

export interface GatherOptions {
  /** Of this host, if not given; `render` gives neutral ones, since it looks nothing up. */
  readonly facts?: Facts
  /** False: no role at all is fine. Default true. */
  readonly needsRole?: boolean
  /** Events that are compiled afterwards. Where something is wrong, their mistakes are reported at once. */
  readonly events?: readonly string[]
}

/**
 * @param secrets gets what must not be shown
 * @throws InvalidInput with all problems of all files, and of the recipes for `events`
 */
export async function gather<N>(
  args: Arguments,
  catalogue: Catalogue<N>,
  secrets: Secrets,
  { facts = gatherFacts(), needsRole = true, events }: GatherOptions = {},
): Promise<Inputs<N>> {
  if (args.prefix !== undefined) checkPrefix(args.prefix)
  // Before anything is read that has them: what is wrong there must not show them either.
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
  const nodeFor = (of: Node<unknown>, asked: readonly string[], host: HostReader | null) =>
    catalogue.node(of, {
      id: randomUUID(),
      events: asked,
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
      locate: (path) => locateIn(of.layers, of.states, parsePath(path)),
    })
  const diagnose = async (runs: readonly (readonly string[])[], host: HostReader | null) => {
    const found = await (await import('./diagnosis.ts')).diagnose({
      ...{ draft, roles, runs, isLost: () => !given.isComplete },
      node: (of, asked) => nodeFor(of, asked, host),
      mask: (text) => secrets.mask(text),
    })
    const findings = new Findings()
    findings.add(given.problems)
    findings.add(found)
    return byPlace(findings.problems)
  }
  if (given.problems.length + draft.problems.length > 0) {
    // An event may be one of a role that could not be found.
    const known = events?.filter((event) => roles.some((role) => role.events.has(event))) ?? []
    throwProblems(await diagnose([known], null), 'the input is not valid')
  }
  return {
    roles,
    user,
    built,
    stateDirectory: stateDirectory(args),
    node: (asked, host) => nodeFor(built, asked, host),
    diagnose: (asked, host) => diagnose([asked], host),
  }
}

interface Given<N> {
  readonly user: UserRecipes<N>
  readonly roles: readonly Role<N>[]
  readonly layers: readonly Layer[]
  /** Of all of these. */
  readonly problems: readonly ConvergeError[]
  /** Whether all files with attributes could be read. */
  readonly isComplete: boolean
}

/** Reads recipes and attributes; a mistake in one of them does not hide those in others. */
async function readAll<N>(args: Arguments, catalogue: Catalogue<N>, needsRole: boolean): Promise<Given<N>> {
  const own = await userRecipes(args, catalogue)
  const { layers, problems: unreadable } = await readLayers(args)
  const named = args.role ?? rolesOf(layers)
  const isComplete = unreadable.length === 0
  // A file that could not be read may name the roles.
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
 * What compiling gives; where it refuses the input, every other mistake is reported with the first.
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
