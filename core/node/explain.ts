/** Explains where a value comes from: lists every layer that sets a key path, highest first. */
import { ConvergeError, describeLocation, type SourceLocation } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import { Secrets } from '../model/secrets.ts'
import type { LayerKind } from './layer.ts'
import { isObject } from './merge.ts'
import type { Node } from './node.ts'
import { isSensitive } from './notes.ts'
import { childOf, formatPath, type KeyPath, parsePath, valueAt } from './path.ts'
import { locateInLayer, sets } from './setting_layer.ts'
import { knownDefaults } from './valid_part.ts'

export interface Origin {
  /** `schema` for a default. */
  readonly kind: LayerKind | 'schema'
  /** `file:line:column`, or the name of another source. */
  readonly from: string
  readonly source?: SourceLocation | undefined
  /** The value in that layer; undefined if a patch removes the key. */
  readonly value: unknown
}

export interface Explanation {
  readonly path: string
  /** As recipes see it; masked where it is sensitive. */
  readonly value: unknown
  readonly sensitive: boolean
  /** Highest first: the first one decides. */
  readonly origins: readonly Origin[]
}

const mask = '********'

/**
 * Explains a key path. For an object it explains each value below it, and a list counts as one value.
 *
 * @throws ConvergeError `UNKNOWN_ATTRIBUTE` if the path has no attribute, with the nearest name
 */
export function explain(original: Node<unknown>, path: string | KeyPath): readonly Explanation[] {
  const node = withoutMissing(original)
  const keys = typeof path === 'string' ? resolve(node, parsePath(path)) : path
  const secrets = secretsOf(node)
  return leaves(valueAt(node.attributes, keys), keys).map((leaf) => explainLeaf(node, leaf, secrets))
}

/** Explains the attributes that a layer above the facts sets; the others have their defaults. */
export function explainSet(original: Node<unknown>): readonly Explanation[] {
  const node = withoutMissing(original)
  const secrets = secretsOf(node)
  return leaves(node.attributes, [])
    .filter((path) =>
      node.layers.some(({ kind }, index) => kind !== 'facts' && sets(node.layers, node.states, index, path)),
    )
    .map((path) => explainLeaf(node, path, secrets))
}

/** Checks that the path has a value, and converts the indexes of lists to numbers. */
function resolve(node: Node<unknown>, keys: readonly string[]): KeyPath {
  let at: unknown = node.attributes
  return keys.map((key, index) => {
    const next = childOf(at, key)
    if (next === undefined) {
      const names = isObject(at) ? Object.keys(at) : []
      const inside = index === 0 ? '' : ` in ${formatPath(keys.slice(0, index))}`
      throw new ConvergeError(`unknown attribute ${key}${inside}`, {
        code: 'UNKNOWN_ATTRIBUTE',
        hint: nearest(key, names) ?? (names.length > 0 ? `there are: ${names.join(', ')}` : undefined),
        usage: true,
      })
    }
    const part = Array.isArray(at) ? Number(key) : key
    at = next
    return part
  })
}

function leaves(value: unknown, path: KeyPath): KeyPath[] {
  if (!isObject(value) || Object.keys(value).length === 0) return [path]
  return Object.entries(value).flatMap(([key, child]) => (child === undefined ? [] : leaves(child, [...path, key])))
}

function explainLeaf(node: Node<unknown>, path: KeyPath, secrets: Secrets): Explanation {
  const show = (value: unknown): unknown => hide(value, path, node, secrets)
  const origins: Origin[] = []
  node.layers.forEach((layer, index) => {
    if (!sets(node.layers, node.states, index, path)) return
    const source = locateInLayer(layer, node.states[index], path)
    const setting = layer.value === null ? valueAt(node.states[index], path) : valueAt(layer.value, path)
    origins.unshift({ kind: layer.kind, from: describeLocation(source), source, value: show(setting) })
  })
  const value = valueAt(node.attributes, path)
  const defaultValue = defaultAt(node, path)
  if (defaultValue !== undefined || origins.length === 0)
    origins.push({ kind: 'schema', from: 'default', value: show(defaultValue === undefined ? value : defaultValue) })
  return { path: formatPath(path), value: show(value), sensitive: isSensitive(node.schemas, path, node.names), origins }
}

/** Returns all attributes for display: sensitive values are masked, however short, and secrets within other texts as well. */
export function shownAttributes(original: Node<unknown>): unknown {
  const node = withoutMissing(original)
  return hide(node.attributes, [], node, secretsOf(node))
}

/** Returns the node with attributes of which a required one that no layer sets has its known defaults, and does not throw. */
function withoutMissing(node: Node<unknown>): Node<unknown> {
  const attributes: Record<string, unknown> = {}
  for (const key of Object.keys(node.attributes as object)) {
    const schema = node.schemas[key]
    const isSet = Object.hasOwn(node.states.at(-1) ?? {}, key)
    Object.defineProperty(attributes, key, {
      enumerable: true,
      get: () =>
        isSet || schema === undefined
          ? (node.attributes as object as Record<string, unknown>)[key]
          : knownDefaults(schema),
    })
  }
  return { ...node, attributes: attributes as unknown as Node<unknown>['attributes'] }
}

function secretsOf(node: Node<unknown>): Secrets {
  const secrets = new Secrets()
  secrets.useNames(node.names)
  for (const secret of node.secrets) secrets.add(secret)
  return secrets
}

function hide(value: unknown, path: KeyPath, node: Node<unknown>, secrets: Secrets): unknown {
  if (value === null || value === undefined) return value
  if (path.length > 0 && isSensitive(node.schemas, path, node.names)) return mask
  if (typeof value === 'string') return secrets.mask(value)
  if (Array.isArray(value)) return value.map((item, index) => hide(item, [...path, index], node, secrets))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => [key, hide(child, [...path, key], node, secrets)]),
  )
}

/** The value that the attribute has if no layer sets it. */
function defaultAt(node: Node<unknown>, path: KeyPath): unknown {
  const [top = ''] = path
  const schema = childOf(node.schemas, top) as Node['schemas'][string] | undefined
  const without = withoutPath(valueAt(node.states.at(-1), [top]), path.slice(1))
  const parsed = schema?.safeParse(without)
  return parsed?.success ? valueAt(parsed.data, path.slice(1)) : undefined
}

function withoutPath(value: unknown, [key, ...rest]: KeyPath): unknown {
  if (key === undefined) return undefined
  if (!isObject(value)) return value
  const { [key]: child, ...others } = value
  if (rest.length === 0) return others
  return child === undefined ? value : { ...others, [key]: withoutPath(child, rest) }
}
