/** Reads a stack file: JSON, YAML or TypeScript, one of its environments laid over it, values from elsewhere fetched. */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { asConvergeError, ConvergeError, type SourceLocation } from '../../model/errors.ts'
import { nearest } from '../../model/nearest.ts'
import { type Document, documentLayer, type Layer, type NodeWarning, parseLayer } from '../../node/layers.ts'
import { isObject, type JsonObject, merge } from '../../node/merge.ts'
import { locateIn } from '../../node/node.ts'
import { applyPatch } from '../../node/patch.ts'
import { formatPath, type KeyPath } from '../../node/path.ts'
import { fetched, placeOf, problemAt, type Search, unreadable } from './elsewhere.ts'

export interface FileOptions {
  /** Name of the environment that is meant; default: the file as it is. */
  readonly environment?: string | undefined
  /** Loads a stack.ts; without it only JSON and YAML are read. */
  readonly loadModule?: ((path: string) => Promise<Readonly<Record<string, unknown>>>) | undefined
  /** Variables that `{"$env": …}` means; default: those of the process. */
  readonly variables?: Readonly<Record<string, string | undefined>> | undefined
}

/** What a stack file amounts to, unchecked. */
export interface ReadFile {
  readonly value: JsonObject
  readonly search: Search
  readonly environments: readonly string[]
  readonly warnings: readonly NodeWarning[]
}

/** @throws ConvergeError, InvalidInput where the file cannot be read, or knows no such environment */
export async function readStackFile(file: string, options: FileOptions): Promise<ReadFile> {
  const layer = await fileLayer(file, options)
  if (layer.value === null)
    throw problemAt('a stack is an object, not a list', { file }, 'write { "name": …, "layers": …, "hosts": … }')
  const { environments: given, ...rest } = layer.value
  const environments = isObject(given) ? given : {}
  const layers = [{ ...layer, value: withoutNulls(rest) }, ...(await overlays(environments, layer, options))]
  const states = [layers[0]?.value ?? {}]
  for (const overlay of layers.slice(1)) states.push(withoutNulls(laidOver(states.at(-1) ?? {}, overlay)))
  const search: Search = {
    directory: dirname(resolve(file)),
    environment: options.variables ?? process.env,
    locate: (path, what) => locateIn(layers, states, path, what) ?? { file },
    problems: [],
    secrets: new Set(),
    hidden: new Set(),
  }
  // Custom JSON may be in files, which are read and fetched when the rest is known to be right.
  const all = fetched(states.at(-1), [], search)
  // It is no object where the file as a whole is to stand elsewhere, which has been told.
  const value = isObject(all) ? all : {}
  return { value, search, environments: Object.keys(environments), warnings: layer.warnings }
}

async function fileLayer(file: string, { loadModule }: FileOptions): Promise<Layer> {
  if (!/\.[cm]?[jt]s$/.test(file)) return parseLayer({ text: textOf(file), file, kind: 'stack' })
  if (loadModule === undefined) throw problemAt('only JSON and YAML are read here', { file })
  textOf(file)
  const { default: value } = await loadModule(file)
  if (!isObject(value))
    throw problemAt('it exports no stack', { file }, 'export default defineStack({ name: …, layers: …, hosts: … })')
  return documentLayer({ name: file, kind: 'stack', value })
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const reason = asConvergeError(error).message.replace(/^.*?: /, '')
    const hint = `--stack FILE; it is looked for in the working directory, ${process.cwd()}`
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
  return [await documentLayer({ name: layer.file, kind: 'deployment', value, locate })]
}

function laidOver(below: JsonObject, overlay: Layer): JsonObject {
  if (overlay.value !== null) return merge(below, overlay.value)
  return applyPatch(below, overlay, { standard: (_, said) => said, isSecret: () => true })
}

const maps = ['layers', 'hosts', 'apps']

/** A null means "not set" here: an environment takes a host away by it. Attributes keep theirs. */
function withoutNulls(value: JsonObject): JsonObject {
  const kept = Object.entries(value).flatMap(([key, child]): [string, unknown][] => {
    if (child === null) return []
    if (!isObject(child)) return [[key, child]]
    if (key === 'ssh' || key === 'health') return [[key, pruned(child)]]
    if (!maps.includes(key)) return [[key, child]]
    const entries = Object.entries(pruned(child))
    return [[key, Object.fromEntries(entries.map(([name, one]) => [name, isObject(one) ? pruned(one) : one]))]]
  })
  return Object.fromEntries(kept)
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
  return checked({ name: `${file}: ${place}`, kind, value, locate }, search)
}

async function fileDocument(name: string, path: KeyPath, kind: Document['kind'], search: Search): Promise<Document[]> {
  const whole = placeOf(name, search.directory)
  let text: string
  try {
    text = readFileSync(whole, 'utf8')
  } catch (error) {
    search.problems.push(unreadable(name, path, search, error))
    return []
  }
  try {
    const layer = await parseLayer({ text, file: name, kind })
    const given = layer.value ?? (layer.patch?.operations as readonly unknown[] | undefined) ?? {}
    const value = fetched(given, [], { ...search, directory: dirname(whole), locate: layer.locate })
    return checked({ name, kind, value: value as JsonObject, locate: layer.locate }, search)
  } catch (error) {
    search.problems.push(...problemsOf(error))
    return []
  }
}

/** A document that is a patch has operations that can be told as such now. */
async function checked(document: Document, search: Search): Promise<Document[]> {
  try {
    await documentLayer(document)
    return [document]
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
