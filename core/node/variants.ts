/** Builds variants of a node in which one attribute has another value, to find out what depends on it. */
import { isObject } from './merge.ts'
import { type Node, withoutAttributes } from './node.ts'
import { type KeyPath, setAt, valueAt } from './path.ts'
import { validate } from './validate.ts'

/** Attributes that are varied one by one; with more, those below a common key are varied together. */
const mostAttributes = 300

/** Lists the paths of all attributes that a layer sets, or the keys above them where there are too many. */
export function setAttributes({ states }: Pick<Node, 'states'>): readonly KeyPath[] {
  const all = leaves(states.at(-1), [])
  for (let depth = Math.max(...all.map(({ length }) => length)); depth > 1; depth--) {
    const cut = [...new Map(all.map((path) => [JSON.stringify(path.slice(0, depth)), path.slice(0, depth)])).values()]
    if (cut.length <= mostAttributes) return cut
  }
  return [...new Set(all.map(([top]) => top))].flatMap((top) => (top === undefined ? [] : [[top]]))
}

function leaves(value: unknown, path: KeyPath): KeyPath[] {
  if (!isObject(value) || Object.keys(value).length === 0) return path.length === 0 ? [] : [path]
  return Object.entries(value).flatMap(([key, child]) => (child === undefined ? [] : leaves(child, [...path, key])))
}

/** Yields variants of a node: first without the attribute, then with other values that its schema accepts. */
export function* variantsOf<A>(node: Node<A>, path: KeyPath): Generator<Node<A>> {
  yield withoutAttributes(node, [path])
  const state = node.states.at(-1) ?? {}
  for (const other of otherValues(valueAt(state, path))) {
    const changed = structuredClone(state)
    setAt(changed, path, other)
    const { value, problems } = validate(changed, { schemas: node.schemas, locate: () => undefined })
    if (problems.length === 0) yield { ...node, attributes: value as unknown as Node<A>['attributes'] }
  }
}

/** Values of the same type, so that a schema may accept them where it requires the attribute. */
function otherValues(value: unknown): readonly unknown[] {
  if (typeof value === 'boolean') return [!value]
  if (typeof value === 'number') return [value + 1, value - 1]
  if (typeof value === 'string')
    return [`${value}x`, /\d/.test(value) ? value.replace(/\d/, (digit) => `${9 - Number(digit)}`) : `x${value}`]
  return []
}
