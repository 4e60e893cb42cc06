/** Compares the values of the layers with the schemas: finds unknown keys, and values that must not be displayed. */
import { distance } from 'fastest-levenshtein'
import type { z } from 'zod'
import { isComparable } from '../model/nearest.ts'
import {
  hasPluralSecretName,
  hasSecretName,
  isIdentityName,
  isNumberOfTokens,
  noNames,
  type OwnNames,
} from '../model/secret_names.ts'
import { secretsInside } from '../model/secret_text.ts'
import { bare, childSchema, knownKeys, type Schemas } from './notes.ts'
import { formatPath, type KeyPath } from './path.ts'
import { Derived, isShared } from './shared_values.ts'

export interface UnknownKey {
  readonly path: KeyPath
  /** The known name it may have been meant for. */
  readonly suggestion: string | undefined
}

export interface Inspection {
  /** The first unknown keys. */
  readonly unknown: readonly UnknownKey[]
  /** Number of further unknown keys. */
  readonly unlisted: number
  readonly secrets: readonly string[]
}

/** Unknown keys that are listed one by one. */
const maxListed = 50
/** Unknown keys of each object's schema for which the nearest name is looked for: each is compared with all its names. */
const maxCompared = 1000

type Schema = z.core.$ZodType

/** The nearest name of each unknown key, by the known names: a stack of a thousand hosts has the same few keys in each. */
type NearNames = Map<ReadonlySet<string>, Map<string, string | undefined>>

/**
 * @param foreign top-level keys without a schema that are no reason for a warning
 */
export function inspect(
  value: Readonly<Record<string, unknown>>,
  schemas: Schemas,
  foreign: ReadonlySet<string>,
  ownNames: OwnNames = noNames,
): Inspection {
  const walk = new Walk(ownNames, new Map())
  const names = new Set(Object.keys(schemas))
  for (const [key, child] of Object.entries(value)) {
    const schema = Object.hasOwn(schemas, key) ? schemas[key] : undefined
    walk.enter(key, child, schema, isDeclared(schema) ? 'declared' : isNamedSecret(key, child, ownNames) && 'named')
    if (schema === undefined && !foreign.has(key)) walk.add([key], walk.nearOf(key, names))
  }
  return walk.result()
}

const ofShared = new Derived<string, Map<Schema | undefined, Inspection>>()

/** Why everything below a key is secret: its schema or its name marks it, or it is below a name of several secrets. */
type Secrecy = 'declared' | 'named' | false

/** One walk through a value; what it finds in a shared part is stored with that part. */
class Walk {
  private readonly unknown: UnknownKey[] = []
  private more = 0
  private readonly secrets = new Set<string>()
  private readonly path: (string | number)[] = []
  /** Key of the stored findings: walks with other names of secrets find other secrets. */
  private readonly names: string

  constructor(
    private readonly ownNames: OwnNames,
    private readonly near: NearNames,
  ) {
    this.names = JSON.stringify([ownNames.secret, ownNames.open])
  }

  result(): Inspection {
    return { unknown: this.unknown, unlisted: this.more, secrets: [...this.secrets] }
  }

  enter(key: string | number, value: unknown, schema: Schema | undefined, secret: Secrecy): void {
    this.path.push(key)
    if (isShared(value)) this.include(this.inspectShared(value as object, schema, secret))
    else this.visit(value, schema, secret)
    this.path.pop()
  }

  /** @param key of an object at the current path */
  add(key: KeyPath, near: string | undefined): void {
    if (this.unknown.length < maxListed) this.unknown.push({ path: [...this.path, ...key], suggestion: near })
    else this.more++
  }

  nearOf(key: string, names: ReadonlySet<string>): string | undefined {
    const known = this.near.get(names) ?? new Map<string, string | undefined>()
    this.near.set(names, known)
    if (!known.has(key) && known.size < maxCompared) known.set(key, nearName(key, [...names]))
    return known.get(key)
  }

  private inspectShared(value: object, schema: Schema | undefined, secret: Secrecy): Inspection {
    const bySchema = ofShared.of(value, `${secret} ${this.names}`, () => new Map<Schema | undefined, Inspection>())
    const known = bySchema.get(schema)
    if (known !== undefined) return known
    const walk = new Walk(this.ownNames, this.near)
    walk.visit(value, schema, secret)
    const found = walk.result()
    bySchema.set(schema, found)
    return found
  }

