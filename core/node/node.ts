/** The node: all attributes of one host with their defaults, its facts, and where each value comes from. */
import type { ZodType, z } from 'zod'
import { type ConvergeError, type SourceLocation, throwProblems } from '../model/errors.ts'
import type { OwnNames } from '../model/secret_names.ts'
import { type FactAttributes, factKeys, factLayer, factSchema } from './fact_attributes.ts'
import type { Facts } from './facts.ts'
import { isInexact } from './json_text.ts'
import { type Layer, layerKinds, type NodeWarning } from './layer.ts'
import { isObject, type JsonObject, merge } from './merge.ts'
import { derivedDefaults, isSensitive, isVerbatim, type Schemas } from './notes.ts'
import { objectLayer } from './parse_layer.ts'
import { applyPatch, type Patched } from './patch.ts'
import { formatPath, hasPath, type KeyPath, pointerKeys, setAt, valueAt } from './path.ts'
import { withoutPaths } from './valid_part.ts'
import { validate } from './validate.ts'

export type DeepReadonly<T> = T extends readonly (infer E)[]
  ? readonly DeepReadonly<E>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T

export type AttributesOf<S> = { readonly [K in keyof S]: S[K] extends ZodType ? DeepReadonly<z.output<S[K]>> : never }

export interface Node<A = Readonly<Record<string, unknown>>> {
  /** All attributes, deeply frozen; `cpu`, `memory`, `hostname` and `fqdn` among them, from the JSON or else from the facts. */
  readonly attributes: A & FactAttributes
  /** As gathered from this host, whatever the JSON says. */
  readonly facts: Facts
  readonly warnings: readonly NodeWarning[]
  /** Values that must not be displayed. */
  readonly secrets: readonly string[]
  /** `converge.secret_names` and `converge.open_names`. */
  readonly names: OwnNames
  /** Lowest first; the facts are the lowest. */
  readonly layers: readonly Layer[]
  /** The merged attributes after each layer, without defaults. */
  readonly states: readonly JsonObject[]
  /** By top-level key, those of the facts included. */
  readonly schemas: Schemas
}

export interface NodeInput<S extends Schemas> {
  /** In any order: sorted by kind, and of one kind the later one counts. */
  readonly layers: readonly Layer[]
  readonly facts: Facts
  readonly schemas: S
  /** Top-level keys without a schema that are kept without a warning. */
  readonly foreignKeys?: readonly string[] | undefined
}

/** A node without its invalid attributes, so that the others can be checked further. */
export interface NodeDraft<A> {
  readonly node: Node<A>
  readonly problems: readonly ConvergeError[]
}

/**
 * Puts layers together, lowest first, and checks the result.
 *
 * Facts that the JSON states itself count before those gathered: `cpu.total` decides how many clients there are even
 * where this host has more. If no layer has `opsworks.instance`, this host is put there.
 *
 * @throws ConvergeError, InvalidInput with all problems at once
 */
export function buildNode<const S extends Schemas>(input: NodeInput<S>): Node<AttributesOf<S>> {
  const { node, problems } = draftNode(input)
  throwProblems(problems, 'the attributes are not valid')
  return node
}

/** The same where something may be wrong: operations of patches that fail, and values that the schemas refuse, are left out. */
export function draftNode<const S extends Schemas>({
  layers,
  facts,
  schemas: given,
  foreignKeys,
}: NodeInput<S>): NodeDraft<AttributesOf<S>> {
  const schemas = withFacts(given)
  const verbatimLayers = sortLayers(layers).map((layer) => withVerbatim(layer, schemas))
  const lowest = lowestLayer(verbatimLayers, facts)
  const { sorted, states, problems } = withDerived([lowest, ...verbatimLayers], schemas)
  const locate = (path: KeyPath, part?: 'value' | 'key') => locateIn(sorted, states, path, part)
  const names = namesIn(states.at(-1) ?? {})
  const unknown = unknownFiles(verbatimLayers, schemas, foreignKeys ?? [])
  const { value, warnings, secrets, ...checked } = validate(states.at(-1) ?? {}, {
    schemas,
    locate,
    foreign: new Set([...(foreignKeys ?? []), ...unknown.keys]),
    gathered: onlyIn(lowest, verbatimLayers),
    written: (path) => writtenAt(sorted[layerThatSet(sorted, states, path)], path),
    names,
    isSetByInput: (path) => isGiven({ layers: sorted, states }, path),
  })
  const node = Object.freeze({
    attributes: value as unknown as AttributesOf<S> & FactAttributes,
    facts,
    warnings: [...sorted.flatMap((layer) => layer.warnings), ...unknown.warnings, ...warnings],
    secrets,
    names,
    layers: sorted,
    states,
    schemas,
  })
  return { node, problems: [...problems, ...checked.problems] }
}

