/** The order in which a run takes the resources of its plan. */
import type { HostReader } from '../host/types.ts'
import type { PlannedResource } from '../model/resource.ts'

/**
 * Source order, but for damaged files that keep a program from reading any of its configuration: they come first, since
 * resources of another app would fail on them. Only what refers to nothing can be moved.
 */
export function inOrder(host: HostReader, resources: readonly PlannedResource[]): readonly PlannedResource[] {
  const first = resources.filter(
    ({ definition, props, hasReferences, options }) =>
      !hasReferences && options.when === undefined && definition.implementation.isBroken?.(host, props) === true,
  )
  if (first.length === 0) return resources
  return [...first, ...resources.filter((resource) => !first.includes(resource))]
}
