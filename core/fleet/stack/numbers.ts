/** Numbers where a text is meant: YAML reads `2.0` as 2 and `0123` as 123, and a branch or a version is another one then. */
import type { WrittenNumber } from '../../node/json_text.ts'
import { isObject, type JsonObject } from '../../node/merge.ts'
import { type KeyPath, setAt } from '../../node/path.ts'
import type { Search } from './elsewhere.ts'

/**
 * The numbers of a value with the text that stands in the file for each.
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
 * The value with each such number as the text that stands in the file.
 * @param isText whether a text is meant at a path
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
