/** The errors for declarations that do not fit together. */
import { ConvergeError } from '../model/errors.ts'
import type { AnyDefinition, PlannedResource } from '../model/resource.ts'
import { displayText, type Mask } from './props.ts'

/** @param differing names of the properties that differ */
export function declaredTwice(
  before: PlannedResource,
  { name, role, event, source }: PlannedResource,
  differing: readonly string[],
): ConvergeError {
  const location = before.source()
  const first = `${before.role} ${before.event}${location ? ` (${location.file}:${location.line})` : ''}`
  return new ConvergeError(
    `${name} is declared twice with different properties: first in ${first}, again in ${role} ${event}`,
    {
      code: 'DECLARED_TWICE',
      resource: name,
      source: source(),
      hint: `remove one of them, or declare both alike; they differ in: ${differing.join(', ')}`,
      usage: true,
    },
  )
}

export function unknownReference({ name, source }: PlannedResource, needed: string): ConvergeError {
  return new ConvergeError(`${name} needs ${needed}, which is not declared before it`, {
    code: 'UNKNOWN_REFERENCE',
    resource: name,
    source: source(),
    hint: 'declare it first: source order is run order',
    usage: true,
  })
}

export function keyProblem({ type }: AnyDefinition, key: unknown, mask: Mask): ConvergeError {
  return new ConvergeError(`${type}: its key must be a text, but is ${key === '' ? 'empty' : displayText(key, mask)}`, {
    code: 'INVALID_KEY',
    hint: `return a text that identifies one ${type} from the key function of its definition`,
    usage: true,
  })
}
