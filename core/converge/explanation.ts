/** Explains a change of a dry run: the attributes that it depends on, and where its resource is declared. */
import { checkProps } from '../compile/props.ts'
import { resolveReferences, Unknown } from '../model/reference.ts'
import type { Context, PlannedResource } from '../model/resource.ts'
import { kindOfChange } from '../report/change_rows.ts'
import type { StateChange } from '../report/events.ts'
import type { Change } from './apply_change.ts'
import { changeSources } from './change_sources.ts'
import type { Ending } from './reporter.ts'
import type { Run } from './run.ts'

interface ExplanationInput {
  readonly props: unknown
  readonly change: Change
  readonly operations: readonly StateChange[]
  readonly context: Context
}

/** Returns nothing unless the run has plans with other values of attributes. */
export function explainChange(
  run: Run,
  resource: PlannedResource,
  { props, change: { now, desired }, operations, context }: ExplanationInput,
): Pick<Ending, 'sources' | 'declaredAt'> {
  const { variants } = run.options
  if (variants === undefined) return {}
  const isNew = kindOfChange(operations) === 'create'
  const change = { resource, props, now, desired, operations, isNew, context }
  const sources = changeSources(change, variants, (other) => resolvedVariant(run, other))
  return { sources: run.secrets.maskDeep(sources), declaredAt: resource.source() }
}

/** Returns the properties with which a variant declares the resource; null if a reference in them is not known. */
function resolvedVariant({ outputs }: Run, other: PlannedResource): unknown {
  if (!other.hasReferences) return other.props
  try {
    const props = resolveReferences(other.props, (reference) => outputs.lookUp(reference))
    const parsed = props instanceof Unknown ? { problems: [] } : checkProps(other.definition, props as object)
    return 'props' in parsed ? parsed.props : null
  } catch {
    return null
  }
}
