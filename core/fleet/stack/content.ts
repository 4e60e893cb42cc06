/** Validates a stack file key by key, and leaves out invalid values. */
import type * as z from 'zod'
import { inspect, moreUnknownMessage } from '../../node/inspect.ts'
import { isObject, type JsonObject } from '../../node/merge.ts'
import { isVerbatim, knownKeysAt } from '../../node/notes.ts'
import { formatPath, hasPath, type KeyPath, valueAt } from '../../node/path.ts'
import { keyList, problemOf } from '../../node/problems.ts'
import { validPart } from '../../node/valid_part.ts'
import type { GivenNames } from './checks.ts'
import { isUnread, problemAt, type Search } from './external_values.ts'
import { asWritten } from './numbers.ts'
import { type StackContent, stackShape } from './schema.ts'

/**
 * Reports values that violate the schema, and unknown keys.
 * @returns the file without the invalid values, so that the rest can be checked as well; and the names in the file
 */
export function contentOf(
  read: JsonObject,
  search: Search,
): { readonly content: StackContent; readonly names: GivenNames } {
  const value = asWritten(read, isText, search)
  reportUnknownKeys(value, search)
  const content: Record<string, unknown> = {}
  for (const [key, schema] of Object.entries(stackShape)) {
    const result = schema.safeParse(value[key], { jitless: true })
    const issues = result.error?.issues ?? []
    for (const issue of issues) reportIssue(issue, key, value, search)
    const sound = result.success ? result.data : validPart(schema, withStandIns(key, value[key]))
    if (sound !== undefined) content[key] = sound
  }
  const names = (key: string) => (isObject(value[key]) ? Object.keys(value[key]) : null)
  // Missing keys have been reported.
  const whole = { name: 'stack', layers: {}, hosts: {}, ...content } as unknown as StackContent
  return { content: whole, names: { layers: names('layers'), hosts: names('hosts') } }
}

/** Adds an address and layers to a host where these are unusable, so that its other keys can be checked. */
function withStandIns(key: string, value: unknown): unknown {
  if (key !== 'hosts' || !isObject(value)) return value
  const entries = Object.entries(value).map(([name, host]): [string, unknown] => {
    if (!isObject(host)) return [name, host]
    const address = typeof host.address === 'string' ? host.address : name
    return [name, { ...host, address, layers: Array.isArray(host.layers) ? host.layers : [] }]
  })
  return Object.fromEntries(entries)
}

/** Keys whose values become text later. */
const textMaps = ['environment', 'database']

function isText(path: KeyPath): boolean {
  return isVerbatim(stackShape, path) || (path[0] === 'apps' && path.length === 4 && textMaps.includes(String(path[2])))
}

function reportIssue(issue: z.core.$ZodIssue, key: string, value: JsonObject, search: Search): void {
  const { path, message, hint, part: what } = problemOf(issue, key, value, stackShape, search.written)
  const found = valueAt(value, path)
  // A value that could not be fetched, or a misspelt key, has been reported.
  if (found === undefined && (hasPath(value, path) || isUnread(path, search))) return
  search.unreadPaths.push(path)
  if (search.secretPaths.has(formatPath(path))) {
    const text = message.replace(/, got .*$/s, ', got a text that is not shown')
    search.problems.push(problemAt(text, search.locate(path, what)))
    return
  }
  search.problems.push(problemAt(message, search.locate(path, what), betterHint(found, message) ?? hint))
}

/** Returns a hint for a word that means true or false in YAML 1.1. */
function betterHint(found: unknown, message: string): string | undefined {
  const word = typeof found === 'string' && message.includes('true') ? yamlBooleans.get(found.toLowerCase()) : undefined
  return word === undefined ? undefined : `${found} is a text: write ${word}`
}

const yamlBooleans: ReadonlyMap<string, boolean> = new Map(
  ['yes', 'on', 'y', 'no', 'off', 'n'].map((word, index) => [word, index < 3]),
)

/** Returns the known keys of the object that a key is in; `$schema` is for editors only. */
function keysBeside(path: KeyPath): string[] {
  return knownKeysAt(stackShape, path.slice(0, -1)).filter((key) => key !== '$schema')
}

/** Reports unknown keys; sensitive values among them become secrets. */
function reportUnknownKeys(value: JsonObject, search: Search): void {
  const { unknown, unlisted: more, secrets } = inspect(value, stackShape, new Set())
  for (const { path, suggestion: near } of unknown) {
    // Keys for YAML anchors.
    if (path.length === 1 && String(path[0]).startsWith('x-')) continue
    // Unknown keys of an app are reported with the attributes.
    if (path[0] === 'apps' && path.length === 3) continue
    const suggestion = near === undefined ? undefined : [...path.slice(0, -1), near]
    const hint = suggestion === undefined ? keyList(keysBeside(path)) : `did you mean ${formatPath(suggestion)}?`
    search.problems.push(problemAt(`${formatPath(path)}: unknown key`, search.locate(path, 'key'), hint))
    if (suggestion !== undefined && !hasPath(value, suggestion)) search.unreadPaths.push(suggestion)
  }
  if (more > 0) search.problems.push(problemAt(moreUnknownMessage(more), search.locate([])))
  for (const one of secrets) search.secrets.add(one)
}
