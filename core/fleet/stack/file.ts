/** Reads a stack file (JSON, YAML or TypeScript), merges an environment into it, and fetches referenced values. */
import { dirname, join, resolve } from 'node:path'
import { readInputFile } from '../../host/input_file.ts'
import { asConvergeError, ConvergeError, failureReason, problemsOf, type SourceLocation } from '../../model/errors.ts'
import { lazy } from '../../model/lazy.ts'
import { nearest } from '../../model/nearest.ts'
import { utf8Text } from '../../model/utf8.ts'
import { foreignFileError } from '../../node/foreign_files.ts'
import type { Layer, NodeWarning } from '../../node/layer.ts'
import { isObject, type JsonObject, merge } from '../../node/merge.ts'
import type { Schemas } from '../../node/notes.ts'
import { documentLayer, draftLayer, type LayerDraft } from '../../node/parse_layer.ts'
import { applyPatch, type Patched } from '../../node/patch.ts'
import { formatPath, type KeyPath } from '../../node/path.ts'
import { layerThatSet, locateIn } from '../../node/setting_layer.ts'
import { writtenNumber } from '../../node/written_numbers.ts'
import { problemAt, readExternalValues, type Search } from './external_values.ts'

export interface FileOptions {
  /** Name of the environment; default: the file without one. */
  readonly environment?: string | undefined
  /** Loads a stack.ts; without it, only JSON and YAML can be read. */
  readonly loadModule?: ((path: string) => Promise<Readonly<Record<string, unknown>>>) | undefined
  /** Schemas of the attributes: where they want text, a number keeps its spelling. */
  readonly schemas?: (() => Schemas) | undefined
  /** Variables for `{"$env": …}`; default: those of the process. */
  readonly variables?: Readonly<Record<string, string | undefined>> | undefined
  /** Called before the first `{"$command": …}`: throws an error if the file may not run programs; default: it may. */
  readonly allowCommands?: (() => Promise<void>) | undefined
}

/** A stack file before its environments are merged. */
export interface StackSource {
  readonly file: string
  readonly layer: Layer
  /** Syntax errors beside the part that can be read. */
  readonly problems: readonly ConvergeError[]
  /** Names of its environments. */
  readonly environments: readonly string[]
}

/** @throws ConvergeError, InvalidInput where the file cannot be read */
export async function openStackFile(file: string, options: FileOptions): Promise<StackSource> {
  const { layer, problems } = await fileLayer(file, options)
  if (layer.value === null) throw notAStack({ file })
  return { file, layer, problems, environments: Object.keys(environmentsIn(layer.value)) }
}

/** Finds hosts, layers and apps that an environment removes with null, but that the file does not have. */
function missingRemovals(
  overlay: JsonObject | null,
  base: JsonObject,
  environment: string | undefined,
  { locate }: Layer,
): ConvergeError[] {
  return entryKeys.flatMap((key) => {
    const [entries, existing] = [overlay?.[key], base[key]]
    if (!isObject(entries)) return []
    const names = isObject(existing) ? Object.keys(existing) : []
    return Object.entries(entries).flatMap(([name, value]) => {
      if (value !== null || names.includes(name)) return []
      const path = ['environments', environment ?? '', key, name]
      const message = `${formatPath(path)}: the stack has no ${key.slice(0, -1)} ${name} to remove`
      return [problemAt(message, locate(path, 'key'), nearest(name, names) ?? 'remove the key')]
    })
  })
}

function environmentsIn({ environments }: JsonObject): JsonObject {
  return isObject(environments) ? environments : {}
}

/** The merged stack file, before its validation. */
export interface ReadFile {
  /** The environments unchanged; the rest with the requested environment merged into it. */
  readonly value: JsonObject
  readonly search: Search
}

