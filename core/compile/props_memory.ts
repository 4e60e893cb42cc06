/** Checks the properties of resources, and reuses results where many hosts declare a resource alike. */
import { isPlainObject, isReference } from '../model/reference.ts'
import type { AnyDefinition } from '../model/resource.ts'
import { Duration } from '../model/units.ts'
import { type CheckedProps, checkProps, type Mask, unmasked } from './props.ts'

interface Checked {
  /** A copy: a recipe may change its objects afterwards. */
  readonly given: unknown
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

  check(definition: AnyDefinition, given: object, mask: Mask = unmasked): CheckedProps {
    const sequence = this.sequences.get(definition) ?? { checked: [], next: 0 }
    this.sequences.set(definition, sequence)
    const at = sequence.next++
    const known = sequence.checked[at]
    if (known !== undefined && isAlike(given, known.given)) {
      if (known.defaults === null) return known.result
      return { hasReferences: true, props: Object.freeze({ ...given, ...known.defaults }) }
    }
    const result = checkProps(definition, given, mask)
    const reusable = reusableResult(given, result)
    if (reusable !== null) sequence.checked[at] = reusable
    return result
  }
}

function reusableResult(given: object, result: CheckedProps): Checked | null {
  if ('problems' in result) return null
  if (!result.hasReferences) return { given: copyOf(given), defaults: null, result }
  const { props } = result
  // Otherwise the schema made other values of them.
  if (!isPlainObject(props) || Object.entries(given).some(([key, value]) => props[key] !== value)) return null
  const defaults = Object.fromEntries(Object.entries(props).filter(([key]) => !(key in given)))
  return { given: copyOf(given), defaults, result }
}

function copyOf(value: unknown): unknown {
  if (isReference(value)) return value
  if (Array.isArray(value)) return value.map(copyOf)
  if (!isPlainObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, copyOf(one)]))
}

/** Whether a schema finds the same in both: of references it only knows that they are references. */
function isAlike(one: unknown, other: unknown): boolean {
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null)
    return Object.is(one, other)
  if (isReference(one) || isReference(other)) return isReference(one) && isReference(other)
  if (one instanceof Duration) return other instanceof Duration && one.ms === other.ms
  if (Array.isArray(one))
    return Array.isArray(other) && one.length === other.length && one.every((item, at) => isAlike(item, other[at]))
  // Of other objects nobody knows what a schema sees in them.
  if (!isPlainObject(one) || !isPlainObject(other)) return false
  const keys = Object.keys(one)
  return keys.length === Object.keys(other).length && keys.every((key) => key in other && isAlike(one[key], other[key]))
}
