/** Reads a stack file: JSON, YAML or TypeScript, one of its environments laid over it, values from elsewhere fetched. */
import { dirname, join, resolve } from 'node:path'
import { readGivenFile } from '../../host/given_file.ts'
import { asConvergeError, ConvergeError, type SourceLocation } from '../../model/errors.ts'
import { nearest } from '../../model/nearest.ts'
import { utf8Text } from '../../model/utf8.ts'
import { foreignFileError } from '../../node/foreign_files.ts'
import type { WrittenNumber } from '../../node/json_text.ts'
import {
  type Document,
  documentLayer,
  type Layer,
  type NodeWarning,
  parseAttributes,
  parseLayer,
} from '../../node/layers.ts'
import { isObject, type JsonObject, merge } from '../../node/merge.ts'
import { layerThatSet, locateIn, withVerbatim, writtenAt } from '../../node/node.ts'
import type { Schemas } from '../../node/notes.ts'
import { applyPatch } from '../../node/patch.ts'
import { formatPath, type KeyPath } from '../../node/path.ts'
import { share } from '../../node/shared.ts'
import { fetched, placeOf, problemAt, type Search, unreadable } from './elsewhere.ts'
import { writtenNumbers } from './numbers.ts'

export interface FileOptions {
  /** Name of the environment that is meant; default: the file as it is. */
  readonly environment?: string | undefined
  /** Loads a stack.ts; without it only JSON and YAML are read. */
  readonly loadModule?: ((path: string) => Promise<Readonly<Record<string, unknown>>>) | undefined
  /** Of the attributes: tell where a text is meant, so that a number there stays as it is written. */
  readonly schemas?: Schemas | undefined
  /** Variables that `{"$env": …}` means; default: those of the process. */
  readonly variables?: Readonly<Record<string, string | undefined>> | undefined
}

/** What a stack file amounts to, unchecked. */
export interface ReadFile {
  /** The environments as they stand there, the rest with the one that is meant laid over it. */
  readonly value: JsonObject
  readonly search: Search
  readonly environments: readonly string[]
}

/** @throws ConvergeError, InvalidInput where the file cannot be read, or knows no such environment */
export async function readStackFile(file: string, options: FileOptions): Promise<ReadFile> {
  const layer = await fileLayer(file, options)
  if (layer.value === null) throw noStack({ file })
  const { environments: given, ...rest } = layer.value
  const environments = isObject(given) ? given : {}
  const layers = [{ ...layer, value: withoutNulls(rest) }, ...(await overlays(environments, layer, options))]
  const states = [layers[0]?.value ?? {}]
  for (const overlay of layers.slice(1)) states.push(withoutNulls(laidOver(states.at(-1) ?? {}, overlay)))
  const locate: Search['locate'] = (path, what) =>
    path[0] === 'environments' ? layer.locate(path, what) : (locateIn(layers, states, path, what) ?? { file })
  const search: Search = {
    directory: dirname(resolve(file)),
    environment: options.variables ?? process.env,
    schemas: options.schemas ?? {},
    locate,
    written: (path) => writtenAt(layers[layerThatSet(layers, states, path)], path),
    problems: layer.warnings.map(lostKey),
    warnings: [],
    secrets: new Set(),
    hidden: new Set(),
  }
  checkSizes(states.at(-1) ?? {}, search)
  // Custom JSON may be in files, which are read and fetched when the rest is known to be right.
  const { environments: _, ...all } = states.at(-1) ?? {}
  const value = fetched(all, [], search)
  return {
    // It is no object where the file as a whole is to stand elsewhere, which has been told.
    value: { ...(isObject(value) ? value : {}), ...(given === undefined ? {} : { environments: given }) },
    search,
    environments: Object.keys(environments),
  }
}

/** Entries of hosts, layers or apps; with more, each later step would take minutes. */
const mostEntries = 10_000

function checkSizes(value: JsonObject, { locate }: Search): void {
  for (const key of maps) {
    const entries = value[key]
    const count = isObject(entries) ? Object.keys(entries).length : 0
    if (count > mostEntries)
      throw problemAt(
        `${key}: ${count.toLocaleString('en')} entries, more than the limit of ${mostEntries.toLocaleString('en')}`,
        locate([key], 'key'),
        'divide the stack into several stack files',
      )
  }
}

