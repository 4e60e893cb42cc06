/** Parses YAML: its value, its problems, and the position of each key. Loads the library with the first such file. */
import type { Document, Node, Pair, YAMLError } from 'yaml'
import {
  type Locate,
  type ParsedText,
  type Position,
  requiresSpelling,
  type TextProblem,
  type WrittenNumber,
} from './json_text.ts'
import type { KeyPath } from './path.ts'

/** @throws RangeError if it is nested too deeply */
export async function parseYaml(text: string): Promise<ParsedText> {
  return parseYamlWith(await import('yaml'), text)
}

/**
 * Parses YAML with a library that the caller has loaded.
 * @throws RangeError if it is nested too deeply
 */
export function parseYamlWith(yaml: typeof import('yaml'), text: string): ParsedText {
  const counter = new yaml.LineCounter()
  // Pretty errors would quote the line, which may contain a password.
  const document = yaml.parseDocument(text, {
    lineCounter: counter,
    prettyErrors: false,
    merge: true,
    stringKeys: true,
    // The values of !!binary, !!set, !!omap and !!timestamp have no form in JSON.
    resolveKnownTags: false,
    // The library compares each key with each other one.
    uniqueKeys: false,
  })
  const positionOf = (offset: number): Position => {
    const { line, col } = counter.linePos(offset)
    return { line, column: col }
  }
  if (document.errors.some(({ code }) => code === 'RESOURCE_EXHAUSTION')) throw new RangeError('nested too deeply')
  const tab = [...document.errors].sort((one, other) => one.pos[0] - other.pos[0]).find((error) => isTab(error, text))
  const problems: TextProblem[] = (
    tab === undefined
      ? [
          ...[...document.errors, ...document.warnings].map(explainError),
          ...keyProblems(yaml, document),
          ...aliasProblems(yaml, document),
        ]
      : // All other errors may result from it.
        [explainError({ ...tab, code: 'TAB_AS_INDENT' })]
  )
    .sort((one, other) => one.offset - other.offset)
    .map(({ offset, ...problem }) => ({ ...problem, ...positionOf(offset) }))
  const pairs: PairsByKey = new WeakMap()
  const locate: Locate = (path, part = 'value') => {
    const offset = offsetOf(yaml, document, { path, part, pairs })
    return offset === undefined ? undefined : positionOf(offset)
  }
  if (!problems.every(({ isLocal }) => isLocal)) return { value: undefined, numbers: [], problems, locate }
  try {
    return { ...numberedValue(yaml, document), problems, locate }
  } catch (thrown) {
    const danglingAliases = findDanglingAliases(yaml, document).map((offset) => ({
      message: 'an alias without an anchor before it',
      hint: 'define the anchor (&name) above the alias (*name), or put the text in quotes',
      ...positionOf(offset),
    }))
    // Merge keys without a map behind an alias are another error of the library, but have the same cause.
    if (danglingAliases.length === 0 && !(thrown instanceof ReferenceError)) throw thrown
    const tooManyValues = {
      message: 'aliases that expand to too many values',
      hint: 'write the values without aliases',
      line: 1,
      column: 1,
    }
    return {
      value: undefined,
      numbers: [],
      problems: danglingAliases.length > 0 ? danglingAliases : [tooManyValues],
      locate,
    }
  }
}

/** Errors that leave the rest of the file unambiguous. */
const localErrors: readonly YAMLError['code'][] = ['DUPLICATE_KEY', 'TAG_RESOLVE_FAILED', 'BAD_DQ_ESCAPE']

/** A number with its spelling in the file, used while the document is converted to a value. */
class SpelledNumber {
  readonly value: number
  readonly text: string
  constructor(value: number, text: string) {
    this.value = value
    this.text = text
  }
}

