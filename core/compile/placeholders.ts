/** Compares and identifies declared resources whose properties depend on others: each reference gets a placeholder. */
import { sameJson } from '../model/json.ts'
import { resolveReferences } from '../model/reference.ts'
import type { PlannedResource } from '../model/resource.ts'
import { comparable, withNames } from './declarations.ts'

type ByName = ReadonlyMap<string, PlannedResource>

/**
 * Properties with a placeholder such as `releases/<release>` for each reference.
 * @param byName the resources declared so far
 */
export function withPlaceholders(props: unknown, byName: ByName): never {
  return resolveReferences(props, ({ provider, output, transform }) => {
    const resource = byName.get(provider)
    const outputs = resource?.definition.implementation.placeholders?.(resource.props) as
      | Record<string, unknown>
      | undefined
    const value = outputs?.[output] ?? `<${output} of ${provider}>`
    return transform ? transform(value as never) : value
  }) as never
}

/** The names of the properties and options in which two declarations of a resource differ. */
export function differencesOf(a: PlannedResource, b: PlannedResource, byName: ByName): string[] {
  const [left, right] = [a, b].map((resource) => ({
    ...comparable(resource.hasReferences ? withPlaceholders(resource.props, byName) : resource.props),
    ...comparable(withNames(resource.options)),
  })) as [Record<string, unknown>, Record<string, unknown>]
  return [...new Set([...Object.keys(left), ...Object.keys(right)])].filter((key) => !sameJson(left[key], right[key]))
}
