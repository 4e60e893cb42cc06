/** Reads the custom JSON of a stack, a layer or a host from the stack file, or from files that it names. */
import { dirname } from 'node:path'
import { readInputFile } from '../../host/input_file.ts'
import { ConvergeError, problemsOf, type SourceLocation } from '../../model/errors.ts'
import { utf8Text } from '../../model/utf8.ts'
import type { WrittenNumber } from '../../node/json_text.ts'
import { isObject, type JsonObject } from '../../node/merge.ts'
import { type Document, documentLayer, draftAttributes } from '../../node/parse_layer.ts'
import { formatPath, type KeyPath } from '../../node/path.ts'
import { share } from '../../node/shared_values.ts'
import { withVerbatimNumbers } from '../../node/written_numbers.ts'
import { problemAt, readExternalValues, type Search, unreadable } from './external_values.ts'
import { absolutePath } from './input_paths.ts'
import { writtenNumbers } from './numbers.ts'

/**
 * Reads the documents of a custom JSON: an object, a JSON Patch, the path of a file with one of these, or a list of
 * such documents.
 * @param value as in the stack file
 * @param path of the value in the stack file
 */
export async function customDocuments(
  value: unknown,
  path: KeyPath,
  kind: Document['kind'],
  file: string,
  search: Search,
): Promise<Document[]> {
  const problemsBefore = search.problems.length
  const documents = await documentsIn(value, path, kind, file, search)
  if (search.problems.length > problemsBefore) search.unreadPaths.push(path)
  return documents
}

async function documentsIn(
  value: unknown,
  path: KeyPath,
  kind: Document['kind'],
  file: string,
  search: Search,
): Promise<Document[]> {
  if (value === undefined) return []
  const isList = Array.isArray(value) && !value.every((one) => isObject(one) && 'op' in one)
  if (isList) {
    const all: Document[] = []
    for (const [index, one] of value.entries())
      all.push(...(await documentsIn(one, [...path, index], kind, file, search)))
    return all
  }
  if (typeof value === 'string') return fileDocument(value, path, kind, search)
  const formattedPath = formatPath(path)
  if (!isObject(value) && !Array.isArray(value)) {
    const message = `${formattedPath}: expected attributes, a JSON Patch, or the path of a file with these`
    search.problems.push(problemAt(message, search.locate(path)))
    return []
  }
  const locate = (inner: KeyPath, what?: 'value' | 'key'): SourceLocation => search.locate([...path, ...inner], what)
  return checkDocument(
    { name: `${file}: ${formattedPath}`, kind, value, locate },
    writtenNumbers(value, path, search),
    search,
  )
}

async function fileDocument(name: string, path: KeyPath, kind: Document['kind'], search: Search): Promise<Document[]> {
  const fullPath = absolutePath(name, search.directory)
  let text: string
  try {
    text = utf8Text(readInputFile(fullPath), name)
  } catch (error) {
    search.problems.push(
      error instanceof ConvergeError && error.code === 'NOT_UTF8' ? error : unreadable(name, path, search, error),
    )
    return []
  }
  try {
    const { layer, problems } = await draftAttributes({ text, file: name, kind })
    search.problems.push(...problems)
    search.warnings.push(...layer.warnings)
    const unresolved = layer.value ?? (layer.patch?.operations as readonly unknown[] | undefined) ?? {}
    const nestedSearch = { ...search, directory: dirname(fullPath), locate: layer.locate, lost: [] }
    const value = await readExternalValues(unresolved, [], nestedSearch)
    if (!isObject(value) && !Array.isArray(value)) {
      const message = `${name}: expected attributes or a JSON Patch, got the text of a file or a variable`
      search.problems.push(
        problemAt(message, layer.locate([]), 'name the file itself in the stack file, not a file that refers to it'),
      )
      return []
    }
    return checkDocument({ name, kind, value: value as JsonObject, locate: layer.locate }, layer.numbers ?? [], search)
  } catch (error) {
    search.problems.push(...problemsOf(error))
    return []
  }
}

/** Parses a document, keeps the spelling of numbers in text attributes, and reports the problems. */
async function checkDocument(
  document: Document,
  numbers: readonly WrittenNumber[],
  search: Search,
): Promise<Document[]> {
  try {
    const layer = await documentLayer(document)
    const { value, patch } = withVerbatimNumbers({ ...layer, numbers }, search.schemas())
    return [{ ...document, value: share(value ?? patch?.operations ?? {}) }]
  } catch (error) {
    search.problems.push(...problemsOf(error))
    return []
  }
}