/** Returns the value, and its numbers as they are written, also behind aliases and merge keys. */
function numberedValue(yaml: Yaml, document: Document.Parsed): Pick<ParsedText, 'value' | 'numbers'> {
  yaml.visit(document, {
    Scalar(_, node) {
      const { value, source } = node
      if (typeof value === 'number' && source !== undefined && requiresSpelling(source, value))
        node.value = new SpelledNumber(value, source)
    },
  })
  const numbers: WrittenNumber[] = []
  const convert = (value: unknown, path: KeyPath): unknown => {
    if (value instanceof SpelledNumber) {
      numbers.push({ path, text: value.text })
      return value.value
    }
    if (Array.isArray(value)) return value.map((item, index) => convert(item, [...path, index]))
    if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
    const copy: Record<string, unknown> = {}
    for (const [key, child] of Object.entries(value)) {
      const property = { value: convert(child, [...path, key]), enumerable: true, configurable: true, writable: true }
      Object.defineProperty(copy, key, property)
    }
    return copy
  }
  return { value: convert(document.toJS(), []), numbers }
}

/** Returns the duplicate keys of maps, and merge keys without a map. */
function keyProblems(yaml: Yaml, document: Document.Parsed): OffsetProblem[] {
  const found: OffsetProblem[] = []
  yaml.visit(document, {
    Map(_, map) {
      const keys = new Set<string>()
      for (const { key, value } of map.items as Pair[]) {
        if (!yaml.isScalar(key)) continue
        const [offset, name] = [key.range?.[0] ?? 0, String(key.value)]
        if (name === '<<' && key.type === 'PLAIN') {
          if (!isMergeable(yaml, document, value))
            found.push({
              message: 'a merge key << without a map',
              hint: 'merge maps only, as in <<: *defaults',
              offset,
              isLocal: false,
            })
        } else if (keys.has(name))
          found.push({
            message: `duplicate key ${JSON.stringify(name)}`,
            hint: 'remove or rename one of the keys',
            offset,
            isLocal: true,
          })
        keys.add(name)
      }
    },
  })
  return found
}

/** Decides whether a merge key accepts the value; an alias without an anchor is accepted here, and reported elsewhere. */
function isMergeable(yaml: Yaml, document: Document.Parsed, value: unknown): boolean {
  const resolved = (node: unknown) => (yaml.isAlias(node) ? node.resolve(document) : node)
  const isMap = (node: unknown) => node === undefined || yaml.isMap(node)
  const node = resolved(value)
  return yaml.isSeq(node) ? node.items.every((item) => isMap(resolved(item))) : isMap(node)
}

/** Returns the aliases of a map or list inside of that map or list. */
function aliasProblems(yaml: Yaml, document: Document.Parsed): OffsetProblem[] {
  const found: OffsetProblem[] = []
  // An alias means the last anchor of its name before it. Alias.resolve would search the document each time.
  const anchored = new Map<string, Node>()
  yaml.visit(document, {
    Node(_, node, ancestors) {
      if (!yaml.isAlias(node)) {
        if (node.anchor !== undefined) anchored.set(node.anchor, node)
        return
      }
      const target = anchored.get(node.source)
      if (target !== undefined && ancestors.includes(target))
        found.push({
          message: 'an alias that contains itself',
          hint: 'write the value there without the alias',
          offset: node.range?.[0] ?? 0,
          isLocal: false,
        })
    },
  })
  return found
}

function findDanglingAliases(yaml: Yaml, document: Document.Parsed): number[] {
  const offsets: number[] = []
  yaml.visit(document, {
    Alias(_, node) {
      if (node.resolve(document) === undefined) offsets.push(node.range?.[0] ?? 0)
    },
  })
  return offsets
}

interface OffsetProblem {
  readonly message: string
  readonly hint: string
  readonly offset: number
  readonly isLocal: boolean
}

/** Decides whether an error is about a tab: inside brackets, the library reports it as a wrong indentation. */
function isTab({ code, pos: [offset] }: YAMLError, text: string): boolean {
  if (code === 'TAB_AS_INDENT') return true
  const before = text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset)
  return code === 'BAD_INDENT' && /^\s*\t\s*$/.test(before)
}

