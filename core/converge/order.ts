/** Computes the order in which a run takes the resources of its plan. */
import type { HostReader } from '../host/types.ts'
import type { PlannedResource } from '../model/resource.ts'

export interface Order {
  readonly resources: readonly PlannedResource[]
  /** Resources with damaged files that cannot come first: before all else, the run only makes their files readable. */
  readonly unreadable: readonly PlannedResource[]
}

/**
 * Keeps the order of the source, except for damaged files that keep a program from reading any of its configuration: they
 * come first, since resources of another app would fail on them.
 */
export function orderResources(host: HostReader, resources: readonly PlannedResource[]): Order {
  const broken = resources.filter(({ definition, props }) => definition.implementation.isBroken?.(host, props) === true)
  if (broken.length === 0) return { resources, unreadable: [] }
  const first = broken.filter(canComeFirst)
  const rest = resources.filter((resource) => !first.includes(resource))
  return { resources: [...first, ...rest], unreadable: broken.filter((resource) => !canComeFirst(resource)) }
}

/** Decides whether a resource only writes files, and whether their content is known before the run. */
function canComeFirst({ definition, hasReferences, options }: PlannedResource): boolean {
  return definition.implementation.files !== undefined && !hasReferences && options.when === undefined
}
