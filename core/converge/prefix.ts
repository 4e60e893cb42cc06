/** Refuses changes outside the prefix in runs of root: such a run may change only what is below its prefix. */
import { ConvergeError } from '../model/errors.ts'
import type { AnyDefinition, PlannedResource } from '../model/resource.ts'

/**
 * @param properties with their values in the place of references
 * @throws OUTSIDE_PREFIX for a resource whose change reaches something else than paths below the prefix
 */
export function refuseOutside(prefix: string, { definition }: PlannedResource, properties: unknown): void {
  const reached = reachOf(definition, properties)
  if (reached === 'system')
    throw new ConvergeError(`the change acts on the whole system, and not only below the prefix ${prefix}`, {
      code: 'OUTSIDE_PREFIX',
      hint:
        definition.type === 'execute'
          ? 'set contained: true if the command changes nothing outside the prefix; else try the role in a copy of the system with converge verify'
          : 'run converge verify to try the role in a copy of the system, or leave out --prefix to change this system',
    })
  const outside = reached.find((path) => !isBelow(prefix, path))
  if (outside === undefined) return
  throw new ConvergeError(`${outside} is outside the prefix ${prefix}`, {
    code: 'OUTSIDE_PREFIX',
    hint: 'pass the path through placed(node, path), or try the role in a copy of the system with converge verify',
  })
}

/** Returns the paths that a change reaches; `system` if it can reach anything. */
function reachOf({ implementation, reach }: AnyDefinition, props: unknown): 'system' | readonly string[] {
  const paths = (implementation.paths?.(props) ?? []).filter((path) => typeof path === 'string')
  if (typeof reach === 'function') {
    const further = reach(props)
    return further === 'system' ? further : [...paths, ...further]
  }
  if (reach !== undefined) return reach === 'system' ? reach : paths
  return implementation.paths === undefined || implementation.predict !== undefined ? 'system' : paths
}

function isBelow(prefix: string, path: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`)
}
