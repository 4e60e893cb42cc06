/** Numbers where a text is meant: YAML makes 2 of `2.0` and 123 of `0123`, and a branch or a version is another one then. */
import type { ConvergeError } from '../../model/errors.ts'
import { isObject } from '../../node/merge.ts'
import { isSensitive } from '../../node/notes.ts'
import { formatPath, type KeyPath } from '../../node/path.ts'
import { problemAt, type Search } from './elsewhere.ts'
import { stackShape } from './schema.ts'

/** Whose values become text later on. */
const variables = ['environment', 'database']

/**
 * @param value as it was read; @param taken as the schema takes it, where numbers have become text
 * @returns those that are not what stands in the file
 */
export function numberProblems(
  value: unknown,
  taken: unknown,
  path: KeyPath,
  search: Pick<Search, 'locate' | 'written'>,
): ConvergeError[] {
  if (typeof value === 'number') {
    const isVariable = path[0] === 'apps' && path.length === 4 && variables.includes(String(path[2]))
    const isText = typeof taken === 'string' || isVariable
    const written = isText ? search.written(path) : undefined
    // An alias, or a text of several lines, tells nothing.
    if (written === undefined || written === String(value) || !/^[-+.]?\d/.test(written)) return []
    const place = formatPath(path)
    const [message, hint] = isSensitive(stackShape, path)
      ? [`${place}: without quotes this is a number, and another text`, 'put it in quotes']
      : [`${place}: ${written} without quotes is the number ${value}`, inQuotes(written)]
    return [problemAt(message, search.locate(path), hint)]
  }
  const inside = (key: string) => (isObject(taken) ? taken[key] : undefined)
  if (Array.isArray(value))
    return value.flatMap((item, index) =>
      numberProblems(item, Array.isArray(taken) ? taken[index] : undefined, [...path, index], search),
    )
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([key, child]) => numberProblems(child, inside(key), [...path, key], search))
}

export function inQuotes(written: string): string {
  return `put it in quotes: "${written}"`
}
