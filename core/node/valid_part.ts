/** Removes the invalid parts of a value, so that the rest of it can still be used and checked. */
import type { z } from 'zod'
import { bare } from './notes.ts'
import { hasPath, type KeyPath } from './path.ts'

type Issue = z.core.$ZodIssue

/** Each round removes at least one part of the value. */
const maxRounds = 1000

/**
 * Parses a value without the parts that the schema refuses. If a required key is missing, the object that requires it is such
 * a part.
 * @returns undefined if the schema accepts no part
 */
export function validPart(schema: z.ZodType, value: unknown): unknown {
  let rest = value
  for (let round = 0; round < maxRounds; round++) {
    const result = schema.safeParse(rest, { jitless: true })
    if (result.success) return result.data
    const paths = result.error.issues.flatMap((issue) => wrongPaths(issue, rest))
    if (paths.some((path) => path.length === 0)) return undefined
    rest = withoutPaths(rest, paths)
  }
  return undefined
}

/** Returns the defaults of a schema, without the keys that must be set. */
export function knownDefaults(schema: z.ZodType): unknown {
  const result = schema.safeParse(undefined, { jitless: true })
  if (result.success) return result.data
  const { def } = bare(schema).schema._zod
  if (def.type !== 'object') return undefined
  return Object.fromEntries(
    Object.entries(def.shape).flatMap(([key, child]) => {
      const value = knownDefaults(child as z.ZodType)
      return value === undefined ? [] : [[key, value]]
    }),
  )
}

function wrongPaths(issue: Issue, value: unknown): KeyPath[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol')
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => [...path, key])
  const firstMissing = path.findIndex((_, index) => !hasPath(value, path.slice(0, index + 1)))
  return [firstMissing === -1 ? path : path.slice(0, firstMissing)]
}

/** The keys of a value that lose parts; null for a value that is removed as a whole. */
type Cut = Map<string, Cut> | null

/** Returns a copy of a value without the parts at `paths`; the copy shares the parts without such a path. */
export function withoutPaths(value: unknown, paths: readonly KeyPath[]): unknown {
  const root: Map<string, Cut> = new Map()
  for (const path of paths) addCut(root, path)
  return withoutCuts(value, root)
}

function addCut(root: Map<string, Cut>, path: KeyPath): void {
  let cuts: Cut = root
  for (const [index, key] of path.map(String).entries()) {
    if (index === path.length - 1) cuts.set(key, null)
    const next: Cut = cuts.has(key) ? (cuts.get(key) ?? null) : new Map()
    if (next === null) return
    cuts.set(key, next)
    cuts = next
  }
}

function withoutCuts(value: unknown, cuts: ReadonlyMap<string, Cut>): unknown {
  if (typeof value !== 'object' || value === null || cuts.size === 0) return value
  const entries = Object.entries(value).flatMap(([key, child]): [string, unknown][] => {
    const cut = cuts.get(key)
    if (cut === null) return []
    return [[key, cut === undefined ? child : withoutCuts(child, cut)]]
  })
  return Array.isArray(value) ? entries.map(([, child]) => child) : Object.fromEntries(entries)
}
