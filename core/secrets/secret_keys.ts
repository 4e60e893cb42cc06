/** Finds a value by its key path in the decrypted content of a secrets file. */
import { ConvergeError } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'

/** A key path: `database.password`, or a list where a key contains a dot. */
export type SecretKey = string | readonly string[]

/** A number or boolean without quotes: a secret is used as it is written, so `1e3` and `0123` stay the same. */
export class PlainScalar {
  constructor(
    readonly source: string,
    readonly value: number | bigint | boolean,
  ) {}
}

export type SecretValue = string | PlainScalar | null | readonly SecretValue[] | SecretMap
export interface SecretMap extends ReadonlyMap<string, SecretValue> {}

export function keyParts(key: SecretKey): readonly string[] {
  return typeof key === 'string' ? key.split('.') : key
}

/**
 * Returns the text at a key path; numbers and booleans as they are written.
 * @param file name, for messages
 * @throws ConvergeError UNKNOWN_SECRET, NOT_A_SECRET_TEXT
 */
export function secretAt(content: SecretValue, key: SecretKey, file: string): string {
  const parts = keyParts(key)
  let value = content
  for (const [index, part] of parts.entries()) {
    const next = childOf(value, part)
    if (next === undefined) throw unknownKey(value, parts.slice(0, index + 1), file)
    value = next
  }
  if (typeof value === 'string') return value
  if (value instanceof PlainScalar) return value.source
  const kind = value === null ? 'null' : Array.isArray(value) ? 'a list' : 'an object'
  throw new ConvergeError(`${file}: ${parts.join('.')} is ${kind}: expected a text, a number or a boolean`, {
    code: 'NOT_A_SECRET_TEXT',
    hint: keysHint(value) ?? 'name the key of a text',
    usage: true,
  })
}

function childOf(value: SecretValue, part: string): SecretValue | undefined {
  if (value instanceof Map) return value.get(part)
  return Array.isArray(value) && /^\d+$/.test(part) ? value[Number(part)] : undefined
}

function unknownKey(parent: SecretValue, parts: readonly string[], file: string): ConvergeError {
  const names = parent instanceof Map ? [...parent.keys()] : []
  return new ConvergeError(`${file} has no key ${parts.join('.')}`, {
    code: 'UNKNOWN_SECRET',
    hint: nearest(parts.at(-1) ?? '', names) ?? keysHint(parent) ?? 'check the key, or add it to the file',
    usage: true,
  })
}

function keysHint(value: SecretValue): string | undefined {
  if (!(value instanceof Map) || value.size === 0) return undefined
  return `its keys are: ${[...value.keys()].slice(0, 10).join(', ')}${value.size > 10 ? ', …' : ''}`
}
