/** Parses JSON with comments and trailing commas: its value, its problems, and the position of each key. */
import { type Node, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser'
import { explainJsonError } from './json_errors.ts'
import type { KeyPath } from './path.ts'

/** A position in a text; both numbers are 1-based. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** Returns the position of the value or key of a path, or else that of its last existing part. */
export type Locate = (path: KeyPath, part?: 'value' | 'key') => Position | undefined

export interface TextProblem extends Position {
  readonly message: string
  readonly hint?: string
  /** Whether the rest of the text is unambiguous, as with a duplicate key. */
  readonly isLocal?: boolean
}

/** A number that JavaScript would print differently, such as 1.10, or that is not a whole number, such as 3.1. */
export interface WrittenNumber {
  readonly path: KeyPath
  readonly text: string
}

export interface ParsedText {
  readonly value: unknown
  readonly numbers: readonly WrittenNumber[]
  readonly problems: readonly TextProblem[]
  readonly locate: Locate
}

/** Errors of syntax that are reported: a damaged text may have one for each of its characters. */
const maxErrors = 100

class TooManyErrors extends Error {}

/** The errors of a text; the parser ends when the list is full. */
class LimitedErrors extends Array<ParseError> {
  override push(...errors: ParseError[]): number {
    if (this.length >= maxErrors) throw new TooManyErrors()
    return super.push(...errors)
  }
}

/** Blanks in a row: the second parser takes 20 bytes of memory for each, and a minute for 60 million. */
const maxBlanks = 1_000_000

/** Returns the offset at which too many blanks in a row begin; -1 without them. */
function findLongBlanks(text: string): number {
  if (text.length <= maxBlanks) return -1
  for (let start = text.search(/[ \t]/), at = start; start >= 0 && at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code !== 32 && code !== 9) start = at + 1
    else if (at - start >= maxBlanks) return start
  }
  return -1
}

const syntax = { allowTrailingComma: true, disallowComments: false }

/**
 * Parses a text. Plain JSON is parsed by the JavaScript engine, which is ten times faster, and positions are computed on
 * demand.
 * @throws RangeError if it is nested too deeply
 */
export function parseJson(source: string): ParsedText {
  const text = source.replace(/^\uFEFF/, '')
  const blanks = findLongBlanks(text)
  if (blanks >= 0) {
    const isBlank = text.trim() === ''
    const message = `more than ${maxBlanks.toLocaleString('en')} blanks in a row: remove them`
    const problems = isBlank ? [] : [{ message, ...positionAt(text, blanks) }]
    return { value: undefined, numbers: [], problems, locate: () => ({ line: 1, column: 1 }) }
  }
  let tree: Node | undefined
  const positionOf = positionsIn(text)
  const properties = new Properties()
  const locate: Locate = (path, part = 'value') => {
    tree ??= parseTree(text, [], syntax)
    const offset = tree === undefined ? undefined : offsetOf(tree, path, part, properties)
    return offset === undefined ? undefined : positionOf(offset)
  }
  try {
    const value = JSON.parse(text) as unknown
    if (!mayRequireSpelling(text)) return { value, numbers: [], problems: [], locate }
    tree ??= parseTree(text, [], syntax)
    return { value, numbers: writtenNumbers(text, tree), problems: [], locate }
  } catch {
    // The text has comments, or is invalid: the second parser decides.
  }
  const errors = new LimitedErrors()
  try {
    tree = parseTree(text, errors, syntax)
  } catch (error) {
    if (!(error instanceof TooManyErrors)) throw error
  }
  // A text of blanks and comments alone is not an error of syntax.
  const isEmpty =
    tree === undefined &&
    errors.length < maxErrors &&
    errors.every(({ error }) => printParseErrorCode(error) === 'ValueExpected')
  const problems = isEmpty
    ? []
    : firstOfAdjacent(errors, text).map((error) => ({
        message: explainJsonError(error, text),
        ...positionAt(text, error.offset),
      }))
  return {
    value: tree === undefined ? undefined : treeValue(tree),
    numbers: writtenNumbers(text, tree),
    problems,
    locate,
  }
}

/** Decides whether the spelling of a number must be kept: JavaScript prints it differently, or it is not a whole number. */
export const requiresSpelling = (written: string, value = Number(written)) =>
  !Number.isSafeInteger(value) || String(value) !== written

export const hasLeadingZero = (written: string): boolean => /^[-+]?0\d/.test(written)

/**
 * Decides whether a number is infinite, not a number, or a different integer from the one in the file. A leading zero
 * counts: such digits are a mode or an identifier, and other readers of YAML take them as octal.
 */
export function isInexact(written: string): boolean {
  if (hasLeadingZero(written)) return true
  if (!Number.isFinite(Number(written))) return true
  return /^-?\d+$/.test(written) && BigInt(written) !== BigInt(Number(written))
}

/** Decides whether the text may contain a number whose spelling must be kept; digits in strings do not count. */
function mayRequireSpelling(text: string): boolean {
  let from = 0
  const isInRange = (end: number) =>
    (text.slice(from, end).match(/-?\d[\d.eE+-]*/g) ?? []).some((number) => requiresSpelling(number))
  for (const { start, end } of quotedTexts(text)) {
    if (isInRange(start)) return true
    from = end
  }
  return isInRange(text.length)
}