/** @throws ConvergeError where the environment does not exist, or the file has too many entries */
export async function readStackFile(source: StackSource, options: FileOptions): Promise<ReadFile> {
  const { file, layer } = source
  const written = layer.value ?? {}
  const { environments, ...rest } = written
  const overlay = await overlayOf(environmentsIn(written), layer, options)
  const layers = [{ ...layer, value: withoutNulls(rest) }, ...overlay.layers]
  const problems = [...layer.warnings.map(lostKeyProblem), ...source.problems, ...overlay.problems]
  const states = [layers[0]?.value ?? {}]
  for (const one of overlay.layers) {
    const { value, problems: failed } = applyOverlay(states.at(-1) ?? {}, one)
    states.push(withoutNulls(value))
    problems.push(...failed)
  }
  problems.push(...missingRemovals(overlay.layers[0]?.value ?? null, states[0] ?? {}, options.environment, layer))
  const locate: Search['locate'] = (path, what) =>
    path[0] === 'environments' ? layer.locate(path, what) : (locateIn(layers, states, path, what) ?? { file })
  const search: Search = {
    directory: dirname(resolve(file)),
    environment: options.variables ?? process.env,
    allowCommands: lazy(options.allowCommands ?? (async () => undefined)),
    results: new Map(),
    schemas: options.schemas ?? (() => ({})),
    locate,
    written: (path) => writtenNumber(layers[layerThatSet(layers, states, path)], path),
    problems,
    absent: [],
    unreadPaths: [],
    warnings: [],
    secrets: new Set(),
    secretPaths: new Set(),
  }
  checkSizes(states.at(-1) ?? {}, search)
  // Custom JSON may be in files, which are read when the rest is valid.
  const { environments: _, ...all } = states.at(-1) ?? {}
  const value = await readExternalValues(all, [], search)
  // A reference in place of the whole file is not an object; it has been reported.
  const whole = isObject(value) ? value : {}
  return { value: environments === undefined ? whole : { ...whole, environments }, search }
}

/** Entries of hosts, layers or apps; with more, each later step would take minutes. */
const maxEntries = 10_000

function checkSizes(value: JsonObject, { locate }: Search): void {
  for (const key of entryKeys) {
    const entries = value[key]
    const count = isObject(entries) ? Object.keys(entries).length : 0
    if (count > maxEntries)
      throw problemAt(
        `${key}: ${count.toLocaleString('en')} entries, more than the limit of ${maxEntries.toLocaleString('en')}`,
        locate([key], 'key'),
        'divide the stack into several stack files',
      )
  }
}

/** Turns a warning about a lost key into a problem, because the lost key may be a whole host. */
function lostKeyProblem({ code, path, source, message }: NodeWarning): ConvergeError {
  if (code !== 'DUPLICATE_KEY') return problemAt(`${path}: no key can have this name`, source ?? { file: '' })
  return problemAt(message.replace(/: the last one counts$/, ''), source ?? { file: '' }, 'keep one of them')
}

const notAStack = (source: SourceLocation) =>
  problemAt('a stack must be an object', source, 'write { "name": …, "layers": …, "hosts": … }')

async function fileLayer(file: string, options: FileOptions): Promise<LayerDraft> {
  if (/\.[cm]?[jt]s$/.test(file)) return { layer: await moduleLayer(file, options), problems: [] }
  const text = textOf(file)
  try {
    const draft = await draftLayer({ text, file, kind: 'stack' })
    const { value, locate } = draft.layer
    const foreign = foreignFileError(value, file, locate([]), 'a stack file')
    if (foreign !== undefined) throw foreign
    return draft
  } catch (error) {
    // Its messages are about attributes: an object of them, or a patch to them.
    const [first] = problemsOf(error)
    if (first?.code === 'INVALID_PATCH') throw notAStack({ file })
    if (first?.code === 'INVALID_LAYER' && first.source?.line !== undefined) throw notAStack(first.source)
    throw error
  }
}

async function moduleLayer(file: string, { loadModule }: FileOptions): Promise<Layer> {
  if (loadModule === undefined) throw problemAt('this command reads only JSON and YAML', { file })
  textOf(file)
  const { default: value } = await loadModule(file)
  const hint = 'export default defineStack({ name: …, layers: …, hosts: … })'
  if (!isObject(value) || value instanceof Promise) throw problemAt('the default export is not a stack', { file }, hint)
  try {
    return await documentLayer({ name: file, kind: 'stack', value })
  } catch (error) {
    if (error instanceof ConvergeError) throw error
    // A number that is too large, a circular reference, or a property whose function throws, which may throw anything.
    const reason = asConvergeError(error).message.split('\n')[0]
    throw problemAt(`the default export must contain plain data only: ${reason}`, { file }, hint)
  }
}

