/** Finds references of stack files, such as {"$age": FILE}, in attributes of one host, where nothing reads them. */
import { ConvergeError } from '../../model/errors.ts'
import type { Layer } from '../../node/layer.ts'
import { isObject } from '../../node/merge.ts'
import { formatPath, type KeyPath } from '../../node/path.ts'

const kinds = ['$file', '$env', '$age', '$sops', '$command']

/** Returns one problem for each reference. */
export function stackReferences({ value, locate }: Pick<Layer, 'value' | 'locate'>): readonly ConvergeError[] {
  const visit = (child: unknown, path: KeyPath): ConvergeError[] => {
    if (Array.isArray(child)) return child.flatMap((item, index) => visit(item, [...path, index]))
    if (!isObject(child)) return []
    const kind = referenceKind(child)
    if (kind === undefined) return Object.entries(child).flatMap(([key, inner]) => visit(inner, [...path, key]))
    return [
      new ConvergeError(`${formatPath(path)}: converge reads ${kind} in stack files only`, {
        code: 'STACK_REFERENCE',
        source: locate(path),
        hint: `set the variable CONVERGE_ATTR_${path.join('__')} to the value, or deploy with a stack file`,
        usage: true,
      }),
    ]
  }
  return visit(value, [])
}

function referenceKind(value: Readonly<Record<string, unknown>>): string | undefined {
  const keys = Object.keys(value)
  const kind = kinds.find((one) => keys.includes(one))
  return keys.every((key) => key === kind || key === 'key') ? kind : undefined
}
