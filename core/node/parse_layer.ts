/** Parses layers of attributes, and records the position of each key in its file. */
import type { Operation } from 'fast-json-patch'
import { asConvergeError, ConvergeError, isStackOverflow, type SourceLocation, throwProblems } from '../model/errors.ts'
import { foreignFileError, foreignTextError } from './foreign_files.ts'
import { duplicateKeys, type Locate, type ParsedText, parseJson, quotedTexts } from './json_text.ts'
import type { Layer, LayerKind, NodeWarning } from './layer.ts'
import { isObject, type JsonObject } from './merge.ts'
import { checkOperations } from './patch.ts'
import { formatPath, type KeyPath } from './path.ts'
import { isShared, jsonCopy } from './shared_values.ts'
import { parseYaml } from './yaml_text.ts'

export interface LayerText {
  readonly text: string
  readonly file: string
  readonly kind: LayerKind
}

/**
 * Reads a layer: YAML where the file's name ends in .yaml or .yml, else JSON, in which comments and trailing commas are
 * allowed. An object is merged over the layers below; an array of operations is a JSON Patch.
 *
 * @throws ConvergeError, InvalidInput with every error of the text, each with line and column
 */
export async function parseLayer(input: LayerText): Promise<Layer> {
  const { layer, problems } = await draftLayer(input)
  throwProblems(problems, `${input.file} cannot be read`)
  return layer
}

/** A layer without the invalid parts of its text. */
export interface LayerDraft {
  readonly layer: Layer
  readonly problems: readonly ConvergeError[]
}

/**
 * Does the same for a text in which single keys or values may be wrong.
 * @throws ConvergeError, InvalidInput if the rest cannot be read either
 */
export async function draftLayer({ text, file, kind }: LayerText): Promise<LayerDraft> {
  const isYaml = /\.ya?ml$/i.test(file)
  const parsed = await parseText(text, file, isYaml)
  const locate = locator(file, parsed.locate)
  const foreign = parsed.problems.length > 0 ? foreignTextError(text, file) : undefined
  if (foreign !== undefined) throw foreign
  const problems = parsed.problems.map(({ message, hint, line, column }) =>
    invalid(
      'INVALID_SYNTAX',
      message,
      { file, line, column },
      isYaml ? hint : 'it is read as JSON; comments and trailing commas are fine',
    ),
  )
  if (!parsed.problems.every(({ isLocal }) => isLocal)) throwProblems(problems, `${file} cannot be read`)
  const { value, numbers } = parsed
  if (!isObject(value) && !Array.isArray(value)) throw notAnObject(value, text, file)
  problems.push(...brokenTexts(value, text, locate))
  const { keys, unsafe } = clean(value, file)
  const warnings = unsafe.map((path) => unsafeKey(path, locate))
  if (!isYaml) warnings.push(...duplicates(text, keys, file))
  const kept = numbers.filter(({ path }) => !path.includes('__proto__'))
  return { layer: await layerOf(value, { kind, file, numbers: kept, warnings, locate }), problems }
}

/**
 * Reads a file with attributes, as an option names it.
 * @throws ConvergeError, InvalidInput with every error of the text, each with line and column
 */
export async function parseAttributes(input: LayerText): Promise<Layer> {
  const { layer, problems } = await draftAttributes(input)
  throwProblems(problems, `${input.file} cannot be read`)
  return layer
}

/** Does the same for a file in which single keys or values may be wrong; refuses files of other tools, see foreign_files.ts. */
export async function draftAttributes(input: LayerText): Promise<LayerDraft> {
  const draft = await draftLayer(input)
  const { value, locate } = draft.layer
  const foreign = foreignFileError(value, input.file, locate([]), 'attributes')
  if (foreign !== undefined) throw foreign
  return draft
}

/** A layer given as a value: an object of attributes, or the operations of a JSON Patch. */
export interface Document {
  /** Name in reports: the file, or another origin. */
  readonly name: string
  readonly kind: LayerKind
  readonly value: JsonObject | readonly unknown[]
  /** Returns the position of a key path; default: the name alone. */
  readonly locate?: Layer['locate'] | undefined
}

