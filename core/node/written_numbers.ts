/** Keeps the spelling of numbers in a file, for attributes that are texts: 1.10 stays 1.10. */
import { isInexact } from './json_text.ts'
import type { Layer } from './layer.ts'
import { isVerbatim, type Schemas } from './notes.ts'
import { formatPath, type KeyPath, pointerKeys, setAt } from './path.ts'

/**
 * Returns the layer with the text of the file for each number where an attribute is a text: 1.10 is not 1.1, and 0123 not
 * 123. The same applies to numbers that JavaScript would change, such as 1e999 and integers beyond 2^53.
 */
export function withVerbatimNumbers(layer: Layer, schemas: Schemas): Layer {
  const { value, patch, numbers = [] } = layer
  const exactNumbers = numbers.filter(
    ({ path, text }) => isInexact(text) || isVerbatim(schemas, attributeOf(patch, path)),
  )
  if (exactNumbers.length === 0) return layer
  const copy = structuredClone({ value, operations: [...(patch?.operations ?? [])] })
  for (const { path, text } of exactNumbers) setAt(patch === null ? copy.value : copy.operations, path, text)
  return { ...layer, value: copy.value, patch: patch && { ...patch, operations: copy.operations } }
}

/** Returns the spelling of a number in the file, if its value does not preserve it. */
export function writtenNumber(layer: Layer | undefined, path: KeyPath): string | undefined {
  const target = formatPath(path)
  return layer?.numbers?.find((number) => formatPath(attributeOf(layer.patch, number.path)) === target)?.text
}

/** Returns the attribute that a path in a layer sets; in a patch, the path names an operation. */
function attributeOf(patch: Layer['patch'], path: KeyPath): KeyPath {
  const [index, member, ...rest] = path
  if (patch === null) return path
  return member === 'value' ? [...pointerKeys(patch.operations[Number(index)]?.path ?? ''), ...rest] : []
}
