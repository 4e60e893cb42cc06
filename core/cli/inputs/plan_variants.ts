/** Compiles the plans that follow from other values of single attributes, for `plan --explain`. */
import type { Plan } from '../../compile/compile.ts'
import type { PlanVariant } from '../../converge/change_sources.ts'
import type { HostReader } from '../../host/types.ts'
import { describeLocation } from '../../model/errors.ts'
import type { PlannedResource } from '../../model/resource.ts'
import { explain } from '../../node/explain.ts'
import type { Node } from '../../node/node.ts'
import { formatPath, type KeyPath } from '../../node/path.ts'
import { locateIn } from '../../node/setting_layer.ts'
import { setAttributes, variantsOf } from '../../node/variants.ts'

/**
 * Returns a variant of the plan for each attribute whose value makes a difference to the plan.
 * @param compile compiles the same roles and events for another node
 */
export function planVariants(
  mergedNode: Node<unknown>,
  host: HostReader,
  compile: (node: Node<unknown>) => Plan,
): PlanVariant[] {
  const baseline = resourcesOf(mergedNode, host, compile)
  const repeated = resourcesOf(mergedNode, host, compile)
  if (baseline === null || repeated === null) return []
  // A property such as the number of the run differs in each compilation.
  const stable = [...baseline.keys()].filter((name) => textOf(baseline, name) === textOf(repeated, name))
  return setAttributes(mergedNode).flatMap((path) => {
    const resources = variantResources(mergedNode, path, (node) => {
      const found = resourcesOf(node, host, compile)
      return found !== null && stable.some((name) => textOf(found, name) !== textOf(baseline, name)) ? found : null
    })
    if (resources === null) return []
    return [{ attribute: describeAttribute(mergedNode, path), resources }]
  })
}

type Resources = ReadonlyMap<string, PlannedResource>

/** Returns the resources of the first variant of an attribute that makes a difference; null if none does. */
function variantResources(
  node: Node<unknown>,
  path: KeyPath,
  compileIfDifferent: (node: Node<unknown>) => Resources | null,
): Resources | null {
  for (const variant of variantsOf(node, path)) {
    const resources = compileIfDifferent(variant)
    if (resources !== null) return resources
  }
  return null
}

/** Returns null if the recipes refuse the node, such as one without a required attribute. */
function resourcesOf(node: Node<unknown>, host: HostReader, compile: (node: Node<unknown>) => Plan): Resources | null {
  try {
    return new Map(
      compile(node)
        .bind(host)
        .resources.map((resource) => [resource.name, resource]),
    )
  } catch {
    return null
  }
}

function textOf(resources: Resources, name: string): string {
  const resource = resources.get(name)
  return resource === undefined ? '' : JSON.stringify([resource.props, resource.options.when?.length])
}

function describeAttribute(node: Node<unknown>, path: KeyPath): PlanVariant['attribute'] {
  const explanations = explain(node, path)
  const [only, ...others] = explanations
  const decides = only?.origins[0]
  if (only !== undefined && decides !== undefined && others.length === 0)
    return { attribute: only.path, value: only.value, from: decides.from, source: decides.source }
  const source = locateIn(node.layers, node.states, path)
  return {
    attribute: formatPath(path),
    from: source === undefined ? 'several places' : describeLocation(source),
    source,
  }
}
