/** Walks what the layers say beside its schemas: keys nobody knows, and values that must not be shown. */
import { distance } from 'fastest-levenshtein'
import type { z } from 'zod'
import { hasSecretName, noNames, type OwnNames } from '../model/secret_names.ts'
import { secretsInside } from '../model/secret_text.ts'
import { bare, childSchema, knownKeys, type Schemas } from './notes.ts'
import { formatPath, type KeyPath } from './path.ts'

export interface UnknownKey {
  readonly path: KeyPath
  /** The known name it may have been meant for. */
  readonly near: string | undefined
}

export interface Inspection {
  /** The first of them. */
  readonly unknown: readonly UnknownKey[]
  /** How many there are beside those. */
  readonly more: number
  readonly secrets: readonly string[]
}

/** Unknown keys that are listed one by one, and keys for which the nearest name is looked for, in each object's schema. */
const mostListed = 50
const mostCompared = 1000

/**
 * @param foreign top-level keys without a schema that are no reason for a warning
 */
export function inspect(
  value: Readonly<Record<string, unknown>>,
  schemas: Schemas,
  foreign: ReadonlySet<string>,
  own: OwnNames = noNames,
): Inspection {
  const unknown: UnknownKey[] = []
  const secrets = new Set<string>()
  const path: (string | number)[] = []
  // A stack of a thousand hosts has the same few keys a thousand times.
  const near = new Map<ReadonlySet<string>, Map<string, string | undefined>>()

  const nearOf = (key: string, names: ReadonlySet<string>): string | undefined => {
    const known = near.get(names) ?? new Map<string, string | undefined>()
    near.set(names, known)
    // Each takes a comparison with every name there is.
    if (!known.has(key) && known.size < mostCompared) known.set(key, nearName(key, [...names]))
    return known.get(key)
  }

  let more = 0
  const add = (key: string, meant: string | undefined): void => {
    if (unknown.length < mostListed) unknown.push({ path: [...path, key], near: meant })
    else more++
  }

  const visit = (at: unknown, schema: z.core.$ZodType | undefined, secret: boolean): void => {
    if (typeof at !== 'object' || at === null) return note(at, secret)
    if (Array.isArray(at)) return at.forEach((item, index) => void step(index, item, schema, secret))
    const names = schema === undefined ? undefined : knownKeys(schema)
    for (const [key, child] of Object.entries(at)) {
      if (names !== undefined && !names.has(key)) tell(key, names, bare(schema!).notes.open === true)
      step(key, child, schema, secret)
    }
  }

  const step = (key: string | number, child: unknown, schema: z.core.$ZodType | undefined, secret: boolean): void => {
    path.push(key)
    const inner = schema === undefined ? undefined : childSchema(schema, key)
    const declared = inner !== undefined && bare(inner).notes.sensitive === true
    visit(child, inner, secret || declared || (typeof child !== 'object' && hasSecretName(String(key), own)))
    path.pop()
  }

  const tell = (key: string, names: ReadonlySet<string>, open: boolean): void => {
    const meant = nearOf(key, names)
    // Among keys of others a name counts as a slip only where hardly a letter differs: `id` is not meant for `ip`.
    const slip = meant !== undefined && key.length > 4 && distance(inOrder(key), inOrder(meant)) <= 2
    if (slip || !open) add(key, meant)
  }

  const note = (scalar: unknown, secret: boolean): void => {
    if (secret && (typeof scalar === 'number' || (typeof scalar === 'string' && !/^(true|false)?$/i.test(scalar))))
      secrets.add(String(scalar))
    // A URL, a command or a header may hold a secret.
    if (typeof scalar === 'string') for (const one of secretsInside(scalar)) secrets.add(one)
  }

  const names = new Set(Object.keys(schemas))
  for (const [key, child] of Object.entries(value)) {
    path.push(key)
    const schema = Object.hasOwn(schemas, key) ? schemas[key] : undefined
    visit(child, schema, schema !== undefined && bare(schema).notes.sensitive === true)
    path.pop()
    if (schema === undefined && !foreign.has(key)) add(key, nearOf(key, names))
  }
  return { unknown, more, secrets: [...secrets] }
}

/** The nearest name by letters, in whatever order the words stand, or one that the key is a part of. */
function nearName(key: string, names: readonly string[]): string | undefined {
  const near = nearestBy(names, (name) => Math.min(distance(key, name), distance(inOrder(key), inOrder(name))))
  if (near !== undefined && near.distance <= Math.max(2, Math.floor(key.length / 3))) return near.name
  const part = names.find((name) => name.includes('_') && `_${name}_`.includes(`_${key}_`))
  return key.length < 4 ? undefined : part
}

function nearestBy(
  names: readonly string[],
  distanceTo: (name: string) => number,
): { name: string; distance: number } | undefined {
  let best: { name: string; distance: number } | undefined
  for (const name of names) {
    const here = distanceTo(name)
    if (best === undefined || here < best.distance) best = { name, distance: here }
  }
  return best
}

/** `celery_enabled` and `enable_celery` differ by a letter once their words are in order. */
function inOrder(name: string): string {
  return name
    .toLowerCase()
    .split(/[_\W]+/)
    .sort()
    .join('_')
}

export function unknownMessage({ path }: UnknownKey): string {
  return `${formatPath(path)} is no known attribute: it is kept, but nothing here reads it`
}

export function moreUnknownMessage(more: number): string {
  return `${more.toLocaleString('en')} more unknown ${more === 1 ? 'key' : 'keys'}`
}
