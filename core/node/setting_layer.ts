/** Finds the layer that sets an attribute, and the position in its file. */
import type { SourceLocation } from '../model/errors.ts'
import type { Layer } from './layer.ts'
import type { JsonObject } from './merge.ts'
import { hasPath, type KeyPath, pointerKeys, valueAt } from './path.ts'

interface MergedLayers {
  readonly layers: readonly Layer[]
  /** The merged attributes after each layer. */
  readonly states: readonly JsonObject[]
}

/** Decides whether a file or an option sets a path, rather than a default or a fact. */
export function isSetByInput({ layers, states }: MergedLayers, path: KeyPath): boolean {
  const { kind } = layers[layerThatSet(layers, states, path)] ?? {}
  return kind !== undefined && kind !== 'facts' && kind !== 'defaults'
}

/** Returns the index of the highest layer that sets a path; -1 if none does. */
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
    const isOnPath = target.slice(0, both).every((key, i) => key === '-' || key === String(path[i]))
    if (operation.op === 'test' || !isOnPath) return false
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