function explainError(error: Pick<YAMLError, 'code' | 'message' | 'pos'>): OffsetProblem {
  return {
    message: explain(error),
    hint: hints[error.code] ?? checkSyntax,
    offset: error.pos[0],
    isLocal: localErrors.includes(error.code),
  }
}

/** Replaces messages of the library that repeat the text of the file, which may be a password. */
function explain({ code, message }: Pick<YAMLError, 'code' | 'message'>): string {
  if (code === 'MISSING_CHAR' && message.startsWith('Missing closing')) return 'the closing quote of a text is missing'
  if (code === 'BAD_INDENT' && message.startsWith('Flow'))
    return 'a closing bracket is missing, or a line inside is not indented'
  return messages[code] ?? 'invalid YAML'
}

const unexpectedText = 'unexpected text'

const messages: Readonly<Partial<Record<YAMLError['code'], string>>> = {
  BAD_ALIAS: 'an anchor or alias without a valid name',
  BAD_DQ_ESCAPE: 'an unknown escape after a backslash',
  BAD_INDENT: 'an indentation that matches no line above it',
  BAD_SCALAR_START: 'a character that starts a text only in quotes',
  BLOCK_AS_IMPLICIT_KEY: unexpectedText,
  BLOCK_IN_FLOW: 'an indented block inside brackets',
  MISSING_CHAR: 'a character is missing: a colon after a key, a comma, a closing bracket or a blank',
  MULTILINE_IMPLICIT_KEY: 'a key on several lines: a colon or a quote is missing',
  NON_STRING_KEY: 'a list or a map as a key: a key must be a text',
  MULTIPLE_DOCS: 'more than one document in the file',
  TAB_AS_INDENT: 'a tab in the indentation',
  TAG_RESOLVE_FAILED: 'an unknown tag',
  UNEXPECTED_TOKEN: unexpectedText,
}

const checkSyntax = 'check the indentation, quotes and brackets there'

const hints: Readonly<Partial<Record<YAMLError['code'], string>>> = {
  MULTIPLE_DOCS: 'write a file for each document',
  TAB_AS_INDENT: 'indent with spaces: YAML does not allow tabs',
  TAG_RESOLVE_FAILED: 'remove the tag, or put the text in quotes',
}

type Yaml = typeof import('yaml')

type PairsByKey = WeakMap<Node, ReadonlyMap<string, Pair>>

interface LookUp {
  readonly path: KeyPath
  readonly part: 'value' | 'key'
  readonly pairs: PairsByKey
}

function offsetOf(yaml: Yaml, document: Document.Parsed, { path, part, pairs }: LookUp): number | undefined {
  let node: Node | null = document.contents
  let key: Node | null = null
  for (const part of path) {
    const child = childNode(yaml, yaml.isAlias(node) ? (node.resolve(document) ?? null) : node, part, pairs)
    if (child === undefined) break
    key = child.key
    node = child.value ?? child.key
  }
  return ((part === 'key' ? key : null) ?? node)?.range?.[0]
}

function childNode(
  yaml: Yaml,
  node: Node | null,
  part: string | number,
  pairs: PairsByKey,
): { key: Node | null; value: Node | null } | undefined {
  if (yaml.isSeq(node)) {
    const item = node.items[Number(part)]
    return yaml.isNode(item) ? { key: null, value: item } : undefined
  }
  if (!yaml.isMap(node)) return undefined
  const all = pairs.get(node) ?? pairsOf(yaml, node.items)
  pairs.set(node, all)
  const pair = all.get(String(part))
  if (pair === undefined) return undefined
  return { key: yaml.isNode(pair.key) ? pair.key : null, value: yaml.isNode(pair.value) ? pair.value : null }
}

/** Returns the last one of duplicate keys, which is the one that counts. */
function pairsOf(yaml: Yaml, items: readonly Pair[]): ReadonlyMap<string, Pair> {
  const keyed = items.flatMap((pair): [string, Pair][] =>
    yaml.isScalar(pair.key) ? [[String(pair.key.value), pair]] : [],
  )
  return new Map(keyed)
}
