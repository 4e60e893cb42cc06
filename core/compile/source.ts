/** Turns a stack trace into the line of the recipe the user wrote, through source maps where the recipe was compiled. */
import { readFileSync } from 'node:fs'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect, types } from 'node:util'
import { ConvergeError, describeLocation, type SourceLocation } from '../model/errors.ts'
import { NotYetKnown } from '../model/reference.ts'
import { Inexpressible } from '../text/writer.ts'

/** Marks source maps made on another computer: their paths are printed unchanged. */
export const namesOnly = 'x_converge_names'

interface SourceMapFile {
  readonly map: SourceMap
  /** The directory that its sources are relative to; null where they are no paths of this host. */
  readonly root: string | null
}

const maps = new Map<string, SourceMapFile | null>()

/** The function returned by `defineResource` stands between the recipe and the scope; its frame is passed over. */
const ownFrames = /core[\\/]model[\\/]resource\.ts|core[\\/]compile[\\/]recipe\.ts/
/** Bundled without its map, the whole engine is this one file. */
export const ownFile = fileURLToPath(import.meta.url)
/** Not bundled, it is the files of these rooms. */
const ownRooms = ownFile.endsWith('.ts') ? /[\\/](core|resources|recipes|attributes|testing)[\\/][^:]*\.ts$/ : null

export function locateFrame(stack: string | undefined): SourceLocation | undefined {
  for (const frame of framesOf(stack)) {
    const location = originalPosition(frame)
    if (location.file !== ownFile && !ownFrames.test(location.file)) return location
  }
  return undefined
}

/**
 * Turns an exception of a recipe into an error that names its line; a ConvergeError stays unchanged.
 * @param subject in a few words, e.g. `setup of the role web failed`
 * @param location of the recipe, for a thrown value without a stack trace
 */
export function recipeFault(thrown: unknown, subject: string, location?: SourceLocation): unknown {
  const trace = types.isNativeError(thrown) ? thrown.stack : undefined
  const frame = framesOf(trace).find(isUsers)
  const source = frame ? originalPosition(frame) : location
  if (thrown instanceof ConvergeError) return source === undefined ? thrown : thrown.at({ source })
  if (thrown instanceof Inexpressible)
    return new ConvergeError(thrown.message, { code: 'INEXPRESSIBLE', source, usage: true, cause: thrown })
  // Every frame is in the engine: a mistake of the engine itself, reported with the whole trace. A promise of Node.js itself,
  // such as that of fetch, has no frames.
  if (trace !== undefined && source === undefined && framesOf(trace).length > 0) return thrown
  const words = wordsOf(thrown)
  const hint = trace !== undefined ? undefined : "throw an error, which has a line: throw new Error('...')"
  return new ConvergeError(`${subject}: ${words}`, { code: 'RECIPE_FAILED', source, hint, usage: true, cause: thrown })
}

/** Describes a thrown value of any kind, also an object that cannot become a text. */
function wordsOf(thrown: unknown): string {
  try {
    if (thrown instanceof Error) return `${thrown.name}: ${thrown.message}`
    return typeof thrown === 'string' ? thrown : inspect(thrown, { depth: 1 })
  } catch {
    return 'a value that cannot be shown'
  }
}

/**
 * Describes an exception of the user's code that the engine called, such as the read function of a resource type.
 * @param subject threw it, e.g. `the resource type hosts_entry`
 * @returns the exception itself if the engine's own code threw it
 */
export function userFault(thrown: unknown, subject: string): unknown {
  if (!(thrown instanceof Error) || thrown instanceof ConvergeError || thrown instanceof Inexpressible) return thrown
  // In a dry run a check may ask for what only the run knows.
  if (thrown instanceof NotYetKnown) return thrown
  // A system error already names what failed, and where.
  if ('syscall' in thrown) return thrown
  const frames = framesOf(thrown.stack)
  const userFrame = frames.find(isUsers)
  if (userFrame === undefined) return thrown
  const trace = frames.filter(isUsers).map((frame) => `at ${describeLocation(originalPosition(frame))}`)
  return new ConvergeError(`${subject} threw ${thrown.name}: ${thrown.message}`, {
    code: 'USER_CODE_FAILED',
    source: originalPosition(userFrame),
    output: trace.join('\n'),
    hint: 'correct the code at the line that is named',
    cause: thrown,
  })
}

/** The path of a script of V8, which names files by path or by URL. */
export const pathOfScript = (url: string): string => (url.startsWith('file://') ? fileURLToPath(url) : url)

/** The line of the user's code that a stack goes through; undefined for none. */
export function callerOf(stack: string | undefined): SourceLocation | undefined {
  const frame = framesOf(stack).find(isUsers)
  return frame === undefined ? undefined : originalPosition(frame)
}

const isUsers = ({ file }: Frame): boolean => isUsersFile(file)

/** Whether a file of a stack is neither of the engine nor of Node.js. */
export function isUsersFile(file: string): boolean {
  return file.startsWith('/') && file !== ownFile && ownRooms?.test(file) !== true
}

/** A position in a file that runs. */
export interface Frame {
  readonly file: string
  readonly line: number
  readonly column: number
}

function framesOf(stack: string | undefined): Frame[] {
  return (stack?.split('\n').slice(1) ?? []).flatMap((text) => {
    const [, path, line, column] = /(?:\(|at )((?:file:\/\/)?\/[^()]*):(\d+):(\d+)\)?$/.exec(text) ?? []
    if (path === undefined) return []
    const file = path.startsWith('file://') ? fileURLToPath(path) : path
    return [{ file, line: Number(line), column: Number(column) }]
  })
}

/** Returns the position in the file that the user wrote. */
export function originalPosition({ file, line, column }: Frame): SourceLocation {
  const known = mapOf(file)
  if (known === null) return { file, line, column }
  const entry = known.map.findEntry(line - 1, column - 1)
  if (!('originalSource' in entry)) return { file, line, column }
  const source = entry.originalSource.startsWith('file://') ? fileURLToPath(entry.originalSource) : entry.originalSource
  return {
    file: known.root === null ? source : resolve(known.root, source),
    line: entry.originalLine + 1,
    column: entry.originalColumn + 1,
  }
}

function mapOf(file: string): SourceMapFile | null {
  const known = maps.get(file)
  if (known !== undefined) return known
  let map: SourceMapFile | null = null
  try {
    const payload = JSON.parse(readFileSync(`${file}.map`, 'utf8')) as SourceMapPayload & { [namesOnly]?: boolean }
    map = { map: new SourceMap(payload), root: payload[namesOnly] === true ? null : dirname(file) }
  } catch {
    // No map beside it: the file is what its author wrote.
  }
  maps.set(file, map)
  return map
}
