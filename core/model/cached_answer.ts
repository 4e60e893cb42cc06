/** Recognizes answers that came from an HTTP cache, and makes requests that no cache has an answer for. */
import { randomUUID } from 'node:crypto'

/** Caches that must revalidate ask the app; the others are recognized by their answer. */
export const uncachedHeaders = { 'Cache-Control': 'no-cache', Pragma: 'no-cache' } as const

/** Headers in which Varnish, nginx, Squid and content delivery networks report where an answer came from. */
const cacheHeaders = ['x-cache', 'x-cache-status', 'x-proxy-cache', 'cf-cache-status', 'x-varnish-cache']
/** Squid sends TCP_HIT, Fastly `MISS, HIT`. */
const fromCache = /(^|[^a-z])(hit|stale|updating)([^a-z]|$)/i

/**
 * The header that shows that a cache gave the answer, such as `X-Cache: hit`; null where none does.
 * @param headers with names in lower case
 */
export function cacheEvidence(headers: Readonly<Record<string, string | undefined>>): string | null {
  for (const name of cacheHeaders) {
    const value = headers[name]
    if (value !== undefined && fromCache.test(value)) return describe(name, value)
  }
  const { age, 'cache-status': status, 'x-varnish': varnish } = headers
  if (age !== undefined && Number(age) > 0) return describe('age', age)
  // RFC 9211
  if (status !== undefined && /;\s*hit\s*(;|,|$)/i.test(status)) return describe('cache-status', status)
  // The second number is that of the request that filled the cache.
  if (varnish !== undefined && /^\d+ \d+$/.test(varnish.trim())) return describe('x-varnish', varnish)
  return null
}

/**
 * Requests a page, and once more past the caches where one of them answered.
 * @param ask requests a path
 * @returns `cached`: the header that shows that a cache gave the last answer as well; null for none
 */
export async function askPastCaches<A extends { readonly headers: Readonly<Record<string, string>> }>(
  path: string,
  ask: (path: string) => Promise<A>,
): Promise<{ readonly answer: A; readonly cached: string | null }> {
  const first = await ask(path)
  const answer = cacheEvidence(first.headers) === null ? first : await ask(uncachedPath(path))
  return { answer, cached: cacheEvidence(answer.headers) }
}

/** Explains why an answer of a cache proves nothing. */
export function cachedProblem(evidence: string): string {
  return `a cache answered (${evidence}), and not the app: choose a path that no cache keeps`
}

function describe(name: string, value: string): string {
  const title = name.replace(/(^|-)[a-z]/g, (letters) => letters.toUpperCase())
  return `${title}: ${value.trim().slice(0, 100)}`
}

/** A path that no cache knows: only caches that ignore the query have an answer for it. */
export function uncachedPath(path: string): string {
  return `${path}${path.includes('?') ? '&' : '?'}converge=${randomUUID()}`
}
