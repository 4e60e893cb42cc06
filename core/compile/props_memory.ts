/** Checks the properties of resources, and reuses results where many hosts declare a resource alike. */
import { isPlainObject, isReference } from '../model/reference.ts'
import type { AnyDefinition } from '../model/resource.ts'
import { Duration } from '../model/units.ts'
import { type CheckedProps, checkProps, type Mask, unmasked } from './props.ts'

interface Checked {
  /** A copy: a recipe may change its objects afterwards. */
  readonly originalProps: unknown
  /** Of properties with references, only what was added: their references are those of one host. */
  readonly defaults: object | null
  readonly result: CheckedProps
}

interface Sequence {
  readonly checked: Checked[]
  next: number
}

/** The nth resource of a type on one host is compared with the nth on the host before. */
export class PropsMemory {
  private readonly sequences = new Map<AnyDefinition, Sequence>()

  /** Called before the recipes of a host run. */
  begin(): void {
    for (const sequence of this.sequences.values()) sequence.next = 0
  }

  check(definition: AnyDefinition, props: object, mask: Mask = unmasked): CheckedProps {
    const sequence = this.sequences.get(definition) ?? { checked: [], next: 0 }
    this.sequences.set(definition, sequence)
    const at = sequence.next++
    const known = sequence.checked[at]
    if (known !== undefined && isAlike(props, known.originalProps)) {
      if (known.defaults === null) return known.result
      return { hasReferences: true, props: Object.freeze({ ...props, ...known.defaults }) }
    }
    const result = checkProps(definition, props, mask)
    const reusable = reusableResult(props, result)
    if (reusable !== null) sequence.checked[at] = reusable
    return result
  }
}

function reusableResult(originalProps: object, result: CheckedProps): Checked | null {
  if ('problems' in result) return null
  if (!result.hasReferences) return { originalProps: copyOf(originalProps), defaults: null, result }
  const { props } = result
  // Otherwise the schema made other values of them.
  if (!isPlainObject(props) || Object.entries(originalProps).some(([key, value]) => props[key] !== value)) return null
  const defaults = Object.fromEntries(Object.entries(props).filter(([key]) => !(key in originalProps)))
  return { originalProps: copyOf(originalProps), defaults, result }
}

function copyOf(value: unknown): unknown {
  if (isReference(value)) return value
  if (Array.isArray(value)) return value.map(copyOf)
  if (!isPlainObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, copyOf(one)]))
}

/** Whether a schema finds the same in both: of references it only knows that they are references. */
function isAlike(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return Object.is(a, b)
  if (isReference(a) || isReference(b)) return isReference(a) && isReference(b)
  if (a instanceof Duration) return b instanceof Duration && a.ms === b.ms
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, at) => isAlike(item, b[at]))
  // Of other objects nobody knows what a schema sees in them.
  if (!isPlainObject(a) || !isPlainObject(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && isAlike(a[key], b[key]))
}
