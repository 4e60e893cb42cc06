/** Turns a stack trace into the line of the recipe the user wrote, through source maps where the recipe was compiled. */
import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SourceLocation } from '../model/errors.ts'

const maps = new Map<string, { map: SourceMap; root: string } | null>()

/** The function returned by `defineResource` stands between the recipe and the scope; its frame is passed over. */
const ownFrames = /core[\\/]model[\\/]resource\.ts|core[\\/]compile[\\/]recipe\.ts/
/** Bundled without its map, the whole engine is this one file. */
const ownFile = fileURLToPath(import.meta.url)

export function locateFrame(stack: string | undefined): SourceLocation | undefined {
  for (const line of stack?.split('\n').slice(1) ?? []) {
    const match = /(?:\(|at )((?:file:\/\/)?\/[^()]*):(\d+):(\d+)\)?$/.exec(line)
    if (!match?.[1]) continue
    const file = match[1].startsWith('file://') ? fileURLToPath(match[1]) : match[1]
    const place = original(file, Number(match[2]), Number(match[3]))
    if (place.file !== ownFile && !ownFrames.test(place.file)) return place
  }
  return undefined
}

function original(file: string, line: number, column: number): SourceLocation {
  const known = mapOf(file)
  if (known === null) return { file, line, column }
  const entry = known.map.findEntry(line - 1, column - 1)
  if (!('originalSource' in entry)) return { file, line, column }
  const source = entry.originalSource.startsWith('file://') ? fileURLToPath(entry.originalSource) : entry.originalSource
  return { file: resolve(known.root, source), line: entry.originalLine + 1, column: entry.originalColumn + 1 }
}

function mapOf(file: string): { map: SourceMap; root: string } | null {
  const known = maps.get(file)
  if (known !== undefined) return known
  let found: { map: SourceMap; root: string } | null = null
  try {
    found = { map: new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8'))), root: dirname(file) }
  } catch {
    // No map beside it: the file is what its author wrote.
  }
  maps.set(file, found)
  return found
}
