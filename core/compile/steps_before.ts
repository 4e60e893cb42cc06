/** Places resources before one that another recipe declares, such as a step before a restart. */
import { ConvergeError, type SourceLocation } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import type { AnyDefinition, Handle, PlannedResource } from '../model/resource.ts'
import type { Declared } from './overrides.ts'

export interface Step {
  readonly definition: AnyDefinition
  readonly key: string
  readonly declare: (when: readonly Handle[] | undefined) => void
  readonly role: string
  readonly event: string
  readonly source: () => SourceLocation | undefined
}

/**
 * Returns handles of the resources that a resource waits for or uses, or undefined if there are none.
 * @param needed names of the resources that it uses
 */
export function causesOf(
  resource: PlannedResource,
  needed: readonly string[],
  byName: ReadonlyMap<string, PlannedResource>,
): readonly Handle[] | undefined {
  const { when } = resource.options
  if (when !== undefined) return when
  const providers = [...new Set(needed)].flatMap((name) => byName.get(name) ?? [])
  if (providers.length === 0) return undefined
  return providers.map(({ type, key }) => ({ resource: { type, key } }) as Handle)
}

export function nothingToPrecede(
  { definition, key }: Pick<Step, 'definition' | 'key'>,
  declared: Iterable<Pick<Declared, 'resource'>>,
): ConvergeError {
  const keys = [...declared].flatMap(({ resource }) => (resource.type === definition.type ? [resource.key] : []))
  return new ConvergeError(`before: no recipe of this run declares ${definition.type} ${key}`, {
    code: 'NOTHING_TO_PRECEDE',
    hint:
      nearest(key, keys) ??
      'converge plan prints the resources with their keys; if a role declares it only for some hosts or events, call before there',
    usage: true,
  })
}

export function stepInOverrides(): ConvergeError {
  return new ConvergeError('before: overrides of a role can only override', {
    code: 'INVALID_CALL',
    hint: 'call r.before in the event that declares the resource, after r.include',
    usage: true,
  })
}

export function invalidStep(): ConvergeError {
  return new ConvergeError('before: expected a resource type, the key of a resource and a function', {
    code: 'INVALID_CALL',
    hint: "write r.before(service_restart, 'web', (when) => { execute(r, { command: [...], when }) })",
    usage: true,
  })
}
