/** Keeps the spelling of numbers where text is expected: YAML reads the branch `2.0` as 2 and `0123` as 123. */
import type { WrittenNumber } from '../../node/json_text.ts'
import { isObject, type JsonObject } from '../../node/merge.ts'
import { type KeyPath, setAt } from '../../node/path.ts'
import type { Search } from './external_values.ts'

/**
 * Returns the numbers of a value, each with its spelling in the file.
 * @param path of the value in the file
 */
export function writtenNumbers(
  value: unknown,
  path: KeyPath,
  search: Pick<Search, 'written'>,
  inner: KeyPath = [],
): WrittenNumber[] {
  if (typeof value === 'number') {
    const text = search.written([...path, ...inner])
    return text === undefined ? [] : [{ path: inner, text }]
  }
  if (Array.isArray(value)) return value.flatMap((item, at) => writtenNumbers(item, path, search, [...inner, at]))
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([key, child]) => writtenNumbers(child, path, search, [...inner, key]))
}

/**
 * Replaces numbers by their spelling in the file.
 * @param isText decides whether text is expected at a path
 */
export function asWritten(
  value: JsonObject,
  isText: (path: KeyPath) => boolean,
  search: Pick<Search, 'written'>,
): JsonObject {
  const copy = structuredClone(value)
  for (const { path, text } of writtenNumbers(value, [], search)) if (isText(path)) setAt(copy, path, text)
  return copy
}