/** A host that is lost because another has its name, or because of its name, is no small matter. */
function lostKey({ code, path, source, message }: NodeWarning): ConvergeError {
  if (code !== 'DUPLICATE_KEY') return problemAt(`${path}: no key can have this name`, source ?? { file: '' })
  return problemAt(message.replace(/: the last one counts$/, ''), source ?? { file: '' }, 'keep one of them')
}

const noStack = (source: SourceLocation) =>
  problemAt('a stack is an object', source, 'write { "name": …, "layers": …, "hosts": … }')

async function fileLayer(file: string, options: FileOptions): Promise<Layer> {
  if (/\.[cm]?[jt]s$/.test(file)) return moduleLayer(file, options)
  const text = textOf(file)
  try {
    const layer = await parseLayer({ text, file, kind: 'stack' })
    const foreign = foreignFileError(layer.value, file, layer.locate([]), 'a stack file')
    if (foreign !== undefined) throw foreign
    return layer
  } catch (error) {
    // Its words are those for attributes: for an object of them, or a patch to them.
    const [first] = problemsOf(error)
    if (first?.code === 'INVALID_PATCH') throw noStack({ file })
    if (first?.code === 'INVALID_LAYER' && first.source?.line !== undefined) throw noStack(first.source)
    throw error
  }
}

async function moduleLayer(file: string, { loadModule }: FileOptions): Promise<Layer> {
  if (loadModule === undefined) throw problemAt('only JSON and YAML are read here', { file })
  textOf(file)
  const { default: value } = await loadModule(file)
  const hint = 'export default defineStack({ name: …, layers: …, hosts: … })'
  if (!isObject(value) || value instanceof Promise) throw problemAt('it exports no stack', { file }, hint)
  try {
    return await documentLayer({ name: file, kind: 'stack', value })
  } catch (error) {
    // What has no form in JSON: a number that is too big, a value that contains itself.
    if (!(error instanceof TypeError)) throw error
    throw problemAt(`it exports more than plain data: ${error.message.split('\n')[0]}`, { file }, hint)
  }
}

function textOf(file: string): string {
  try {
    return utf8Text(readGivenFile(file), file)
  } catch (error) {
    if (error instanceof ConvergeError && error.code === 'NOT_UTF8') throw error
    const reason = asConvergeError(error).message.replace(/^.*?: /, '')
    const hint =
      error instanceof ConvergeError && error.code === 'NOT_A_FILE'
        ? `name the file itself, such as --stack ${join(file, 'stack.yaml')}`
        : `--stack FILE; it is looked for in the working directory, ${process.cwd()}`
    throw new ConvergeError(`the stack file ${file} cannot be read: ${reason}`, { code: 'NO_FILE', hint, usage: true })
  }
}

async function overlays(environments: JsonObject, layer: Layer, options: FileOptions): Promise<Layer[]> {
  const { environment } = options
  if (environment === undefined) return []
  const names = Object.keys(environments)
  const value = Object.hasOwn(environments, environment) ? environments[environment] : undefined
  const path: KeyPath = ['environments', environment]
  if (value === undefined)
    throw problemAt(
      `the stack has no environment ${environment}`,
      { file: layer.file },
      nearest(environment, names) ??
        (names.length > 0 ? `it has: ${names.join(', ')}` : 'it has none: leave --environment out'),
    )
  if (!isObject(value) && !Array.isArray(value))
    throw problemAt(`${formatPath(path)}: expected what is different there, or a JSON Patch`, layer.locate(path))
  const locate: Layer['locate'] = (inner, what) => layer.locate([...path, ...inner], what)
  const overlay = await documentLayer({ name: layer.file, kind: 'deployment', value, locate })
  const numbers = (layer.numbers ?? []).flatMap(({ path: whole, text }) =>
    path.every((key, at) => whole[at] === key) ? [{ path: whole.slice(path.length), text }] : [],
  )
  return [{ ...overlay, numbers }]
}

function laidOver(below: JsonObject, overlay: Layer): JsonObject {
  if (overlay.value !== null) return merge(below, overlay.value)
  return applyPatch(below, overlay, { standard: (_, said) => said, isSecret: () => true })
}

