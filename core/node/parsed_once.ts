/** Caches in schemas the result of parsing shared values, so that a thousand nodes parse the same value once. */
import type { z } from 'zod'
import { childSchema } from './notes.ts'
import { deepFreeze, isShared } from './shared_values.ts'

type Schema = z.core.$ZodType
type Payload = z.core.ParsePayload

const caching = new WeakSet<Schema>()

/** Prepares a schema for a value of which parts are shared: their schemas parse each of these parts once. */
export function parseSharedOnce(schema: Schema, value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  if (isShared(value)) return cacheResults(schema)
  for (const [key, child] of Object.entries(value)) {
    const inner = typeof child === 'object' ? childSchema(schema, key) : undefined
    if (inner !== undefined) parseSharedOnce(inner, child)
  }
}

function cacheResults(schema: Schema): void {
  if (caching.has(schema)) return
  caching.add(schema)
  const { _zod } = schema
  const parse = _zod.run
  const results = new WeakMap<object, Payload>()
  _zod.run = (payload, context) => {
    const { value } = payload
    if (!isShared(value)) return parse(payload, context)
    const known = results.get(value)
    if (known !== undefined) return resultOf(known)
    const result = parse(payload, context)
    if (result instanceof Promise) return result
    results.set(value, resultOf({ ...result, value: deepFreeze(result.value) }))
    return result
  }
}

/** Copies a result: the caller changes the paths of its issues. */
function resultOf(payload: Payload): Payload {
  return { ...payload, issues: payload.issues.map((issue) => ({ ...issue, path: [...(issue.path ?? [])] })) }
}
