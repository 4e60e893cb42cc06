/** Builds the node of a host from its layers of attributes and its facts, and validates it. */
import type { ZodType, z } from 'zod'
import { type ConvergeError, throwProblems } from '../model/errors.ts'
import type { OwnNames } from '../model/secret_names.ts'
import { type FactAttributes, factKeys, factLayer, factSchema } from './fact_attributes.ts'
import type { Facts } from './facts.ts'
import { type Layer, layerKinds, type NodeWarning } from './layer.ts'
import { isObject, type JsonObject, merge } from './merge.ts'
import { derivedDefaults, isSensitive, type Schemas, secretDefaultsIn } from './notes.ts'
import { objectLayer } from './parse_layer.ts'
import { applyPatch, type Patched } from './patch.ts'
import { type KeyPath, valueAt } from './path.ts'
import { isSetByInput, layerThatSet, locateIn } from './setting_layer.ts'
import { withoutPaths } from './valid_part.ts'
import { validate } from './validate.ts'
import { withVerbatimNumbers, writtenNumber } from './written_numbers.ts'

export type DeepReadonly<T> = T extends readonly (infer E)[]
  ? readonly DeepReadonly<E>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T

export type AttributesOf<S> = { readonly [K in keyof S]: S[K] extends ZodType ? DeepReadonly<z.output<S[K]>> : never }

export interface Node<A = Readonly<Record<string, unknown>>> {
  /** All attributes, deeply frozen; `cpu`, `memory`, `hostname` and `fqdn` among them, from the JSON or else from the facts. */
  readonly attributes: A & FactAttributes
  /** Gathered from this host; the JSON does not change them. */
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
 * Merges layers, lowest first, and validates the result.
 *
 * Facts in the JSON take precedence over gathered ones: `cpu.total` decides how many clients there are, even if the host
 * has more CPUs. If no layer has `opsworks.instance`, it describes this host.
 *
 * @throws ConvergeError, InvalidInput with all problems at once
 */
export function buildNode<const S extends Schemas>(input: NodeInput<S>): Node<AttributesOf<S>> {
  const { node, problems } = draftNode(input)
  throwProblems(problems, 'the attributes are not valid')
  return node
}

/** Builds the node even from invalid input: leaves out failed operations of patches, and values that the schemas refuse. */
export function draftNode<const S extends Schemas>({
  layers,
  facts,
  schemas: inputSchemas,
  foreignKeys,
}: NodeInput<S>): NodeDraft<AttributesOf<S>> {
  const schemas = withFacts(inputSchemas)
  const verbatimLayers = sortLayers(layers).map((layer) => withVerbatimNumbers(layer, schemas))
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
    written: (path) => writtenNumber(sorted[layerThatSet(sorted, states, path)], path),
    names,
    isSetByInput: (path) => isSetByInput({ layers: sorted, states }, path),
  })
  const node = Object.freeze({
    attributes: value as unknown as AttributesOf<S> & FactAttributes,
    facts,
    warnings: [...sorted.flatMap((layer) => layer.warnings), ...unknown.warnings, ...warnings],
    secrets: [...secrets, ...secretDefaultsIn(inputSchemas)],
    names,
    layers: sorted,
    states,
    schemas,
  })
  return { node, problems: [...problems, ...checked.problems] }
}

/** Returns the node with the defaults of some attributes; it still knows where they are set. */
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

/** Finds files without a known key: each gets one warning, instead of one for each key. */
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

/** Adds the schemas of the facts, without evaluating lazy ones; a schema of the input takes precedence. */
function withFacts(inputSchemas: Schemas): Schemas {
  const schemas = Object.create(null, Object.getOwnPropertyDescriptors(inputSchemas)) as Record<string, ZodType>
  for (const key of factKeys)
    if (!Object.hasOwn(inputSchemas, key))
      Object.defineProperty(schemas, key, { enumerable: true, get: () => factSchema(key) })
  return schemas
}

/** Returns the top-level keys of a layer that no layer above it has; a patch above may have any. */
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

function applyLayer(below: JsonObject, layer: Layer, schemas: Schemas): Patched {
  if (layer.value !== null) return { value: merge(below, layer.value), problems: [] }
  const withDefaults = (key: string, input: unknown): unknown => {
    const schema = Object.hasOwn(schemas, key) ? schemas[key] : undefined
    const filled = schema?.safeParse(input)
    return filled?.success ? filled.data : schema?.safeParse(undefined).data
  }
  return applyPatch(below, layer, { withDefaults, isSecret: (path) => isSensitive(schemas, path) })
}
