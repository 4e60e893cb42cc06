/** Layers of attributes: what a JSON or YAML file, the environment or a role contributes, and where each key stands in it. */
import type { Operation } from 'fast-json-patch'
import { asConvergeError, ConvergeError, type SourceLocation, throwProblems } from '../model/errors.ts'
import { foreignFileError, foreignTextError } from './foreign_files.ts'
import { duplicateKeys, type Locate, type ParsedText, parseJson, quotedTexts, type WrittenNumber } from './json_text.ts'
import { isObject, type JsonObject } from './merge.ts'
import { checkOperations, type PatchLibrary } from './patch.ts'
import { formatPath, type KeyPath } from './path.ts'
import { isShared, jsonCopy } from './shared.ts'
import { parseYaml } from './yaml_text.ts'

/** Lowest first; of two layers of one kind the later one counts. */
export const layerKinds = ['facts', 'defaults', 'stack', 'role', 'host', 'deployment'] as const
export type LayerKind = (typeof layerKinds)[number]

/** Something odd in the input that stops nothing. */
export interface NodeWarning {
  readonly code: 'UNKNOWN_KEY' | 'DUPLICATE_KEY' | 'UNSAFE_KEY' | 'EMPTY_LAYER' | 'SHARED_ADDRESS' | 'NO_EFFECT'
  readonly message: string
  readonly path: string
  /** Advice for the user, in the imperative. */
  readonly hint?: string | undefined
  readonly source?: SourceLocation | undefined
}

export interface Layer {
  readonly kind: LayerKind
  /** As reports show it: a path, or what else the layer comes from. */
  readonly file: string
  /** The attributes of the layer, or null where it is a patch. */
  readonly value: JsonObject | null
  /** A JSON Patch (RFC 6902) to what the layers below say. */
  readonly patch: { readonly operations: readonly Operation[]; readonly library: PatchLibrary } | null
  /** Numbers that read otherwise than they are written; in a patch by the number of the operation, as `locate` has it. */
  readonly numbers?: readonly WrittenNumber[]
  readonly warnings: readonly NodeWarning[]
  /** Where a key path stands in the layer; in a patch the path starts with the number of the operation, from 0. */
  readonly locate: (path: KeyPath, what?: 'value' | 'key') => SourceLocation
}

export interface LayerText {
  readonly text: string
  readonly file: string
  readonly kind: LayerKind
}

/**
 * Reads a layer: YAML where the file's name ends in .yaml or .yml, else JSON, in which comments and trailing commas are
 * fine. An object is merged over the layers below; an array of operations is a JSON Patch.
 *
 * @throws ConvergeError, InvalidInput with every error of the text, each with line and column
 */
export async function parseLayer(given: LayerText): Promise<Layer> {
  const { layer, problems } = await draftLayer(given)
  throwProblems(problems, `${given.file} cannot be read`)
  return layer
}

/** A layer without what is wrong with its text. */
export interface LayerDraft {
  readonly layer: Layer
  readonly problems: readonly ConvergeError[]
}

/**
 * The same where single keys or values may be wrong.
 * @throws ConvergeError, InvalidInput where the rest cannot be read either
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
  const { keys, unsafe } = clean(value, file)
  const warnings = unsafe.map((path) => unsafeKey(path, locate))
  if (!isYaml) warnings.push(...duplicates(text, keys, file))
  return { layer: await layerOf(value, { kind, file, numbers, warnings, locate }), problems }
}

/**
 * A file with attributes, as an option names it.
 * @throws ConvergeError, InvalidInput with every error of the text, each with line and column
 */
export async function parseAttributes(given: LayerText): Promise<Layer> {
  const { layer, problems } = await draftAttributes(given)
  throwProblems(problems, `${given.file} cannot be read`)
  return layer
}

/** The same where single keys or values may be wrong. A file of another tool is refused, see foreign_files.ts. */
export async function draftAttributes(given: LayerText): Promise<LayerDraft> {
  const draft = await draftLayer(given)
  const { value, locate } = draft.layer
  const foreign = foreignFileError(value, given.file, locate([]), 'attributes')
  if (foreign !== undefined) throw foreign
  return draft
}

