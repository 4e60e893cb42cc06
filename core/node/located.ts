/** Gives errors that name an attribute the file and line where it is set. */
import { ConvergeError, InvalidInput } from '../model/errors.ts'
import type { Node } from './node.ts'
import { formatPath, type KeyPath } from './path.ts'
import { locateIn } from './setting_layer.ts'

type Layered = Pick<Node<unknown>, 'layers' | 'states'>

/** Runs work that may throw such errors, as compiling recipes does. */
export function withLocations<T>(node: Layered, work: () => T): T {
  try {
    const result = work()
    if (!(result instanceof Promise)) return result
    return result.catch((thrown: unknown) => {
      throw locateValues(node, thrown)
    }) as T
  } catch (thrown) {
    throw locateValues(node, thrown)
  }
}

export function locateValues<T>(node: Layered, thrown: T): T | ConvergeError {
  if (thrown instanceof InvalidInput) return thrown.mapped((problem) => locateValues(node, problem))
  if (!(thrown instanceof ConvergeError) || thrown.attribute === undefined || thrown.source !== undefined) return thrown
  const path = keysOf(node.states.at(-1), thrown.attribute)
  return thrown.at({ source: locateIn(node.layers, node.states, path) })
}

/** Returns the keys of an attribute that an error names; null if no layer sets it. */
export function keysIfSet({ states }: Pick<Layered, 'states'>, attribute: string): KeyPath | null {
  const path = keysOf(states.at(-1), attribute)
  const dotted = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`)).join('')
  return path.length > 0 && [formatPath(path), dotted.slice(1)].includes(attribute) ? path : null
}

/** Parses a path, as messages show it, into keys, as far as these exist in the value; a key may contain dots. */
export function keysOf(value: unknown, path: string): KeyPath {
  if (typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) {
    const [whole = '', index] = /^\[(\d+)\]/.exec(path) ?? []
    return index === undefined ? [] : [Number(index), ...keysOf(value[Number(index)], path.slice(whole.length))]
  }
  const rest = path.replace(/^\./, '')
  const fits = (key: string) => rest.startsWith(key) && /^([.[]|$)/.test(rest.slice(key.length))
  const key = Object.keys(value)
    .filter(fits)
    .reduce<string | undefined>(
      (longest, candidate) => (candidate.length > (longest?.length ?? 0) ? candidate : longest),
      undefined,
    )
  return key === undefined ? [] : [key, ...keysOf((value as Record<string, unknown>)[key], rest.slice(key.length))]
}
