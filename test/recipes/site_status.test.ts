/** Tests `status` of an app behind nginx: up only if visitors can reach it. */
import t from 'tap'
import type { ServiceView } from '../../core/compile/inspection.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { viewServed } from '../../recipes/web/served.ts'
import type { Site } from '../../recipes/web/site.ts'

const site = {
  app: { name: 'shop', attributes: { domains: ['*.shop.test', 'www.shop.test'] } },
  nginx: { config: '/etc/nginx/nginx.conf', enabled: '/etc/nginx/sites-enabled' },
  settings: { http_port: 80, domains: [] },
} as unknown as Site
const up: ServiceView = { name: 'shop-9090', state: 'running', up: true, readiness: 'up', detail: 'pid 7' }
const health = { path: '/healthz', headers: {}, status: { min: 200, max: 399 } }
const hostWithStatus = (status: number | null) => {
  const requestLog: unknown[] = []
  const host = new VirtualHost({
    requests: ({ port, path, headers }) => {
      requestLog.push({ port, path, headers })
      if (status === null) throw new ConvergeError('connect ECONNREFUSED', { code: 'ECONNREFUSED' })
      return { status, headers: {}, body: '' }
    },
  })
    .given('/etc/nginx/nginx.conf', '')
    .given('/etc/nginx/sites-enabled/shop', '')
  return { host, requestLog }
}

t.test('not ready if another site or none answers, or nginx does not reach the app', async (t) => {
  for (const status of [404, 502, 503, 504, null]) {
    const view = await viewServed(hostWithStatus(status).host, up, site, health)
    t.match(view, { up: false, readiness: 'not ready', detail: /nginx does not show it: / }, `${status}`)
    if (status !== null) t.match(view.detail, `HTTP status ${status} at port 80`)
  }
})

t.test('a page, a redirect or a password prompt counts as ready', async (t) => {
  for (const status of [200, 204, 301, 401, 403, 500])
    t.strictSame(await viewServed(hostWithStatus(status).host, up, site, health), up, `${status}`)
})

t.test('requests a domain of the app, past the maintenance page', async (t) => {
  const { host, requestLog } = hostWithStatus(200)
  await viewServed(host, up, site, health)
  t.match(requestLog, [
    { port: 80, path: '/healthz', headers: { Host: 'www.shop.test', 'X-Converge-Test': 'smoke-test' } },
  ])
})

t.test('requests nothing if the app is down, or without nginx', async (t) => {
  const down: ServiceView = { ...up, up: false, readiness: 'down' }
  const { host, requestLog } = hostWithStatus(404)
  t.strictSame(await viewServed(host, down, site, health), down)
  t.strictSame(await viewServed(new VirtualHost(), up, site, health), up)
  t.strictSame(requestLog, [])
})

t.test('accepts the status that the health check expects', async (t) => {
  const expected = { path: '/', headers: {}, status: { min: 404, max: 404 } }
  t.strictSame(await viewServed(hostWithStatus(404).host, up, site, expected), up)
})

t.test('not ready without an enabled site', async (t) => {
  const { host } = hostWithStatus(200)
  host.remove('/etc/nginx/sites-enabled/shop')
  t.match(await viewServed(host, up, site, health), { up: false, detail: /its site is not enabled/ })
})

t.test('a cached page: requests nginx past the cache, or status reports that it cannot', async (t) => {
  const hostWithCache = (fresh: { status: number; headers: Record<string, string> }) =>
    new VirtualHost({
      requests: ({ path = '' }) =>
        path.includes('converge=')
          ? { ...fresh, body: '' }
          : { status: 200, headers: { 'x-cache-status': 'HIT' }, body: '' },
    })
      .given('/etc/nginx/nginx.conf', '')
      .given('/etc/nginx/sites-enabled/shop', '')
  const gone = await viewServed(hostWithCache({ status: 502, headers: {} }), up, site, health)
  t.match(gone, { up: false, detail: /HTTP status 502/ })
  const kept = await viewServed(hostWithCache({ status: 200, headers: { age: '9' } }), up, site, health)
  t.match(kept, { up: true, detail: /^pid 7; nginx: a cache answered \(Age: 9\)/ })
  t.strictSame(await viewServed(hostWithCache({ status: 200, headers: {} }), up, site, health), up)
})
