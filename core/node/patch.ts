/** Checks layers that are JSON Patches (RFC 6902), and applies them to the attributes of the layers below. */
import type { Operation } from 'fast-json-patch'
import { ConvergeError, type SourceLocation } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import type { Layer, PatchLibrary } from './layer.ts'
import { isObject, type JsonObject } from './merge.ts'
import { childOf, formatPath, hasChild, pointerKeys, valueAt } from './path.ts'

const operationNames = ['add', 'remove', 'replace', 'move', 'copy', 'test']

const maxOperations = 10_000

/** Values that the operations of a patch may copy, each object and list with everything in it. */
const maxCopiedValues = 100_000

/** Writes a number with separators, such as 10,000. */
const inWords = (number: number) => number.toLocaleString('en')

/** Returns all problems of the operations themselves. */
export function checkOperations(operations: readonly unknown[], locate: Layer['locate']): ConvergeError[] {
  const { length } = operations
  if (length > maxOperations)
    return [
      new ConvergeError(`${inWords(length)} operations, more than the limit of ${inWords(maxOperations)}`, {
        code: 'INVALID_PATCH',
        source: locate([maxOperations]),
        usage: true,
      }),
    ]
  return operations.flatMap((operation, index) => {
    const found = problemsOf(operation)
    return found.map(
      ({ key, message, hint }) =>
        new ConvergeError(`operation ${index + 1}: ${message}`, {
          code: 'INVALID_PATCH',
          source: locate(key === undefined ? [index] : [index, key]),
          hint:
            hint ?? 'write an operation as {"op": "add", "path": "/deploy/site/domains/-", "value": "www.example.com"}',
          usage: true,
        }),
    )
  })
}

interface OperationProblem {
  readonly key?: string
  readonly message: string
  readonly hint?: string | undefined
}

function problemsOf(operation: unknown): OperationProblem[] {
  if (!isObject(operation))
    return [
      {
        message: 'expected an object',
        hint: 'an array in a layer is a JSON Patch (RFC 6902); write each operation as an object',
      },
    ]
  const { op, path, from } = operation
  if (typeof op !== 'string' || !operationNames.includes(op)) {
    const message = op === undefined ? '"op" is missing' : `unknown operation ${JSON.stringify(op)}`
    const hint =
      (typeof op === 'string' ? nearest(op, operationNames) : undefined) ?? `use one of ${operationNames.join(', ')}`
    return [{ key: 'op', message, hint }]
  }
  const problems = [pointerProblem('path', path)]
  const hasTwoPaths = op === 'move' || op === 'copy'
  if (hasTwoPaths) problems.push(pointerProblem('from', from))
  if (!hasTwoPaths && op !== 'remove' && !Object.hasOwn(operation, 'value'))
    problems.push({ message: `${op} needs a "value"` })
  if (op === 'move' && typeof path === 'string' && typeof from === 'string' && path.startsWith(`${from}/`))
    problems.push({ key: 'path', message: 'a value cannot be moved into itself' })
  return problems.filter((problem) => problem !== undefined)
}

function pointerProblem(key: string, pointer: unknown): OperationProblem | undefined {
  if (pointer === undefined) return { message: `"${key}" is missing` }
  if (typeof pointer !== 'string') return { key, message: `"${key}" must be a text, not a ${typeof pointer}` }
  if (pointer === '') return { key, message: `"${key}" is empty, which selects all attributes: name a key` }
  if (!pointer.startsWith('/'))
    return {
      key,
      message: `"${key}" must start with a slash`,
      hint: `write "/${pointer.replaceAll('.', '/')}"`,
    }
  if (/~(?![01])/.test(pointer))
    return { key, message: `"${key}" contains a bare ~: write ~0 for it, and ~1 for a slash` }
  if (pointerKeys(pointer).includes('__proto__')) return { key, message: 'a key __proto__ is not allowed' }
  return undefined
}

export interface Surroundings {
  /** The value of a top-level key with its defaults filled in. */
  readonly withDefaults: (key: string, input: unknown) => unknown
  readonly isSecret: (path: readonly string[]) => boolean
}

export interface Patched {
  readonly value: JsonObject
  /** One `PATCH_FAILED` for each failed operation, with its location; the value does not contain their changes. */
  readonly problems: readonly ConvergeError[]
}

/**
 * Applies a patch layer to a copy of the attributes below it. Defaults count as present: an operation may add to a default
 * list. After a failed test no further operation is applied.
 */
export function applyPatch(below: JsonObject, layer: Layer, surroundings: Surroundings): Patched {
  const document: Record<string, unknown> = { ...below }
  const owned = new Set<string>()
  const copied = { count: 0 }
  const problems: ConvergeError[] = []
  const failed: string[] = []
  for (const [index, operation] of (layer.patch?.operations ?? []).entries()) {
    const pointers = 'from' in operation ? [operation.from, operation.path] : [operation.path]
    try {
      applyOperation(document, owned, { layer, index, pointers, surroundings, copied })
    } catch (thrown) {
      if (!(thrown instanceof ConvergeError)) throw thrown
      // A value of an earlier, failed operation may be missing now.
      if (!pointers.some((pointer) => failed.some((other) => isBelow(pointer, other)))) problems.push(thrown)
      failed.push(...pointers)
      if (operation.op === 'test') break
    }
  }
  return { value: document, problems }
}