/** A node whose attributes at some paths are as if nobody had set them; where they are set is still known. */
export function withoutAttributes<A>(node: Node<A>, paths: readonly KeyPath[]): Node<A> {
  const rest = withoutPaths(node.states.at(-1) ?? {}, paths) as JsonObject
  const { value } = validate(rest, { schemas: node.schemas, locate: () => undefined })
  return { ...node, attributes: value as unknown as Node<A>['attributes'] }
}

interface Layered {
  readonly sorted: readonly Layer[]
  readonly states: readonly JsonObject[]
  /** Operations of patches that failed. */
  readonly problems: readonly ConvergeError[]
}

/** Returns the layers, with the defaults that depend on facts above the facts, and the merged attributes. */
function withDerived(layers: readonly Layer[], schemas: Schemas): Layered {
  const plain = { sorted: layers, ...statesOf(layers, schemas) }
  const value = schemas[derivedDefaults]?.(plain.states.at(-1) ?? {}) ?? null
  if (value === null) return plain
  const sorted = [
    ...layers.slice(0, 1),
    objectLayer(value, 'defaults that follow other attributes', 'defaults'),
    ...layers.slice(1),
  ]
  return { sorted, ...statesOf(sorted, schemas) }
}

function statesOf(layers: readonly Layer[], schemas: Schemas): Omit<Layered, 'sorted'> {
  const states: JsonObject[] = []
  const problems: ConvergeError[] = []
  for (const layer of layers) {
    const { value, problems: failed } = applyLayer(states.at(-1) ?? {}, layer, schemas)
    states.push(value)
    problems.push(...failed)
  }
  return { states, problems }
}

/** Files none of whose keys is known: a warning for each file instead of one for each key. */
function unknownFiles(layers: readonly Layer[], schemas: Schemas, foreignKeys: readonly string[]): UnknownFiles {
  const isKnown = (key: string) => Object.hasOwn(schemas, key) || foreignKeys.includes(key)
  const found = layers.filter(({ value }) => {
    const keys = Object.keys(value ?? {})
    return keys.length > 1 && !keys.some(isKnown)
  })
  return {
    keys: found.flatMap(({ value }) => Object.keys(value ?? {})),
    warnings: found.map(({ file, value }) => {
      const keys = Object.keys(value ?? {})
      const names = keys.length > 5 ? `${keys.slice(0, 5).join(', ')}, …` : keys.join(', ')
      const message = `none of its ${keys.length.toLocaleString('en')} keys is a known attribute: ${names}`
      const hint = 'check that this is the file you mean: converge attributes lists what there is'
      return { code: 'UNKNOWN_KEY', message, path: keys[0] ?? '', hint, source: { file } }
    }),
  }
}

interface UnknownFiles {
  readonly keys: readonly string[]
  readonly warnings: readonly NodeWarning[]
}

/** Reads the names before the schemas check anything, because an invalid value may be a secret. */
function namesIn(attributes: JsonObject): OwnNames {
  const list = (key: string) => {
    const names = valueAt(attributes, ['converge', key])
    return Array.isArray(names) ? names.filter((one) => typeof one === 'string') : []
  }
  return { secret: list('secret_names'), open: list('open_names') }
}

/** The schemas given and those of the facts; a schema given for one of these keys goes before. Keeps them lazy. */
function withFacts(inputSchemas: Schemas): Schemas {
  const all = Object.create(null, Object.getOwnPropertyDescriptors(inputSchemas)) as Record<string, ZodType>
  for (const key of factKeys)
    if (!Object.hasOwn(inputSchemas, key))
      Object.defineProperty(all, key, { enumerable: true, get: () => factSchema(key) })
  return all
}

/** Top-level keys of a layer that none above it speaks of; patches may speak of any. */
function onlyIn({ value }: Layer, above: readonly Layer[]): ReadonlySet<string> {
  const untouched = (key: string) => above.every((layer) => layer.value !== null && !Object.hasOwn(layer.value, key))
  return new Set(Object.keys(value ?? {}).filter(untouched))
}

function lowestLayer(layers: readonly Layer[], facts: Facts): Layer {
  const hasInstance = layers.some(({ value }) => isObject(valueAt(value, ['opsworks', 'instance'])))
  const hostname = layers.findLast(({ value }) => typeof value?.hostname === 'string')?.value?.hostname
  const file = 'facts of this host'
  const value = factLayer(facts, hasInstance ? null : String(hostname ?? facts.hostname))
  return { kind: 'facts', file, value, patch: null, warnings: [], locate: () => ({ file }) }
}

function sortLayers(layers: readonly Layer[]): readonly Layer[] {
  return [...layers].sort((a, b) => layerKinds.indexOf(a.kind) - layerKinds.indexOf(b.kind))
}