/** A layer as a value at hand: an object of attributes, or the operations of a JSON Patch. */
export interface Document {
  /** As reports show it: the file it is from, or what else. */
  readonly name: string
  readonly kind: LayerKind
  readonly value: JsonObject | readonly unknown[]
  /** Where a key path stands; default: in what it is named for. */
  readonly locate?: Layer['locate'] | undefined
}

/** @throws ConvergeError, InvalidInput with every problem of a patch */
export async function documentLayer({ name, kind, value, locate = () => ({ file: name }) }: Document): Promise<Layer> {
  const copy = jsonCopy(value) as JsonObject | unknown[]
  const { unsafe } = clean(copy, name)
  return layerOf(copy, { kind, file: name, warnings: unsafe.map((path) => unsafeKey(path, locate)), locate })
}

type LayerRest = Pick<Layer, 'kind' | 'file' | 'numbers' | 'warnings' | 'locate'>

async function layerOf(value: JsonObject | unknown[], rest: LayerRest): Promise<Layer> {
  if (isObject(value)) return { ...rest, value, patch: null }
  throwProblems(checkOperations(value, rest.locate), `${rest.file} is no valid JSON Patch`)
  const { default: library } = await import('fast-json-patch')
  return { ...rest, value: null, patch: { operations: value as Operation[], library } }
}

/**
 * Makes a layer of a value, such as the attributes of a role.
 * @param file describes the value in messages
 * @throws INVALID_LAYER where it has no form in JSON
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
    // It contains itself, or a number or function without a form in JSON.
    const reason = asConvergeError(error).message.split('\n')[0]
    const message = `the attributes of ${file} are more than plain data: ${reason}`
    const hint = 'declare texts, numbers, lists and objects only'
    throw new ConvergeError(message, { code: 'INVALID_LAYER', hint, usage: true })
  }
}

async function parseText(text: string, file: string, isYaml: boolean): Promise<ParsedText> {
  try {
    return isYaml ? await parseYaml(text) : parseJson(text)
  } catch (thrown) {
    if (thrown instanceof RangeError) throw tooDeep(file, thrown)
    throw thrown
  }
}

function locator(file: string, locate: Locate): Layer['locate'] {
  return (path, what) => ({ file, ...locate(path, what) })
}

function invalid(code: string, message: string, source: SourceLocation, hint?: string): ConvergeError {
  return new ConvergeError(message, { code, source, hint, usage: true })
}

function notAnObject(value: unknown, text: string, file: string): ConvergeError {
  const empty = text.trim() === '' || value === undefined || (value === null && !/\bnull\b/.test(text))
  const what = value === null ? 'null' : typeof value === 'string' ? 'a text' : `a ${typeof value}`
  return invalid(
    'INVALID_LAYER',
    empty ? 'there is nothing in it' : `an object of attributes is expected, got ${what}`,
    { file, line: 1, column: 1 },
    holdsJson(value)
      ? 'the attributes are inside a text: take it out of its quotes, for example with jq -r .'
      : 'write {} for no attributes, or [ ... ] for a JSON Patch',
  )
}

/** As `aws … --query Stacks[0].CustomJson` prints it. */
function holdsJson(value: unknown): boolean {
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

/** Counts keys, and takes away those named `__proto__`, which no merge could carry safely. */
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

/** A key given twice loses its first value without a word, so count: more keys in the text than in the value is one too many. */
function duplicates(text: string, keys: number, file: string): NodeWarning[] {
  let written = 0
  for (const { end } of quotedTexts(text)) if (/\s*:/y.test(text.slice(end, end + 100))) written++
  if (written === keys) return []
  return duplicateKeys(text).map(({ path, lines }) => ({
    code: 'DUPLICATE_KEY' as const,
    message: `${formatPath(path)} stands ${lines.length} times, in lines ${lines.join(', ')}: the last one counts`,
    path: formatPath(path),
    hint: 'keep one of them',
    source: { file, line: lines.at(-1) },
  }))
}
