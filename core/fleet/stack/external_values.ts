/** Replaces references to values outside a stack file by their text, for secrets above all. */
import pLimit from 'p-limit'
import { asConvergeError, ConvergeError, type SourceLocation } from '../../model/errors.ts'
import type { NodeWarning } from '../../node/layer.ts'
import { isObject } from '../../node/merge.ts'
import type { Schemas } from '../../node/notes.ts'
import { formatPath, type KeyPath } from '../../node/path.ts'
import {
  absentCodes,
  fileSecret,
  isReference,
  type ReferenceContext,
  readReference,
  unreadableFile,
} from './external_reference.ts'

/** The context of a search for referenced values, and its results. */
export interface Search extends ReferenceContext {
  /** Schemas of the attributes, once the recipes are loaded. */
  readonly schemas: () => Schemas
  readonly locate: (path: KeyPath, what?: 'value' | 'key') => SourceLocation
  /** How the number at a path is written; undefined where that is the value itself, or unknown. */
  readonly written: (path: KeyPath) => string | undefined
  readonly problems: ConvergeError[]
  /** Those of `problems` about variables and files that this computer lacks; it may lack the secrets of others. */
  readonly absent: ConvergeError[]
  /** Paths of the stack file whose values were invalid, or could not be read. */
  readonly unreadPaths: KeyPath[]
  readonly warnings: NodeWarning[]
  /** All values that references stand for: they are masked everywhere. */
  readonly secrets: Set<string>
  /** Paths of the values in `secrets`. */
  readonly secretPaths: Set<string>
}

/** Commands and decryptions that run at the same time. */
const parallelReads = 4

interface FoundReference {
  readonly path: KeyPath
  readonly value: Readonly<Record<string, unknown>>
}

/** Replaces all references in a value by their text; a missing one is reported as a problem and left out. */
export async function readExternalValues(value: unknown, path: KeyPath, search: Search): Promise<unknown> {
  const references: FoundReference[] = []
  replaceReferences(value, path, (reference) => references.push(reference))
  const limit = pLimit(parallelReads)
  const results = await Promise.allSettled(references.map((one) => limit(() => readReference(one.value, search))))
  // This walk is the same as the first one, so it meets the references in the order of the results.
  return replaceReferences(value, path, (reference) => {
    const result = results.shift()
    if (result?.status === 'fulfilled') return keepSecret(result.value, reference.path, search)
    reportProblem(result?.reason, reference.path, search)
    return undefined
  })
}

/** Returns a copy of the value, with the result of `replace` in place of each reference. */
function replaceReferences(value: unknown, path: KeyPath, replace: (reference: FoundReference) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item, index) => replaceReferences(item, [...path, index], replace))
  if (!isObject(value)) return value
  if (isReference(value)) return replace({ path, value })
  const result: Record<string, unknown> = {}
  for (const [key, child] of Object.entries(value)) result[key] = replaceReferences(child, [...path, key], replace)
  return result
}

function keepSecret(text: string, path: KeyPath, { secrets, secretPaths: hidden }: Search): string {
  secrets.add(text)
  hidden.add(formatPath(path))
  return text
}

function reportProblem(reason: unknown, path: KeyPath, search: Search): void {
  const error = asConvergeError(reason)
  const { hint, output } = error
  const message = `${formatPath(path)}: ${error.message}`
  const source = search.locate(path)
  const problem = new ConvergeError(message, { code: 'INVALID_STACK', source, hint, output, usage: true })
  search.unreadPaths.push(path)
  if (absentCodes.has(error.code)) addAbsent(problem, search)
  else search.problems.push(problem)
}

export function addAbsent(problem: ConvergeError, { problems, absent }: Pick<Search, 'problems' | 'absent'>): void {
  problems.push(problem)
  absent.push(problem)
}

/** Returns the text of a file that a key names; a problem where it cannot be read. */
export function fileText(file: string, path: KeyPath, search: Search): string | undefined {
  try {
    return keepSecret(fileSecret(file, search.directory), path, search)
  } catch (error) {
    reportProblem(error, path, search)
    return undefined
  }
}

export function unreadable(
  file: string,
  path: KeyPath,
  { directory, locate }: Pick<Search, 'directory' | 'locate'>,
  error: unknown,
): ConvergeError {
  const { message, hint } = unreadableFile(file, directory, error)
  return problemAt(`${formatPath(path)}: ${message}`, locate(path), hint)
}

/** Decides whether a value at a path, or a part of it, was invalid or unreadable, and so is not a missing value. */
export function isUnread(path: KeyPath, { unreadPaths: lost }: Pick<Search, 'unreadPaths'>): boolean {
  return lost.some((one) => one.every((key, at) => at >= path.length || String(key) === String(path[at])))
}

export function problemAt(message: string, source: SourceLocation, hint?: string): ConvergeError {
  return new ConvergeError(message, { code: 'INVALID_STACK', source, hint, usage: true })
}
