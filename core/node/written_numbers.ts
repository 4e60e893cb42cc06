/** Keeps the spelling of numbers in a file, for attributes that are texts: 1.10 stays 1.10. */
import { hasLeadingZero, isInexact, type WrittenNumber } from './json_text.ts'
import type { Layer, NodeWarning } from './layer.ts'
import { isVerbatim, type Schemas, typeAt } from './notes.ts'
import { formatPath, type KeyPath, pointerKeys, setAt } from './path.ts'

/**
 * Returns the layer with the text of the file for each number where an attribute is a text: 1.10 is not 1.1, and 0123 not
 * 123. The same applies to numbers that JavaScript would change, such as 1e999 and integers beyond 2^53. Where an attribute
 * is a number, 05 is 5; where the schemas do not have it, the layer gets a warning that 05 is a text.
 */
export function withVerbatimNumbers(layer: Layer, schemas: Schemas): Layer {
  const { value, patch, numbers = [] } = layer
  const isExact = ({ path, text }: WrittenNumber) => {
    const attribute = attributeOf(patch, path)
    if (isVerbatim(schemas, attribute)) return true
    return isInexact(text) && !(hasLeadingZero(text) && typeAt(schemas, attribute) === 'number')
  }
  const exactNumbers = numbers.filter(isExact)
  if (exactNumbers.length === 0) return layer
  const copy = structuredClone({ value, operations: [...(patch?.operations ?? [])] })
  for (const { path, text } of exactNumbers) setAt(patch === null ? copy.value : copy.operations, path, text)
  const warnings = [...layer.warnings, ...leadingZeros(layer, exactNumbers, schemas)]
  return { ...layer, value: copy.value, patch: patch && { ...patch, operations: copy.operations }, warnings }
}

/** Returns a warning for the first number with a leading zero below keys that no schema has. */
function leadingZeros(layer: Layer, numbers: readonly WrittenNumber[], schemas: Schemas): readonly NodeWarning[] {
  const isUnknown = (path: KeyPath) => !isVerbatim(schemas, path) && typeAt(schemas, path) === undefined
  const [first, ...others] = numbers.filter(
    ({ path, text }) => hasLeadingZero(text) && isUnknown(attributeOf(layer.patch, path)),
  )
  if (first === undefined) return []
  const path = formatPath(attributeOf(layer.patch, first.path))
  const more =
    others.length === 0 ? '' : ` (and ${others.length} more such ${others.length === 1 ? 'value' : 'values'})`
  return [
    {
      code: 'NUMBER_AS_TEXT',
      message: `${path} is the text "${first.text}", because a number has no leading zero${more}`,
      path,
      hint: 'write it in quotes if it is a text, and without the zero if it is a number',
      source: layer.locate(first.path),
    },
  ]
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