function isBelow(pointer: string, other: string): boolean {
  return pointer === other || pointer.startsWith(`${other}/`)
}

interface OperationContext {
  readonly layer: Layer
  readonly index: number
  readonly pointers: readonly string[]
  readonly surroundings: Surroundings
  /** Values that the operations of the patch have copied so far. */
  readonly copied: { count: number }
}

/**
 * @param owned top-level keys of the document that are already copies
 * @throws ConvergeError if the operation cannot be applied; defaults may already be filled in
 */
function applyOperation(
  document: Record<string, unknown>,
  owned: Set<string>,
  { layer, index, pointers, surroundings, copied }: OperationContext,
): void {
  const operation = structuredClone(layer.patch?.operations[index])
  if (operation === undefined) return
  const fail = (message: string, hint?: string): never => {
    throw new ConvergeError(`operation ${index + 1} (${operation.op} ${operation.path}): ${message}`, {
      code: 'PATCH_FAILED',
      source: layer.locate([index, 'path']) satisfies SourceLocation,
      hint,
      usage: true,
    })
  }
  for (const pointer of pointers) {
    const keys = pointerKeys(pointer)
    const top = keys[0] ?? ''
    if (!owned.has(top) && Object.hasOwn(document, top)) document[top] = structuredClone(document[top])
    owned.add(top)
    const mayBeNew = pointer === operation.path && ['add', 'move', 'copy'].includes(operation.op)
    ensurePath(document, keys, mayBeNew, surroundings, fail)
  }
  if (operation.op === 'copy') {
    copied.count += countValues(valueAt(document, pointerKeys(operation.from)), maxCopiedValues - copied.count)
    if (copied.count > maxCopiedValues) fail(`the operations copy more than ${inWords(maxCopiedValues)} values`)
  }
  if (operation.op === 'test') checkTest(document, operation, layer.patch?.library, surroundings, fail)
  else layer.patch?.library.applyOperation(document, operation, false, true, true, index)
}

/** Counts a value and everything in it, up to one more than the limit. */
function countValues(value: unknown, limit: number): number {
  let count = 1
  if (typeof value === 'object' && value !== null)
    for (const child of Object.values(value)) {
      if (count > limit) break
      count += countValues(child, limit - count)
    }
  return count
}

type Fail = (message: string, hint?: string) => never

/** Ensures that all keys of a pointer exist, with defaults if no layer sets them. */
function ensurePath(
  document: Record<string, unknown>,
  keys: readonly string[],
  mayBeNew: boolean,
  { withDefaults }: Surroundings,
  fail: Fail,
): void {
  let parent: unknown = document
  let defaults: { value: unknown } | undefined
  keys.forEach((key, index) => {
    const path = formatPath(keys.slice(0, index))
    const isLast = index === keys.length - 1
    if (Array.isArray(parent)) checkIndex(parent, key, isLast && mayBeNew, path, fail)
    else if (!isObject(parent)) fail(`${path} is neither an object nor a list`)
    else if (!Object.hasOwn(parent, key) && !(isLast && mayBeNew)) {
      const [topKey = ''] = keys
      defaults ??= { value: { [topKey]: withDefaults(topKey, document[topKey]) } }
      const defaultValue = keys.slice(0, index + 1).reduce((value, name) => childOf(value, name), defaults.value)
      if (defaultValue === undefined) {
        const names = Object.keys(parent)
        fail(`${formatPath(keys.slice(0, index + 1))} does not exist`, nearest(key, names))
      }
      // Parent objects stay empty, so that defaults which depend on other keys are still computed at the end.
      ;(parent as Record<string, unknown>)[key] =
        isObject(defaultValue) && !isLast ? {} : JSON.parse(JSON.stringify(defaultValue))
    }
    parent = childOf(parent, key)
  })
}

function checkIndex(list: readonly unknown[], key: string, mayBeNew: boolean, path: string, fail: Fail): void {
  if (mayBeNew && (key === '-' || key === String(list.length))) return
  if (!/^(0|[1-9]\d*)$/.test(key))
    fail(`${path} is a list, and ${key} is not an index`, 'use a number from 0, or - for the end')
  if (!hasChild(list, key))
    fail(`${path} has ${list.length} items, so item ${key} does not exist`, 'items count from 0')
}

function checkTest(
  document: JsonObject,
  operation: Extract<Operation, { op: 'test' }>,
  library: PatchLibrary | undefined,
  { isSecret }: Surroundings,
  fail: Fail,
): void {
  try {
    library?.applyOperation(document as Record<string, unknown>, operation, false, true)
  } catch (thrown) {
    if (!(thrown instanceof Error) || thrown.name !== 'TEST_OPERATION_FAILED') throw thrown
    const keys = pointerKeys(operation.path)
    const actual = keys.reduce<unknown>((value, key) => childOf(value, key), document)
    const isHidden =
      isSecret(keys) || typeof actual === 'object' || (typeof actual === 'string' && actual.includes('://'))
    if (isHidden) fail('the current value differs')
    fail(`the current value is ${JSON.stringify(actual)}`)
  }
}
