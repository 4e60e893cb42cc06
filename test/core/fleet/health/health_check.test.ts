/** Tests the health gate: the site itself must answer, under its own name, and not a cache in front of it. */
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { checkHealth, type HealthCheck, type HealthWait } from '../../../../core/fleet/health/health_check.ts'

const base: HealthCheck = {
  pages: [],
  status: { min: 200, max: 399 },
  command: undefined,
  directory: '/',
  environment: {},
  deadlineSeconds: 1,
  successes: 1,
}
const page = (url: string, more: { readonly host?: string; readonly headers?: Record<string, string> } = {}) => ({
  url,
  host: undefined,
  headers: {},
  ...more,
})

async function site(t: Test, answers: (request: IncomingMessage, answer: ServerResponse) => void): Promise<string> {
  const server = createServer(answers)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const cached: readonly (readonly [name: string, value: string])[] = [
  ['Age', '12'],
  ['X-Cache', 'hit'],
  ['X-Cache', 'MISS, HIT'],
  ['X-Cache', 'TCP_HIT from proxy.example.com'],
  ['X-Cache-Status', 'STALE'],
  ['CF-Cache-Status', 'HIT'],
  ['Cache-Status', 'edge; hit; ttl=30'],
  ['X-Varnish', '32770 3'],
]
const fresh: readonly (readonly [name: string, value: string])[] = [
  ['Age', '0'],
  ['X-Cache', 'miss'],
  ['X-Cache', 'pass'],
  ['X-Cache-Status', 'EXPIRED'],
  ['Cache-Status', 'edge; fwd=stale'],
  ['X-Varnish', '32770'],
]

t.test('requests a page that a cache answers once more, with a query that no cache knows', async (t) => {
  for (const [name, value] of cached) {
    const requestLog: string[] = []
    const at = await site(t, ({ url = '' }, answer) => {
      requestLog.push(url)
      if (url.includes('converge=')) answer.statusCode = 503
      else answer.setHeader(name, value)
      answer.end('page')
    })
    const pages = [page(`${at}/a%20page?lang=en#top`)]
    t.match(await checkHealth({ ...base, pages }), { ok: false, detail: 'status 503' }, `${name}: ${value}`)
    t.equal(requestLog[0], '/a%20page?lang=en')
    t.match(requestLog[1], /^\/a%20page\?lang=en&converge=[0-9a-f-]{36}$/)
  }
})

t.test('requests a page that the site answers once', async (t) => {
  for (const [name, value] of fresh) {
    const requestLog: string[] = []
    const at = await site(t, ({ url = '' }, answer) => {
      requestLog.push(url)
      answer.setHeader(name, value).end('page')
    })
    t.match(await checkHealth({ ...base, pages: [page(`${at}/`)] }), { ok: true }, `${name}: ${value}`)
    t.strictSame(requestLog, ['/'])
  }
})

t.test('a cache that ignores the query fails the check', async (t) => {
  const at = await site(t, (_, answer) => answer.setHeader('X-Cache', 'hit').end('page'))
  const { ok, detail } = await checkHealth({ ...base, pages: [page(`${at}/`)] })
  t.equal(ok, false)
  t.match(detail, 'a cache answered (X-Cache: hit)')
})

t.test('sends the Host and other headers, and asks caches to revalidate', async (t) => {
  const requestLog: IncomingMessage['headers'][] = []
  const at = await site(t, ({ headers }, answer) => {
    requestLog.push(headers)
    answer.statusCode = headers.host === 'www.example.org' ? 200 : 404
    answer.end()
  })
  const named = page(`${at}/`, { host: 'www.example.org', headers: { 'X-Probe': 'yes' } })
  t.match(await checkHealth({ ...base, pages: [named] }), { ok: true, detail: 'status 200' })
  t.match(requestLog[0], { host: 'www.example.org', 'x-probe': 'yes', 'cache-control': 'no-cache', pragma: 'no-cache' })
  t.match(await checkHealth({ ...base, pages: [page(`${at}/`)] }), {
    ok: false,
    detail: /^status 404: correct health\.url, or create the Plone site that plone_instances\.site_id names$/,
  })
})

t.test('reports the check, its duration and the last answer', async (t) => {
  let requests = 0
  const at = await site(t, (_, answer) => {
    requests++
    answer.statusCode = requests < 2 ? 502 : 200
    answer.end()
  })
  const waits: HealthWait[] = []
  const pages = [page(`${at}/`)]
  const health = await checkHealth({ ...base, deadlineSeconds: 60, pages, onWait: (wait) => waits.push(wait) })
  t.match(health, { ok: true, detail: 'status 200' })
  t.strictSame(
    waits.map(({ elapsedMs, ...wait }) => wait),
    [
      { what: `${at}/`, deadlineMs: 60_000, detail: undefined },
      { what: `${at}/`, deadlineMs: 60_000, detail: 'status 502' },
    ],
  )
})

t.test('a page of a balancer must be right several times in a row', async (t) => {
  let requests = 0
  let isBroken = (request: number) => request % 2 === 0
  const at = await site(t, (_, answer) => {
    answer.statusCode = isBroken(requests++) ? 500 : 200
    answer.end()
  })
  const check = { ...base, deadlineSeconds: 2, successes: 10, pages: [page(`${at}/`)] }
  t.match(await checkHealth(check), { ok: false, detail: /status 500/ }, 'one of two servers is broken')
  requests = 0
  isBroken = (request) => request === 0
  t.match(await checkHealth({ ...check, deadlineSeconds: 60 }), { ok: true, detail: 'status 200' })
  t.equal(requests, 11)
  requests = 0
  isBroken = () => false
  t.match(await checkHealth(check), { ok: true })
  t.equal(requests, 10)
})

t.test('a site whose slow answers are correct passes at the deadline', async (t) => {
  const at = await site(t, (_, answer) => void setTimeout(() => answer.end(), 200))
  const check = { ...base, successes: 1000, pages: [page(`${at}/`)] }
  t.match(await checkHealth(check), { ok: true, detail: 'status 200' })
})

t.test('a command that succeeds runs once; one that failed must succeed several times in a row', async (t) => {
  const directory = t.testdir({})
  const check = { ...base, directory, deadlineSeconds: 60, successes: 3 }
  const count = 'echo run >>runs; '
  t.match(await checkHealth({ ...check, command: `${count} true` }), { ok: true })
  t.equal(readFileSync(`${directory}/runs`, 'utf8'), 'run\n')
  const failsFirst = `${count} test "$(wc -l <runs)" -gt 2`
  t.match(await checkHealth({ ...check, command: failsFirst }), { ok: true })
  t.equal(readFileSync(`${directory}/runs`, 'utf8'), 'run\n'.repeat(5), 'once, failed once, and three times')
})

t.test('fails for a site that cannot be reached', async (t) => {
  const health = await checkHealth({ ...base, pages: [page('http://127.0.0.1:1/')] })
  t.match(health, { ok: false, detail: /connect/ })
  t.match(await checkHealth({ ...base, pages: [page('http://no-such-name.invalid/')] }), {
    ok: false,
    detail: /no-such-name\.invalid/,
  })
})

t.test('a site that is closed for maintenance does not abort a rollout', async (t) => {
  const at = await site(t, (_, answer) => answer.writeHead(503, { 'X-Converge-Maintenance': 'on' }).end('Back soon'))
  const health = await checkHealth({ ...base, pages: [page(`${at}/`)] })
  t.match(health, { ok: true, detail: /closed for maintenance/ })
})

t.test('runs the health command', async (t) => {
  const check = { ...base, directory: '/usr' }
  t.match(await checkHealth({ ...check, command: 'test "$PWD" = /usr' }), { ok: true })
  t.match(await checkHealth({ ...check, command: 'echo no shop >&2; exit 3' }), { ok: false, detail: 'no shop' })
  const environment = { CONVERGE_HEALTH_URL: 'http://10.0.0.1/', CONVERGE_HEALTH_HOST: 'www.example.org' }
  const command =
    'echo "$CONVERGE_HEALTH_URL $CONVERGE_HEALTH_HOST $(echo "$CONVERGE_HEALTH_TOKEN" | tr -d -- - | wc -c)"; exit 1'
  t.match(await checkHealth({ ...check, environment, command }), { detail: 'http://10.0.0.1/ www.example.org 33' })
})

t.test('ends when the caller cancels, before or during a wait', async (t) => {
  const given = new AbortController()
  const check = { ...base, deadlineSeconds: 3600, signal: given.signal }
  const asking = checkHealth({ ...check, command: 'false' })
  given.abort()
  t.match(await asking, { ok: false })
  const late = new AbortController()
  const waiting = checkHealth({ ...check, signal: late.signal, command: 'false' })
  setTimeout(() => late.abort(), 50)
  t.match(await waiting, { ok: false })
})