/** @throws ConvergeError, InvalidInput with every problem of a patch */
export async function documentLayer({ name, kind, value, locate = () => ({ file: name }) }: Document): Promise<Layer> {
  const copy = documentCopy(value, name)
  const { unsafe } = clean(copy, name)
  return layerOf(copy, { kind, file: name, warnings: unsafe.map((path) => unsafeKey(path, locate)), locate })
}

/** @throws INVALID_LAYER if it is nested too deeply for the stack */
function documentCopy(value: unknown, file: string): JsonObject | unknown[] {
  try {
    return jsonCopy(value) as JsonObject | unknown[]
  } catch (thrown) {
    if (isStackOverflow(thrown)) throw tooDeep(file, thrown)
    throw thrown
  }
}

type LayerRest = Pick<Layer, 'kind' | 'file' | 'numbers' | 'warnings' | 'locate'>

async function layerOf(value: JsonObject | unknown[], rest: LayerRest): Promise<Layer> {
  if (isObject(value)) return { ...rest, value, patch: null }
  throwProblems(checkOperations(value, rest.locate), `${rest.file} is not a valid JSON Patch`)
  const { default: library } = await import('fast-json-patch')
  return { ...rest, value: null, patch: { operations: value as Operation[], library } }
}

/**
 * Makes a layer of a value, such as the attributes of a role.
 * @param file describes the value in messages
 * @throws INVALID_LAYER if JSON cannot represent it
 */
export function objectLayer(value: JsonObject, file: string, kind: LayerKind): Layer {
  const copy = plainCopy(value, file)
  const { unsafe } = clean(copy, file)
  const locate = () => ({ file })
  return { kind, file, value: copy, patch: null, warnings: unsafe.map((path) => unsafeKey(path, locate)), locate }
}

function plainCopy(value: JsonObject, file: string): JsonObject {
  try {
    return jsonCopy(value)
  } catch (error) {
    // It contains itself, or a number or function that JSON cannot represent.
    const reason = asConvergeError(error).message.split('\n')[0]
    const message = `the attributes of ${file} are more than plain data: ${reason}`
    const hint = 'declare texts, numbers, lists and objects only'
    throw new ConvergeError(message, { code: 'INVALID_LAYER', hint, usage: true })
  }
}

/** Bytes of YAML; its parser needs a second for 2 MiB, ten times as long as for JSON. */
const maxYamlSize = 8 << 20

function tooLargeYaml(file: string, length: number): ConvergeError {
  const size = length.toLocaleString('en')
  return invalid(
    'INVALID_LAYER',
    `${size} characters of YAML, more than the limit of ${maxYamlSize >> 20} MiB`,
    { file },
    'write it as JSON, or divide it',
  )
}

async function parseText(text: string, file: string, isYaml: boolean): Promise<ParsedText> {
  if (isYaml && text.length > maxYamlSize) throw tooLargeYaml(file, text.length)
  try {
    return isYaml ? await parseYaml(text) : parseJson(text)
  } catch (thrown) {
    if (thrown instanceof RangeError) throw tooDeep(file, thrown)
    throw thrown
  }
}

function locator(file: string, locate: Locate): Layer['locate'] {
  return (path, part) => ({ file, ...locate(path, part) })
}

function invalid(code: string, message: string, source: SourceLocation, hint?: string): ConvergeError {
  return new ConvergeError(message, { code, source, hint, usage: true })
}

/** Half of a surrogate pair: UTF-8 cannot represent it, so a file would contain another text. */
const loneSurrogate = /\p{Surrogate}/u

