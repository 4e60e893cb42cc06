/** What a stack file says, key by key: what is of the wrong kind or unknown is told, and the rest is taken as it is meant. */
import type * as z from 'zod'
import { inspect, moreUnknownMessage } from '../../node/inspect.ts'
import { isObject, type JsonObject } from '../../node/merge.ts'
import { isVerbatim } from '../../node/notes.ts'
import { formatPath, hasPath, type KeyPath, valueAt } from '../../node/path.ts'
import { problemOf } from '../../node/problems.ts'
import type { GivenNames } from './checks.ts'
import { problemAt, type Search } from './elsewhere.ts'
import { asWritten } from './numbers.ts'
import { type StackContent, stackShape } from './schema.ts'

/**
 * Tells what the schema says against the kinds of values.
 * @returns the file as it is meant, without what is wrong, so that the rest can be looked at as well; and the names that stand there
 */
export function contentOf(
  read: JsonObject,
  search: Search,
): { readonly content: StackContent; readonly given: GivenNames } {
  const value = asWritten(read, isText, search)
  const content: Record<string, unknown> = {}
  for (const [key, schema] of Object.entries(stackShape)) {
    const result = schema.safeParse(value[key], { jitless: true })
    for (const issue of result.error?.issues ?? []) tellIssue(issue, key, value, search)
    const sound = result.success ? result.data : soundPart(schema, value[key], result.error.issues)
    if (sound !== undefined) content[key] = sound
  }
  const names = (key: string) => (isObject(value[key]) ? Object.keys(value[key]) : null)
  // What is not there at all has been told.
  const whole = { layers: {}, hosts: {}, ...content } as unknown as StackContent
  return { content: whole, given: { layers: names('layers'), hosts: names('hosts') } }
}

/** Whose values become text later on. */
const variables = ['environment', 'database']

function isText(path: KeyPath): boolean {
  return (
    isVerbatim(stackShape, path) || (path[0] === 'apps' && path.length === 4 && variables.includes(String(path[2])))
  )
}

function tellIssue(issue: z.core.$ZodIssue, key: string, value: JsonObject, search: Search): void {
  const { path, message, hint, what } = problemOf(issue, key, value, stackShape, search.written)
  const found = valueAt(value, path)
  // What could not be fetched is missing, which has been told.
  if (found === undefined && hasPath(value, path)) return
  if (search.hidden.has(formatPath(path))) {
    const text = message.replace(/, got .*$/s, ', got a text that is not shown')
    search.problems.push(problemAt(text, search.locate(path, what)))
    return
  }
  search.problems.push(problemAt(message, search.locate(path, what), betterHint(found, message) ?? hint))
}

/** For a word that YAML 1.1 took for true or false. */
function betterHint(found: unknown, message: string): string | undefined {
  const word = typeof found === 'string' && message.includes('true') ? words.get(found.toLowerCase()) : undefined
  return word === undefined ? undefined : `${found} is a text: write ${word}`
}

const words: ReadonlyMap<string, boolean> = new Map(
  ['yes', 'on', 'y', 'no', 'off', 'n'].map((word, index) => [word, index < 3]),
)

/** Of an object what is left without the entries that are wrong. */
function soundPart(schema: z.ZodType, value: unknown, issues: readonly z.core.$ZodIssue[]): unknown {
  if (!isObject(value)) return undefined
  const wrong = new Set(issues.map(({ path }) => path[0]))
  const rest = Object.fromEntries(Object.entries(value).filter(([key]) => !wrong.has(key)))
  return schema.safeParse(rest, { jitless: true }).data
}

/**
 * Tells of keys that nobody knows.
 * @returns values that must not be shown
 */
export function unknownKeys(value: JsonObject, search: Search): readonly string[] {
  const { unknown, more, secrets } = inspect(value, stackShape, new Set())
  for (const { path, near } of unknown) {
    // A place for anchors.
    if (path.length === 1 && String(path[0]).startsWith('x-')) continue
    // What an app says beside is told of with the attributes.
    if (path[0] === 'apps' && path.length === 3) continue
    const hint = near === undefined ? undefined : `did you mean ${formatPath([...path.slice(0, -1), near])}?`
    search.problems.push(problemAt(`${formatPath(path)}: there is no such key`, search.locate(path, 'key'), hint))
  }
  if (more > 0) search.problems.push(problemAt(moreUnknownMessage(more), search.locate([])))
  return secrets
}
