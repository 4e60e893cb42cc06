/** The order in which a run takes the resources of its plan. */
import type { HostReader } from '../host/types.ts'
import type { PlannedResource } from '../model/resource.ts'

export interface Order {
  readonly resources: readonly PlannedResource[]
  /** Those with damaged files that cannot come first: only their files are made readable, before anything else. */
  readonly unreadable: readonly PlannedResource[]
}

/**
 * Source order, but for damaged files that keep a program from reading any of its configuration: they come first, since
 * resources of another app would fail on them.
 */
export function inOrder(host: HostReader, resources: readonly PlannedResource[]): Order {
  const broken = resources.filter(({ definition, props }) => definition.implementation.isBroken?.(host, props) === true)
  if (broken.length === 0) return { resources, unreadable: [] }
  const first = broken.filter(canComeFirst)
  const rest = resources.filter((resource) => !first.includes(resource))
  return { resources: [...first, ...rest], unreadable: broken.filter((resource) => !canComeFirst(resource)) }
}

/** Whether a resource writes files and does nothing else, and what it writes is known before the run. */
function canComeFirst({ definition, hasReferences, options }: PlannedResource): boolean {
  return definition.implementation.files !== undefined && !hasReferences && options.when === undefined
}
