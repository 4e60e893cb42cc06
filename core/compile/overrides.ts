/** Applies overrides: changes that a recipe makes to resources that another recipe declares. */
import { ConvergeError, describeLocation, type SourceLocation } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import type { AnyDefinition, PlannedResource } from '../model/resource.ts'

/** A resource with the object that its recipe passed. */
export interface Declared {
  readonly resource: PlannedResource
  readonly originalProps: Readonly<Record<string, unknown>>
}

export interface Override {
  readonly definition: AnyDefinition
  readonly key: string
  readonly change: Readonly<Record<string, unknown>>
  readonly role: string
  readonly event: string
  /** Whether a missing resource is no mistake, since another event of the role may declare it. */
  readonly isOptional: boolean
  readonly source: () => SourceLocation | undefined
}

/**
 * Returns a resource with other properties, or the problems of these properties.
 * @param source of the override, for its problems
 */
export type Redeclare = (
  resource: PlannedResource,
  props: Readonly<Record<string, unknown>>,
  source: Override['source'],
) => PlannedResource | readonly ConvergeError[]

interface Overridden {
  /** By name. */
  readonly replaced: ReadonlyMap<string, PlannedResource>
  readonly problems: readonly ConvergeError[]
}

/**
 * Applies overrides to the declared resources.
 * @param isComplete whether all resources are declared; false if some depend on a host that is not read
 */
export function applyOverrides(
  overrides: readonly Override[],
  declared: ReadonlyMap<string, Declared>,
  { redeclare, isComplete }: { readonly redeclare: Redeclare; readonly isComplete: boolean },
): Overridden {
  const replaced = new Map<string, PlannedResource>()
  const problems: ConvergeError[] = []
  const first = new Map<string, Override>()
  for (const override of overrides) {
    const name = `${override.definition.type} ${override.key}`
    const at = (problem: ConvergeError) => problems.push(problem.at({ resource: name, source: override.source() }))
    const before = first.get(name)
    first.set(name, before ?? override)
    const target = declared.get(name)
    if (before !== undefined) at(overriddenTwice(name, before))
    else if (target === undefined) {
      if (isComplete && !override.isOptional) at(nothingToOverride(override, declared.values()))
    } else {
      const result = redeclare(target.resource, { ...target.originalProps, ...override.change }, override.source)
      if (!('name' in result)) problems.push(...result)
      else if (result.name === name) replaced.set(name, { ...result, isOverridden: true })
      else at(otherResource(name, result.name))
    }
  }
  return { replaced, problems }
}

function overriddenTwice(name: string, before: Override): ConvergeError {
  const location = before.source()
  const where = location === undefined ? `the role ${before.role}` : describeLocation(location)
  return new ConvergeError(`${name} is overridden twice: first in ${where}`, {
    code: 'OVERRIDDEN_TWICE',
    hint: 'make all changes in one override',
    usage: true,
  })
}

export function nothingToOverride(
  { definition, key }: Pick<Override, 'definition' | 'key'>,
  declared: Iterable<Pick<Declared, 'resource'>>,
): ConvergeError {
  const keys = [...declared].flatMap(({ resource }) => (resource.type === definition.type ? [resource.key] : []))
  return new ConvergeError(`override: no recipe of this run declares ${definition.type} ${key}`, {
    code: 'NOTHING_TO_OVERRIDE',
    hint:
      nearest(key, keys) ??
      `converge plan prints the resources with their keys; if a role declares it only for some hosts or events, override it there`,
    usage: true,
  })
}

/** Warns of a resource that another event of the same role declares without the override: each event would change it back. */
export function overriddenInOneEvent(
  { definition, key, role, event, source }: Override,
  others: readonly string[],
): string {
  const place = source()
  const where = place === undefined ? '' : `${describeLocation(place)}: `
  const name = `${definition.type} ${key}`
  return `${where}${role} overrides ${name} in ${event}, but not in ${others.join(', ')}: write overrides(r, node) { r.override(...) } in the role, for all of its events`
}

function otherResource(name: string, changed: string): ConvergeError {
  return new ConvergeError(`override: the change would make ${changed} of ${name}`, {
    code: 'INVALID_OVERRIDE',
    hint: 'change other properties only; this one identifies the resource',
    usage: true,
  })
}

export function invalidOverrideCall(): ConvergeError {
  return new ConvergeError('override: expected a resource type, the key of a resource and an object of properties', {
    code: 'INVALID_CALL',
    hint: "write r.override(template, '/etc/app.conf', { source: ... })",
    usage: true,
  })
}
