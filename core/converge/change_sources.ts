/** Finds the attributes on which a change depends: with another value of such an attribute, the change would differ. */
import { sameJson } from '../model/json.ts'
import type { Context, PlannedResource } from '../model/resource.ts'
import { mask } from '../model/secrets.ts'
import type { AttributeSource, StateChange } from '../report/events.ts'
import { isDisplayable } from './state_patch.ts'

/** The resources of the plan that the recipes declare with another value of one attribute. */
export interface PlanVariant {
  readonly attribute: Omit<AttributeSource, 'property'>
  readonly resources: ReadonlyMap<string, PlannedResource>
}

/** A change of the actual plan. */
export interface ExplainedChange {
  readonly resource: PlannedResource
  readonly props: unknown
  readonly now: unknown
  readonly desired: unknown
  readonly operations: readonly StateChange[]
  readonly isNew: boolean
  readonly context: Context
}

/**
 * Returns the attributes on which the properties of a change depend.
 * @param resolve returns the properties of a resource of a variant, with its references replaced; null if they are unknown
 */
export function changeSources(
  change: ExplainedChange,
  variants: readonly PlanVariant[],
  resolve: (resource: PlannedResource) => unknown,
): AttributeSource[] {
  const sources = variants.flatMap(({ attribute, resources }): AttributeSource[] => {
    const other = resources.get(change.resource.name)
    if (other === undefined) return change.isNew ? [{ property: null, ...attribute }] : []
    const props = resolve(other)
    if (props === null || sameJson(props, change.props)) return []
    return dependentProperties(change, props).map((property) => ({ property, ...attribute }))
  })
  return change.resource.options.sensitive ? sources.map(withoutContent) : sources
}

/** Masks the value of an attribute from which the content of a sensitive resource may be made. */
function withoutContent(source: AttributeSource): AttributeSource {
  return source.value === undefined || isDisplayable(`/${source.property}`) ? source : { ...source, value: mask }
}

/** Returns the changed properties that differ in the variant; null stands for the resource as a whole. */
function dependentProperties(change: ExplainedChange, props: unknown): (string | null)[] {
  const { resource, now, desired, operations, context } = change
  const other = desiredOf(resource, props, now, context)
  // The state that was read depends on the properties too, such as the commit of a revision.
  if (other === null || sameJson(other, desired)) return [null]
  const paths = operations.map(({ path }) => path).filter((path) => differsAt(path, now, desired, other))
  const names = paths.map((path) => path.slice(1).split('/')[0] ?? '')
  return [...new Set(names)].filter((name) => name !== 'kind' && name !== 'cause')
}

/** Returns null if the resource refuses the properties of the variant. */
function desiredOf({ definition }: PlannedResource, props: unknown, now: unknown, context: Context): unknown {
  const silent: Context = { ...context, warn: () => undefined, note: () => undefined, secret: () => undefined }
  try {
    return definition.implementation.desired(props, now, silent)
  } catch {
    return null
  }
}

function differsAt(pointer: string, now: unknown, desired: unknown, other: unknown): boolean {
  const keys = pointer
    .slice(1)
    .split('/')
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
  const [before, after, varied] = [now, desired, other].map((state) => keys.reduce<unknown>(childAt, state))
  if (typeof after === 'string' && typeof varied === 'string' && after.includes('\n'))
    return differsInChange(typeof before === 'string' ? before : '', after, varied)
  return !sameJson(after, varied)
}

function childAt(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined
}

/** Compares only the lines that change: a template depends on more attributes than the change does. */
function differsInChange(before: string, after: string, varied: string): boolean {
  const [oldLines, newLines, variedLines] = [before, after, varied].map((text) => new Set(text.split('\n'))) as [
    Set<string>,
    Set<string>,
    Set<string>,
  ]
  const isLost = [...newLines].some((line) => !oldLines.has(line) && !variedLines.has(line))
  return isLost || [...oldLines].some((line) => !newLines.has(line) && variedLines.has(line))
}
