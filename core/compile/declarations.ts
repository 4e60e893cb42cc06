/** Collects the declarations of recipes, and compares them. */
import { ConvergeError } from '../model/errors.ts'
import { isPlainObject, references } from '../model/reference.ts'
import type { CommonOptions, Handle, PlannedResource } from '../model/resource.ts'
import { Faults } from './faults.ts'
import type { Declared, Override } from './overrides.ts'
import type { Step } from './steps_before.ts'

export interface Declarations {
  readonly resources: readonly PlannedResource[]
  readonly warnings: readonly string[]
  readonly notes: readonly string[]
  readonly problems: readonly ConvergeError[]
}

/** The declarations of the recipes so far, with the mistakes in them. */
export class CollectedDeclarations {
  readonly byName = new Map<string, PlannedResource>()
  readonly declared: PlannedResource[] = []
  readonly faults = new Faults()
  readonly warned: string[] = []
  readonly noted: string[] = []
  readonly leftOut = new Map<string, ConvergeError[]>()
  readonly participations = new Set<string>()
  readonly overrides: Override[] = []
  /** Steps that recipes place before resources of other recipes. */
  readonly steps: Step[] = []
  /** The objects that recipes passed, by the name of the resource. */
  readonly originals = new Map<string, Declared>()
  /** False if declarations are missing because they depend on a query and no host was read. */
  isComplete = true
}

/** Combines the reasons why a resource cannot be declared into one error. It is no InvalidInput: the input is valid. */
export function combinedReason(reasons: readonly ConvergeError[]): ConvergeError {
  const { code, hint } = reasons[0] as ConvergeError
  const message = [...new Set(reasons.map((reason) => reason.message))].join('; ')
  return new ConvergeError(message, { code, hint })
}

/** Returns the names of the resources that must come before a resource. */
export function prerequisitesOf({ props, hasReferences, options }: PlannedResource): readonly string[] {
  // Most resources have none: skip the search for references.
  if (!hasReferences && options.when === undefined && options.after === undefined) return []
  const handles = [...(options.when ?? []), ...afterOf(options)]
  const providers = references(props).map(({ provider }) => provider)
  return [...handles.map(({ resource }) => `${resource.type} ${resource.key}`), ...providers]
}

function afterOf(options: CommonOptions): readonly Handle[] {
  if (options.after === undefined) return []
  return Array.isArray(options.after) ? options.after : [options.after as Handle]
}

export function comparable(value: unknown): Record<string, unknown> {
  return isPlainObject(value) ? (JSON.parse(JSON.stringify(value)) as Record<string, unknown>) : {}
}

export function withNames(options: CommonOptions): Record<string, unknown> {
  const names = (handles: readonly Handle[] | undefined) =>
    handles?.map(({ resource }) => `${resource.type} ${resource.key}`)
  return { ...options, when: names(options.when), after: undefined }
}