/** Returns the range of each string. A regular expression would run out of stack on a long one. */
export function* quotedTexts(text: string): Generator<{ readonly start: number; readonly end: number }> {
  for (let start = text.indexOf('"'); start !== -1; ) {
    let quote = text.indexOf('"', start + 1)
    while (quote !== -1 && isEscaped(text, quote)) quote = text.indexOf('"', quote + 1)
    if (quote === -1) return
    yield { start, end: quote + 1 }
    start = text.indexOf('"', quote + 1)
  }
}

function isEscaped(text: string, at: number): boolean {
  let slashes = 0
  while (text[at - 1 - slashes] === '\\') slashes++
  return slashes % 2 === 1
}

function writtenNumbers(text: string, tree: Node | undefined): WrittenNumber[] {
  const found: WrittenNumber[] = []
  const visit = (node: Node, path: KeyPath): void => {
    if (node.type === 'number') {
      const written = text.slice(node.offset, node.offset + node.length)
      if (requiresSpelling(written)) found.push({ path, text: written })
    } else if (node.type === 'array') node.children?.forEach((child, index) => void visit(child, [...path, index]))
    else
      for (const { children: [name, value] = [] } of node.children ?? [])
        if (name !== undefined && value !== undefined) visit(value, [...path, name.value as string])
  }
  if (tree !== undefined) visit(tree, [])
  return found
}

/** Merges errors with no word between them, because one typing error causes several for the characters after it. */
function firstOfAdjacent(errors: readonly ParseError[], text: string): ParseError[] {
  let end = -1
  return errors.filter(({ offset, length }) => {
    const apart = end === -1 || /[\w"]/.test(text.slice(end, offset))
    end = Math.max(end, offset + length)
    return apart
  })
}

export function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset)
  const start = before.lastIndexOf('\n') + 1
  let line = 1
  for (let at = before.indexOf('\n'); at !== -1; at = before.indexOf('\n', at + 1)) line++
  return { line, column: offset - start + 1 }
}

/** Returns a function that finds the positions of many offsets of one text. */
function positionsIn(text: string): (offset: number) => Position {
  let starts: number[] | undefined
  return (offset) => {
    starts ??= [0, ...Array.from(text.matchAll(/\n/g), ({ index }) => index + 1)]
    let [low, high] = [0, starts.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 }
  }
}

function offsetOf(tree: Node, path: KeyPath, part: 'value' | 'key', properties: Properties): number {
  let at = tree
  let key: Node | undefined
  for (const part of path) {
    const property = properties.of(at, part)
    if (property === undefined) return (key ?? at).offset
    key = property.key
    at = property.value
  }
  return (part === 'key' ? (key ?? at) : at).offset
}

interface Property {
  readonly key: Node | undefined
  readonly value: Node
}

/** Indexes the children of objects by key, because many keys of one object are looked up. */
class Properties {
  private readonly known = new Map<Node, ReadonlyMap<string, Property>>()

  of(node: Node, key: string | number): Property | undefined {
    if (node.type === 'array') {
      const item = node.children?.[Number(key)]
      return item && { key: undefined, value: item }
    }
    const all = this.known.get(node) ?? propertiesOf(node)
    this.known.set(node, all)
    return all.get(String(key))
  }
}

/** Returns the last one of duplicate keys, which is the one that counts. */
function propertiesOf(node: Node): ReadonlyMap<string, Property> {
  const found = new Map<string, Property>()
  for (const { children: [key, value] = [] } of node.children ?? [])
    if (key !== undefined && value !== undefined) found.set(String(key.value), { key, value })
  return found
}

function treeValue(node: Node): unknown {
  if (node.type === 'array') return (node.children ?? []).map(treeValue)
  if (node.type !== 'object') return node.value as unknown
  const object: Record<string, unknown> = {}
  for (const { children = [] } of node.children ?? []) {
    const [name, value] = children
    if (name === undefined || value === undefined) continue
    const property = { value: treeValue(value), enumerable: true, configurable: true, writable: true }
    Object.defineProperty(object, name.value as string, property)
  }
  return object
}

/** Returns the duplicate keys of objects, each with the position of the one that counts. */
export function duplicateKeys(source: string): { path: KeyPath; lines: readonly number[] }[] {
  const found: { path: KeyPath; lines: readonly number[] }[] = []
  const text = source.replace(/^\uFEFF/, '')
  const positionOf = positionsIn(text)
  const visit = (node: Node, path: KeyPath): void => {
    if (node.type === 'array') return node.children?.forEach((child, index) => void visit(child, [...path, index]))
    const offsetsByKey = new Map<string, number[]>()
    for (const { children: [name, value] = [] } of node.children ?? []) {
      if (name === undefined) continue
      const key = name.value as string
      const offsets = offsetsByKey.get(key)
      if (offsets === undefined) offsetsByKey.set(key, [name.offset])
      else offsets.push(name.offset)
      if (value !== undefined) visit(value, [...path, key])
    }
    for (const [key, offsets] of offsetsByKey)
      if (offsets.length > 1)
        found.push({ path: [...path, key], lines: offsets.map((offset) => positionOf(offset).line) })
  }
  const tree = parseTree(text, [], syntax)
  if (tree !== undefined) visit(tree, [])
  return found
}