const maps = ['layers', 'hosts', 'apps']
/** Objects of an app that say nothing but settings of its own. */
const settings = ['scm', 'ssl']

/** A null means "not set" here: an environment takes a host away by it. Attributes keep theirs. */
function withoutNulls(value: JsonObject): JsonObject {
  const kept = Object.entries(value).flatMap(([key, child]): [string, unknown][] => {
    if (child === null) return []
    if (!isObject(child)) return [[key, child]]
    if (key === 'ssh' || key === 'health' || key === 'runtime') return [[key, pruned(child)]]
    if (!maps.includes(key)) return [[key, child]]
    const entries = Object.entries(pruned(child))
    return [[key, Object.fromEntries(entries.map(([name, one]) => [name, isObject(one) ? prunedEntry(one) : one]))]]
  })
  return Object.fromEntries(kept)
}

function prunedEntry(object: JsonObject): JsonObject {
  const entries = Object.entries(pruned(object))
  return Object.fromEntries(
    entries.map(([key, one]) => [key, settings.includes(key) && isObject(one) ? pruned(one) : one]),
  )
}

function pruned(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null))
}

/**
 * The documents of a custom JSON: an object, the operations of a JSON Patch, the path of a file with one of these, or a
 * list of such documents.
 * @param value as the stack file has it; @param path where it stands there
 */
export async function customDocuments(
  value: unknown,
  path: KeyPath,
  kind: Document['kind'],
  file: string,
  search: Search,
): Promise<Document[]> {
  if (value === undefined) return []
  const many = Array.isArray(value) && !value.every((one) => isObject(one) && 'op' in one)
  if (many) {
    const all = value.map((one, index) => customDocuments(one, [...path, index], kind, file, search))
    return (await Promise.all(all)).flat()
  }
  if (typeof value === 'string') return fileDocument(value, path, kind, search)
  const place = formatPath(path)
  if (!isObject(value) && !Array.isArray(value)) {
    const message = `${place}: expected attributes, a JSON Patch, or the path of a file with these`
    search.problems.push(problemAt(message, search.locate(path)))
    return []
  }
  const locate = (inner: KeyPath, what?: 'value' | 'key'): SourceLocation => search.locate([...path, ...inner], what)
  return checked({ name: `${file}: ${place}`, kind, value, locate }, writtenNumbers(value, path, search), search)
}

async function fileDocument(name: string, path: KeyPath, kind: Document['kind'], search: Search): Promise<Document[]> {
  const whole = placeOf(name, search.directory)
  let text: string
  try {
    text = utf8Text(readGivenFile(whole), name)
  } catch (error) {
    search.problems.push(
      error instanceof ConvergeError && error.code === 'NOT_UTF8' ? error : unreadable(name, path, search, error),
    )
    return []
  }
  try {
    const layer = await parseAttributes({ text, file: name, kind })
    search.warnings.push(...layer.warnings)
    const given = layer.value ?? (layer.patch?.operations as readonly unknown[] | undefined) ?? {}
    const value = fetched(given, [], { ...search, directory: dirname(whole), locate: layer.locate })
    return checked({ name, kind, value: value as JsonObject, locate: layer.locate }, layer.numbers ?? [], search)
  } catch (error) {
    search.problems.push(...problemsOf(error))
    return []
  }
}

/** The document with its numbers as they are written where a text is meant; operations of a patch that are wrong are problems. */
async function checked(document: Document, numbers: readonly WrittenNumber[], search: Search): Promise<Document[]> {
  try {
    const layer = await documentLayer(document)
    const { value, patch } = withVerbatim({ ...layer, numbers }, search.schemas)
    return [{ ...document, value: share(value ?? patch?.operations ?? {}) }]
  } catch (error) {
    search.problems.push(...problemsOf(error))
    return []
  }
}

/** Each of what was thrown, for telling it with the rest; the engine's own mistakes are thrown on. */
export function problemsOf(error: unknown): readonly ConvergeError[] {
  if (!(error instanceof ConvergeError && error.usage)) throw error
  return 'problems' in error ? (error.problems as readonly ConvergeError[]) : [error]
}