/** Finds texts that are not Unicode; such a text needs an escape, because the file itself is UTF-8. */
function brokenTexts(value: unknown, text: string, locate: Layer['locate']): ConvergeError[] {
  if (!/\\u[dD][89a-fA-F]/.test(text)) return []
  const found: ConvergeError[] = []
  const report = (path: KeyPath, part: 'value' | 'key') =>
    void found.push(
      invalid(
        'INVALID_SYNTAX',
        `${formatPath(path)}: the ${part === 'key' ? 'key' : 'text'} contains half of a surrogate pair`,
        locate(path, part),
        'write the character itself, without escapes',
      ),
    )
  const visit = (child: unknown, path: KeyPath): void => {
    if (path.length > deepest) return
    if (typeof child === 'string' && loneSurrogate.test(child)) report(path, 'value')
    else if (Array.isArray(child)) child.forEach((item, index) => void visit(item, [...path, index]))
    else if (isObject(child))
      for (const [key, inner] of Object.entries(child)) {
        if (loneSurrogate.test(key)) report([...path, key], 'key')
        visit(inner, [...path, key])
      }
  }
  visit(value, [])
  return found
}

function notAnObject(value: unknown, text: string, file: string): ConvergeError {
  const empty = text.trim() === '' || value === undefined || (value === null && !/\bnull\b/.test(text))
  const what = value === null ? 'null' : typeof value === 'string' ? 'a text' : `a ${typeof value}`
  return invalid(
    'INVALID_LAYER',
    empty ? 'there is nothing in it' : `an object of attributes is expected, got ${what}`,
    { file, line: 1, column: 1 },
    containsJson(value)
      ? 'the attributes are inside a text: take it out of its quotes, for example with jq -r .'
      : 'write {} for no attributes, or [ ... ] for a JSON Patch',
  )
}

/** Accepts the form that `aws … --query Stacks[0].CustomJson` prints. */
function containsJson(value: unknown): boolean {
  return typeof value === 'string' && /^\s*[{[]/.test(value)
}

const deepest = 200

function tooDeep(file: string, cause?: unknown): ConvergeError {
  return new ConvergeError('it is nested too deeply', {
    code: 'INVALID_LAYER',
    source: { file },
    hint: `nest at most ${deepest} levels`,
    usage: true,
    cause,
  })
}

/** Counts keys, and removes those named `__proto__`, which cannot be merged safely. */
function clean(root: JsonObject | unknown[], file: string): { keys: number; unsafe: KeyPath[] } {
  let keys = 0
  const unsafe: KeyPath[] = []
  const visit = (value: unknown, path: readonly (string | number)[]): void => {
    // Shared values have been checked already.
    if (typeof value !== 'object' || value === null || isShared(value)) return
    if (path.length > deepest) throw tooDeep(file)
    if (Array.isArray(value)) return value.forEach((item, index) => void visit(item, [...path, index]))
    for (const key of Object.keys(value)) {
      keys++
      const child = (value as Record<string, unknown>)[key]
      if (key === '__proto__') {
        unsafe.push([...path, key])
        Reflect.deleteProperty(value, key)
      } else if (typeof child === 'object' && child !== null) visit(child, [...path, key])
    }
  }
  visit(root, [])
  return { keys, unsafe }
}

function unsafeKey(path: KeyPath, locate: Layer['locate']): NodeWarning {
  const message = `${formatPath(path)}: a key of this name is left out`
  return { code: 'UNSAFE_KEY', message, path: formatPath(path), source: locate(path, 'key') }
}

const mostListed = 10

function listOf(lines: readonly number[]): string {
  const more = lines.length > mostListed ? ', …' : ''
  return lines.slice(0, mostListed).join(', ') + more
}

/** Detects duplicate keys, whose first value is lost silently: the text then has more keys than the value. */
function duplicates(text: string, keys: number, file: string): NodeWarning[] {
  let written = 0
  for (const { end } of quotedTexts(text)) if (/\s*:/y.test(text.slice(end, end + 100))) written++
  if (written === keys) return []
  return duplicateKeys(text).map(({ path, lines }) => ({
    code: 'DUPLICATE_KEY' as const,
    message: `${formatPath(path)} stands ${lines.length} times, in lines ${listOf(lines)}: the last one counts`,
    path: formatPath(path),
    hint: 'keep one of them',
    source: { file, line: lines.at(-1) },
  }))
}