/**
 * The layer with the file's own text for each number where an attribute is a text: 1.10 is not 1.1, and 0123 not 123.
 * The same applies to numbers that JavaScript would change, such as 1e999 and integers beyond 2^53.
 */
export function withVerbatim(layer: Layer, schemas: Schemas): Layer {
  const { value, patch, numbers = [] } = layer
  const kept = numbers.filter(({ path, text }) => isInexact(text) || isVerbatim(schemas, attributeOf(patch, path)))
  if (kept.length === 0) return layer
  const copy = structuredClone({ value, operations: [...(patch?.operations ?? [])] })
  for (const { path, text } of kept) setAt(patch === null ? copy.value : copy.operations, path, text)
  return { ...layer, value: copy.value, patch: patch && { ...patch, operations: copy.operations } }
}

/** How a number stands in the file, where its value does not tell. */
export function writtenAt(layer: Layer | undefined, path: KeyPath): string | undefined {
  const place = formatPath(path)
  return layer?.numbers?.find((number) => formatPath(attributeOf(layer.patch, number.path)) === place)?.text
}

/** The attribute that a path in a layer is about. */
function attributeOf(patch: Layer['patch'], path: KeyPath): KeyPath {
  const [index, member, ...rest] = path
  if (patch === null) return path
  return member === 'value' ? [...pointerKeys(patch.operations[Number(index)]?.path ?? ''), ...rest] : []
}

function applyLayer(below: JsonObject, layer: Layer, schemas: Schemas): Patched {
  if (layer.value !== null) return { value: merge(below, layer.value), problems: [] }
  const standard = (key: string, input: unknown): unknown => {
    const schema = Object.hasOwn(schemas, key) ? schemas[key] : undefined
    const filled = schema?.safeParse(input)
    return filled?.success ? filled.data : schema?.safeParse(undefined).data
  }
  return applyPatch(below, layer, { standard, isSecret: (path) => isSensitive(schemas, path) })
}

/** Whether somebody has set a path, rather than a default or a fact. */
export function isGiven({ layers, states }: Pick<Node, 'layers' | 'states'>, path: KeyPath): boolean {
  const { kind } = layers[layerThatSet(layers, states, path)] ?? {}
  return kind !== undefined && kind !== 'facts' && kind !== 'defaults'
}

/** The number of the highest layer that says something about a path, or -1. */
export function layerThatSet(layers: readonly Layer[], states: readonly JsonObject[], path: KeyPath): number {
  for (let i = layers.length - 1; i >= 0; i--) if (sets(layers, states, i, path)) return i
  return -1
}

/** Decides whether a layer has a path or, if it is a patch, changes it. */
export function sets(layers: readonly Layer[], states: readonly JsonObject[], index: number, path: KeyPath): boolean {
  const layer = layers[index]
  if (layer?.value != null) return hasPath(layer.value, path)
  const [before, after] = [states[index - 1], states[index]]
  if (hasPath(before, path) !== hasPath(after, path)) return true
  return hasPath(after, path) && JSON.stringify(valueAt(before, path)) !== JSON.stringify(valueAt(after, path))
}

/** Returns the position where a path is set, or else that of its nearest parent that is set. */
export function locateIn(
  layers: readonly Layer[],
  states: readonly JsonObject[],
  path: KeyPath,
  part?: 'value' | 'key',
): SourceLocation | undefined {
  for (let length = path.length; length > 0; length--) {
    const parent = path.slice(0, length)
    const index = layerThatSet(layers, states, parent)
    const layer = layers[index]
    if (layer !== undefined) return locateInLayer(layer, states[index], parent, length === path.length ? part : 'value')
  }
  return undefined
}

/** Returns the position of a path in a layer; in a patch, that of the last operation that set the value. */
export function locateInLayer(
  layer: Layer,
  after: JsonObject | undefined,
  path: KeyPath,
  part?: 'value' | 'key',
): SourceLocation {
  if (layer.patch === null) return layer.locate(path, part)
  const index = layer.patch.operations.findLastIndex((operation) => {
    const target = pointerKeys(operation.path)
    const both = Math.min(target.length, path.length)
    const here = target.slice(0, both).every((key, i) => key === '-' || key === String(path[i]))
    if (operation.op === 'test' || !here) return false
    if (!('value' in operation) || target.length > path.length) return true
    const rest = path.slice(target.length)
    // A later operation may have moved an item of a list, so compare the values.
    return JSON.stringify(valueAt(operation.value, rest)) === JSON.stringify(valueAt(after, path))
  })
  if (index === -1) return layer.locate([])
  const operation = layer.patch.operations[index]
  const rest = path.slice(pointerKeys(operation?.path ?? '').length)
  return layer.locate(operation !== undefined && 'value' in operation ? [index, 'value', ...rest] : [index])
}
