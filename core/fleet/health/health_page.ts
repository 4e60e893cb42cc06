/** Requests a page of the site for the health gate, without answers from caches. */
import * as http from 'node:http'
import * as https from 'node:https'
import { cacheEvidence, uncachedHeaders, uncachedPath } from '../../model/cached_answer.ts'
import { asConvergeError } from '../../model/errors.ts'
import { isMaintenancePage } from '../../model/test_request.ts'

export interface HealthPage {
  readonly url: string
  /** Host that the request names; undefined for the host of the URL. */
  readonly host: string | undefined
  readonly headers: Readonly<Record<string, string>>
}

export interface StatusRange {
  readonly min: number
  readonly max: number
}

const requestTimeoutMs = 10_000

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Checks the status of a page.
 * @returns `isFinal`: later requests cannot change the result
 */
export async function checkPage(
  page: HealthPage,
  range: StatusRange,
  signal?: AbortSignal,
): Promise<{ readonly ok: boolean; readonly detail: string; readonly isFinal?: boolean }> {
  try {
    const url = new URL(page.url)
    let answer = await request(url, page, signal)
    if (cacheEvidence(answer.headers) !== null) answer = await request(uncachedUrl(url), page, signal)
    const cached = cacheEvidence(answer.headers)
    if (cached !== null) return { ok: false, detail: `a cache answered (${cached}) instead of the site: ${cacheHint}` }
    const ok = answer.status >= range.min && answer.status <= range.max
    // Visitors do not reach the app; the smoke tests of the hosts do.
    if (!ok && isMaintenancePage(answer))
      return { ok: true, isFinal: true, detail: 'closed for maintenance: the app was not checked' }
    return { ok, detail: ok || answer.status !== 404 ? `status ${answer.status}` : `status 404: ${notFoundHint}` }
  } catch (thrown) {
    return { ok: false, detail: reasonOf(thrown as Error) }
  }
}

const cacheHint = 'set health.url to a page that no cache keeps'
/** Until its first site is created, a new Plone database answers 404 to every visitor. */
const notFoundHint = 'correct health.url, or create the Plone site that plone_instances.site_id names'

function uncachedUrl(url: URL): URL {
  return new URL(uncachedPath(`${url.pathname}${url.search}`), withoutPath(url))
}

function withoutPath(url: URL): URL {
  const base = new URL(url)
  base.hash = ''
  base.pathname = '/'
  base.search = ''
  return base
}

/** Requests a page. Node's fetch can neither send another Host nor take a name and password from the URL. */
function request(url: URL, { host, headers }: HealthPage, callerSignal?: AbortSignal): Promise<Answer> {
  const limit = AbortSignal.timeout(requestTimeoutMs)
  const signal = callerSignal === undefined ? limit : AbortSignal.any([limit, callerSignal])
  const sentHeaders = {
    Accept: '*/*',
    'User-Agent': 'converge',
    ...uncachedHeaders,
    ...headers,
    ...hostHeader(url, host),
  }
  const options = { agent: false, signal, headers: sentHeaders, ...serverName(url, host) }
  return new Promise((resolve, reject) => {
    const { request: sendRequest } = url.protocol === 'https:' ? https : http
    sendRequest(url, options, (answer) => {
      const entries = Object.entries(answer.headers).map(([name, value]) => [name, [value].flat().join(', ')])
      resolve({ status: answer.statusCode ?? 0, headers: Object.fromEntries(entries) })
      answer.destroy()
    })
      .on('error', (error) =>
        reject(limit.aborted ? new Error(`no answer within ${requestTimeoutMs / 1000} s`) : error),
      )
      .end()
  })
}

function hostHeader(url: URL, host: string | undefined) {
  return { Host: host ?? url.host }
}

/** Returns the name that the certificate must match: that of the site; none for an address. */
function serverName(url: URL, host: string | undefined) {
  const name = host?.replace(/:\d+$/, '')
  return url.protocol === 'https:' && name !== undefined && !/^[\d.]+$|[[:]/.test(name) ? { servername: name } : {}
}

/** Returns the first error: a name with several addresses fails with one error for each. */
function reasonOf(error: Error & { readonly errors?: readonly Error[]; readonly syscall?: string }): string {
  const [first = error] = error.errors ?? []
  return 'syscall' in first ? asConvergeError(first).message : first.message
}