function textOf(file: string): string {
  try {
    return utf8Text(readInputFile(file), file)
  } catch (error) {
    if (error instanceof ConvergeError && error.code === 'NOT_UTF8') throw error
    const reason = failureReason(error, file)
    const hint =
      error instanceof ConvergeError && error.code === 'NOT_A_FILE'
        ? `name the file itself, such as --stack ${join(file, 'stack.yaml')}`
        : `check --stack FILE: relative paths start at the working directory, ${process.cwd()}`
    throw new ConvergeError(`the stack file ${file} cannot be read: ${reason}`, { code: 'NO_FILE', hint, usage: true })
  }
}

interface Overlay {
  readonly layers: readonly Layer[]
  readonly problems: readonly ConvergeError[]
}

/**
 * Returns the requested environment as a layer.
 * @throws ConvergeError where it does not exist
 */
async function overlayOf(environments: JsonObject, layer: Layer, { environment }: FileOptions): Promise<Overlay> {
  if (environment === undefined) return { layers: [], problems: [] }
  const names = Object.keys(environments)
  const value = Object.hasOwn(environments, environment) ? environments[environment] : undefined
  const path: KeyPath = ['environments', environment]
  if (value === undefined)
    throw problemAt(
      `the stack has no environment ${environment}`,
      { file: layer.file },
      nearest(environment, names) ??
        (names.length > 0 ? `it has: ${names.join(', ')}` : 'it has none: omit --environment'),
    )
  if (!isObject(value) && !Array.isArray(value)) {
    const message = `${formatPath(path)}: expected an object with the differences, or a JSON Patch`
    return { layers: [], problems: [problemAt(message, layer.locate(path))] }
  }
  const locate: Layer['locate'] = (inner, what) => layer.locate([...path, ...inner], what)
  const numbers = (layer.numbers ?? []).flatMap(({ path: whole, text }) =>
    path.every((key, at) => whole[at] === key) ? [{ path: whole.slice(path.length), text }] : [],
  )
  try {
    const overlay = await documentLayer({ name: layer.file, kind: 'deployment', value, locate })
    return { layers: [{ ...overlay, numbers }], problems: [] }
  } catch (error) {
    return { layers: [], problems: problemsOf(error) }
  }
}

function applyOverlay(below: JsonObject, overlay: Layer): Patched {
  if (overlay.value !== null) return { value: merge(below, overlay.value), problems: [] }
  return applyPatch(below, overlay, { withDefaults: (_, value) => value, isSecret: () => true })
}

const entryKeys = ['layers', 'hosts', 'apps']
/** Objects of an app with settings only. */
const settingsKeys = ['scm', 'ssl']

/** Removes nulls, which mean "not set": an environment can remove a host with null. Attributes keep their nulls. */
function withoutNulls(value: JsonObject): JsonObject {
  const remaining = Object.entries(value).flatMap(([key, child]): [string, unknown][] => {
    if (child === null) return []
    if (!isObject(child)) return [[key, child]]
    if (key === 'ssh' || key === 'health' || key === 'runtime') return [[key, removeNulls(child)]]
    if (!entryKeys.includes(key)) return [[key, child]]
    const entries = Object.entries(removeNulls(child))
    return [[key, Object.fromEntries(entries.map(([name, one]) => [name, isObject(one) ? prunedEntry(one) : one]))]]
  })
  return Object.fromEntries(remaining)
}

function prunedEntry(object: JsonObject): JsonObject {
  const entries = Object.entries(removeNulls(object))
  return Object.fromEntries(
    entries.map(([key, one]) => [key, settingsKeys.includes(key) && isObject(one) ? removeNulls(one) : one]),
  )
}

function removeNulls(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null))
}