  private include({ unknown, unlisted: more, secrets }: Inspection): void {
    for (const { path, suggestion: near } of unknown) this.add(path, near)
    this.more += more
    for (const secret of secrets) this.secrets.add(secret)
  }

  private visit(value: unknown, schema: Schema | undefined, secret: Secrecy): void {
    if (typeof value !== 'object' || value === null) return this.collectSecrets(value, secret)
    if (Array.isArray(value)) return value.forEach((item, index) => void this.step(index, item, schema, secret))
    const names = schema === undefined ? undefined : knownKeys(schema)
    const pair = secretOfPair(value as Readonly<Record<string, unknown>>, this.ownNames)
    if (pair !== undefined) this.collectSecrets(pair, 'named')
    for (const [key, child] of Object.entries(value)) {
      if (names !== undefined && !names.has(key)) this.warnOfUnknownKey(key, names, bare(schema!).notes.open === true)
      this.step(key, child, schema, secret)
    }
  }

  private step(key: string | number, child: unknown, schema: Schema | undefined, secret: Secrecy): void {
    const inner = schema === undefined ? undefined : childSchema(schema, key)
    if (isDeclared(inner)) return this.enter(key, child, inner, 'declared')
    const inherited = secret === 'named' && isIdentityName(String(key)) ? false : secret
    this.enter(key, child, inner, inherited || (isNamedSecret(String(key), child, this.ownNames) && 'named'))
  }

  private warnOfUnknownKey(key: string, names: ReadonlySet<string>, open: boolean): void {
    const suggestion = this.nearOf(key, names)
    // Among keys of others a name counts as a slip only where hardly a letter differs: `id` is not meant for `ip`.
    const isTypo =
      suggestion !== undefined && key.length > 4 && distance(withSortedWords(key), withSortedWords(suggestion)) <= 2
    if (isTypo || !open) this.add([key], suggestion)
  }

  private collectSecrets(scalar: unknown, secret: Secrecy): void {
    if (secret && (typeof scalar === 'number' || (typeof scalar === 'string' && !/^(true|false)?$/i.test(scalar))))
      this.secrets.add(String(scalar))
    // A URL, a command or a header may hold a secret.
    if (typeof scalar === 'string') for (const one of secretsInside(scalar, this.ownNames)) this.secrets.add(one)
  }
}

function isDeclared(schema: Schema | undefined): boolean {
  return schema !== undefined && bare(schema).notes.sensitive === true
}

/** A list below a secret name holds secrets; an object does where the name stands for several, such as `credentials`. */
function isNamedSecret(key: string, child: unknown, ownNames: OwnNames): boolean {
  if (!hasSecretName(key, ownNames)) return false
  if (typeof child === 'number' && isNumberOfTokens(key, String(child))) return false
  return typeof child !== 'object' || Array.isArray(child) || hasPluralSecretName(key)
}

/** Returns the value of a pair whose name is secret, as in `{"Key": "DB_PASSWORD", "Value": "…"}`. */
function secretOfPair(pair: Readonly<Record<string, unknown>>, ownNames: OwnNames): unknown {
  const entry = (pattern: RegExp) => Object.entries(pair).find(([key]) => pattern.test(key))?.[1]
  const name = entry(/^(?:key|name|variable)$/i)
  return typeof name === 'string' && hasSecretName(name, ownNames) ? entry(/^value$/i) : undefined
}

/** Returns the nearest name by letters, in whatever order the words stand, or one that the key is a part of. */
function nearName(key: string, names: readonly string[]): string | undefined {
  if (!isComparable(key)) return undefined
  const near = nearestBy(names, (name) =>
    Math.min(distance(key, name), distance(withSortedWords(key), withSortedWords(name))),
  )
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
    const distance = distanceTo(name)
    if (best === undefined || distance < best.distance) best = { name, distance }
  }
  return best
}

/** Orders the words, so that `celery_enabled` and `enable_celery` differ by one letter only. */
function withSortedWords(name: string): string {
  return name
    .toLowerCase()
    .split(/[_\W]+/)
    .sort()
    .join('_')
}

export function unknownMessage({ path }: UnknownKey): string {
  return `${formatPath(path)} is not a known attribute: it is kept, but nothing here reads it`
}

export function moreUnknownMessage(more: number): string {
  return `${more.toLocaleString('en')} more unknown ${more === 1 ? 'key' : 'keys'}`
}
