/** Records the positions of a document's values in the operator's files, so that messages of a host name these lines. */
import * as z from 'zod'
import type { SourceLocation } from '../model/errors.ts'
import type { Layer } from './layer.ts'
import type { KeyPath } from './path.ts'

const number = z.int().nullable()

/** Number of the file, then line and column of the value, then those of the key. */
const position = z.tuple([z.int(), number, number, number, number])

const originsSchema = z.object({ name: z.string(), files: z.array(z.string()), places: z.record(z.string(), position) })

export type Origins = z.output<typeof originsSchema>
type Position = z.output<typeof position>

/** Name of the file in the directory of the host's own documents; the paths in it begin at the directory above. */
export const originsFile = '.stack'

/** A document, by the path of the file that a host gets. */
export const originsByFile = z.record(z.string(), originsSchema)

/** Values below this key have no positions: a stack of many hosts lists each of them there, and no message names one. */
const hostsOfLayer = /^\/opsworks\/layers\/[^/]*\/instances$/

interface Document {
  readonly name: string
  readonly value: unknown
  readonly locate?: Layer['locate'] | undefined
}

/** Returns the position of each key path of a document. */
export function originsOf({ name, value, locate = () => ({ file: name }) }: Document): Origins {
  const files = new Map<string, number>()
  const places: Record<string, Position> = {}
  const numberOf = (file: string) => {
    const number = files.get(file) ?? files.size
    files.set(file, number)
    return number
  }
  const visit = (at: unknown, path: KeyPath): void => {
    const pointer = pointerOf(path)
    const [valueAt, key] = [locate(path), locate(path, 'key')]
    places[pointer] = [
      numberOf(valueAt.file),
      numberAt(valueAt.line),
      numberAt(valueAt.column),
      numberAt(key.line),
      numberAt(key.column),
    ]
    if (typeof at !== 'object' || at === null || hostsOfLayer.test(pointer)) return
    const isList = Array.isArray(at)
    for (const [key, child] of Object.entries(at)) visit(child, [...path, isList ? Number(key) : key])
  }
  visit(value, [])
  return { name, files: [...files.keys()], places }
}

function numberAt(number: number | undefined): number | null {
  return number ?? null
}

function pointerOf(path: KeyPath): string {
  return path.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** Returns the layer with the names and positions of the operator's files. */
export function withOrigins(layer: Layer, origins: Origins | undefined): Layer {
  if (origins === undefined) return layer
  return { ...layer, file: origins.name, locate: (path, part) => locationIn(origins, path, part) }
}

/** Returns the position of a path, or else that of its nearest parent with a position. */
function locationIn({ name, files, places }: Origins, path: KeyPath, part: 'value' | 'key' = 'value'): SourceLocation {
  for (let length = path.length; length >= 0; length--) {
    const pointer = pointerOf(path.slice(0, length))
    if (!Object.hasOwn(places, pointer)) continue
    const [file, line, column, keyLine, keyColumn] = places[pointer] as Position
    const isKey = part === 'key' && length === path.length
    return {
      file: files[file] ?? name,
      line: (isKey ? keyLine : line) ?? undefined,
      column: (isKey ? keyColumn : column) ?? undefined,
    }
  }
  return { file: name }
}
