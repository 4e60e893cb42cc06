/** Compiles roles and their events for one node into an ordered, frozen plan. */
import type { HostReader } from '../host/types.ts'
import { ConvergeError, throwProblems } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import { references } from '../model/reference.ts'
import type { PlannedResource } from '../model/resource.ts'
import type { Selection } from '../model/selection.ts'
import type { Declarations } from './declarations.ts'
import type { Mask } from './props.ts'
import type { PropsMemory } from './props_memory.ts'
import { RecipeRun } from './recipe_run.ts'
import type { Role } from './role.ts'
import { repeatInterrupted } from './time_limit.ts'

/** The declarations of recipes. Before a plan is bound, they are those for a host of which nothing is known. */
export interface Plan {
  readonly resources: readonly PlannedResource[]
  /** Names of resources whose state, outputs or digest others ask for. */
  readonly needed: ReadonlySet<string>
  /** Names of resources that others wait for: they stand in `when`, or somebody refers to their digest. */
  readonly listed: ReadonlySet<string>
  readonly roles: readonly string[]
  readonly events: readonly string[]
  /** The choice of --only and --skip, and the names of the resources that it leaves out; absent: all are chosen. */
  readonly selection?: Selection | undefined
  readonly leftOut?: ReadonlySet<string> | undefined
  /** Messages on which the operator can or must act. */
  readonly warnings: readonly string[]
  /** Messages that require no action. */
  readonly notes: readonly string[]
  /**
   * Reads the queries of the recipes on a host, and returns the plan for it. A bound plan returns itself.
   * @throws InvalidInput where the host and the input contradict each other, such as a missing release of a rollback
   */
  readonly bind: (host: HostReader) => Plan
}

/** The events that `converge --role NAME` runs if it names none. */
export const defaultEvents = ['setup', 'deploy', 'configure'] as const

/** Events that every host runs. A role that does not define them has nothing to do. */
const eventsOfAllRoles: readonly string[] = [...defaultEvents, 'build']

/** Events that stop services. The last role comes first: clients stop before the server that they need. */
const stoppingEvents = ['stop', 'shutdown', 'undeploy'] as const

export interface CompileOptions {
  /** Masks secrets in properties that errors quote; default: masks nothing. */
  readonly mask?: Mask
  /** Results for the hosts before, whose plans are much the same. The resources of such a plan do not know their lines. */
  readonly memory?: PropsMemory
}

/**
 * @param roles in the order given; one named twice counts once
 * @param events in order; a role without one of them has no part in it, but some role must have it
 * @throws InvalidInput with every problem of every recipe
 */
export function compile<N>(
  roles: readonly Role<N>[],
  events: readonly string[],
  node: N,
  options: CompileOptions = {},
): Plan {
  const { plan, problems } = draftPlan(roles, events, node, options)
  throwProblems(problems, 'the recipes cannot be compiled')
  return plan
}

/** A plan without the declarations that are wrong, so that the rest can be checked further. */
export interface PlanDraft {
  readonly plan: Plan
  readonly problems: readonly ConvergeError[]
}

/**
 * The same where recipes may have mistakes.
 * @throws ConvergeError where no role has one of the events
 */
export function draftPlan<N>(
  roles: readonly Role<N>[],
  events: readonly string[],
  node: N,
  { mask, memory }: CompileOptions = {},
): PlanDraft {
  if (memory !== undefined)
    try {
      const draft = draftOf(roles, events, new RecipeRun(node, mask, memory))
      if (draft.problems.length === 0) return draft
    } catch {
      // Once more below, for the lines of all problems.
    }
  return repeatInterrupted(() => draftOf(roles, events, new RecipeRun(node, mask)))
}

function draftOf<N>(roles: readonly Role<N>[], events: readonly string[], recipes: RecipeRun<N>): PlanDraft {
  const distinct = [...new Map(roles.map((role) => [role.name, role])).values()]
  for (const event of events) {
    const known = [...new Set(distinct.flatMap((role) => [...role.events.keys()]))]
    if (!known.includes(event) && !eventsOfAllRoles.includes(event))
      throw new ConvergeError(`unknown event ${event} for ${distinct.map((r) => r.name).join(', ')}`, {
        code: 'UNKNOWN_EVENT',
        hint: nearest(event, known) ?? `they have: ${known.join(', ')}`,
        usage: true,
      })
  }
  // By role, not by event: a host that runs the ZEO server and its clients needs the server up before they start.
  const isStopping = events.every((event) => stoppingEvents.some((name) => name === event))
  for (const role of isStopping ? distinct.toReversed() : distinct) for (const event of events) recipes.run(role, event)
  const heading = { roles: distinct.map(({ name }) => name), events }
  const declarations = recipes.finish()
  const plan = planOf(heading, declarations, (host) => {
    const { problems, ...rest } = recipes.bind(host)
    throwProblems(problems, 'the recipes cannot be compiled')
    const bound: Plan = planOf(heading, rest, () => bound)
    return bound
  })
  return { plan, problems: declarations.problems }
}

function planOf(
  heading: Pick<Plan, 'roles' | 'events'>,
  { resources, warnings, notes }: Pick<Declarations, 'resources' | 'warnings' | 'notes'>,
  bind: Plan['bind'],
): Plan {
  const needed = new Set<string>()
  const listed = new Set<string>()
  for (const { props, hasReferences, options } of resources) {
    if (hasReferences)
      for (const { provider, output } of references(props)) {
        needed.add(provider)
        if (output === 'digest') listed.add(provider)
      }
    for (const { resource } of options.when ?? []) listed.add(`${resource.type} ${resource.key}`)
  }
  for (const name of listed) needed.add(name)
  return Object.freeze({ ...heading, resources, needed, listed, warnings, notes, bind })
}
