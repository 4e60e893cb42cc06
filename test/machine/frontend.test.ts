/**
 * Tests real nginx, Varnish and HAProxy in front of three small servers, in a network namespace of their own if the
 * system allows one.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { converge } from '../../core/converge/engine.ts'
import { checkHealth } from '../../core/fleet/health/health_check.ts'
import frontend from '../../recipes/frontend/role.ts'
import portApp from '../../recipes/port_app/role.ts'
import { BalancerClient } from '../../resources/balancer/haproxy_runtime.ts'
import { serviceReader } from '../../resources/services/managers/select_manager.ts'
import { childPids } from '../../resources/services/managers/service_processes.ts'
import { service } from '../../resources/services/service.ts'
import { failureOf, patchOf, planOf } from '../support/contract.ts'
import { freePort, needs, scratch, selfSigned } from '../support/machine.ts'
import { reservePorts, until } from '../support/wait_until.ts'
import { repairsLoadedDrift } from './support/frontend_drift.ts'
import { frontendSite, visitors } from './support/frontend_site.ts'
import { ask } from './support/visitor_request.ts'

const example = fileURLToPath(new URL('../../fixtures/example-node-app', import.meta.url))
const network = 'CONVERGE_TEST_NETWORK'

/**
 * Runs the file in its own network namespace, since the clients' ports are the same for everybody who tests on this
 * system. Once as root, once as nobody.
 */
function inOwnNetwork(t: Test): boolean {
  if (process.env[network] !== undefined) return false
  if (spawnSync('unshare', ['--net', 'ip', 'link', 'set', 'lo', 'up']).status !== 0) return false
  const home = scratch(t)
  spawnSync('chown', ['nobody', home])
  const asNobody = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups']
  for (const [who, prefix, environment] of [
    ['root', [], {}],
    ['nobody', asNobody, { HOME: home, TMPDIR: home, USER: 'nobody', PATH: '/usr/local/bin:/usr/bin:/bin', CI: '' }],
  ] as const) {
    // tap adds itself to NODE_OPTIONS of every child process, and writes to directories that only its own account can
    // write.
    const own = ['env', '-u', 'NODE_OPTIONS', process.execPath, '--import', 'tsx', fileURLToPath(import.meta.url)]
    const command = [...prefix, ...own]
    const { status, stdout, stderr } = spawnSync(
      'unshare',
      ['--net', 'sh', '-c', 'ip link set lo up && exec "$0" "$@"', ...command],
      {
        encoding: 'utf8',
        timeout: 300_000,
        env: { ...process.env, ...environment, [network]: 'own', TAP_TIMEOUT: '300' },
      },
    )
    t.equal(status, 0, `in a network of its own, as ${who}`)
    if (status !== 0) t.comment(`${stdout}\n${stderr}`)
  }
  return true
}

t.test('the front end', async (t) => {
  if (!needs(t, ['supervisord', 'haproxy', 'varnishd', 'nginx', 'openssl'])) return
  if (inOwnNetwork(t)) return
  if (process.env[network] !== 'own') await reservePorts(t)
  const site = await frontendSite(t)
  const { http, https, cache, balancer } = site.ports
  const countRequests = (path: string) =>
    site.backends.flatMap((one) => one.requestedPaths).filter((requestedPath) => requestedPath.includes(path)).length

  await t.test('installs on an empty host', async (t) => {
    t.strictSame(failureOf(await site.converge({}, ['configure'], 'plan')), undefined, 'planned')
    t.strictSame(failureOf(await site.converge()), undefined, 'done')
    await until(async () => (await ask(http, '/ready')).status === 200, 'the site answers')
    const answer = await ask(http, '/news/', { headers: { Host: 'www.example.com' } })
    t.match(answer.body, /^b\d \/VirtualHostBase\/http\/www\.example\.com:\d+\/Plone\/VirtualHostRoot\/news 127/)
    t.match(answer.headers, { 'x-frame-options': 'SAMEORIGIN', 'x-content-type-options': 'nosniff' })
    const again = await site.converge()
    t.strictSame([failureOf(again), patchOf(again)], [undefined, []], 'a second run changes nothing')
  })

  await t.test('caches anonymous pages, and never those of users who are logged in', async (t) => {
    for (let times = 0; times < 3; times++) await ask(http, '/kept', { headers: { Cookie: '_ga=1; _pk=2' } })
    t.equal(countRequests('/kept'), 1)
    t.equal((await ask(http, '/kept')).headers['x-cache'], 'hit')
    for (const headers of [{ Cookie: 'x=1; __ac=abc' }, { Authorization: 'Basic eDp5' }]) {
      const before = countRequests('/kept')
      for (let times = 0; times < 3; times++)
        t.equal((await ask(http, '/kept', { headers })).headers['x-cache'], 'pass')
      t.equal(countRequests('/kept'), before + 3)
    }
    for (const control of ['private', 'no-store', 'max-age=0'])
      for (let times = 0; times < 2; times++) await ask(http, `/own?control=${control}`)
    t.equal(countRequests('/own'), 6)
  })

  await t.test('never caches an error: the next request gets the page', async (t) => {
    for (const status of [302, 400, 403, 404, 410, 429, 500, 502, 503])
      for (const query of ['', '?control=max-age%3D600', '?control=s-maxage%3D600']) {
        // The cache may store a redirect for as long as the site declares.
        if (status === 302 && query !== '') continue
        const path = `/made-${status}`
        site.statuses.set(path, status)
        const answers = await Promise.all([1, 2, 3, 4].map(() => ask(http, `${path}${query}`)))
        t.ok(
          answers.every((one) => one.status === status && one.headers['x-cache'] !== 'hit'),
          `${status} ${query}`,
        )
        site.statuses.delete(path)
        t.equal((await ask(http, `${path}${query}`)).status, 200, `after ${status} ${query}`)
      }
    t.equal((await ask(http, '/made-404')).headers['x-cache'], 'hit', 'and the page is cached')
  })

  await t.test('does not cache the error page of the cache', async (t) => {
    const provider = { kind: 'supervisor' as const, socket: `${site.prefix}/var/run/supervisor.sock` }
    const switched = (action: 'running' | 'stopped') =>
      converge(
        planOf((r) => service(r, { name: 'frontend-haproxy', provider, action })),
        site.host,
        { id: 'test', mode: 'run' },
      )
    await switched('stopped')
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(http, '/down')))
    t.ok(
      answers.every(({ status }) => status === 503),
      'no balancer',
    )
    await switched('running')
    await until(async () => (await ask(balancer, '/')).status === 200, 'the balancer is back')
    t.equal((await ask(http, '/down')).status, 200)
  })

  await t.test('only allowed addresses may purge a page', async (t) => {
    const path = '/VirtualHostBase/http/www.example.com:80/Plone/VirtualHostRoot/old'
    await ask(cache, path)
    const requestCount = countRequests('/old')
    t.equal((await ask(cache, path, { method: 'PURGE', from: '127.0.9.9' })).status, 405, 'not a stranger')
    t.equal((await ask(http, '/old', { method: 'PURGE', from: '127.0.9.9' })).status, 405, 'nor by way of nginx')
    await ask(cache, path)
    t.equal(countRequests('/old'), requestCount)
    t.equal((await ask(cache, path, { method: 'PURGE' })).status, 200)
    await ask(cache, path)
    t.equal(countRequests('/old'), requestCount + 1)
  })

  await t.test('after a deploy, fetches the pages of the site again, and keeps those of other sites', async (t) => {
    const page = (site: string) => `/VirtualHostBase/http/www.example.com:80/${site}/VirtualHostRoot/new`
    const [own, sub, others] = [page('Plone'), page('Plone/intranet'), page('Plone2')]
    const all = ['/new', own, sub, others]
    const cached = async () => {
      const answers = await Promise.all(all.map((path) => ask(path === '/new' ? http : cache, path)))
      return answers.map(({ headers }) => headers['x-cache'])
    }
    let runs = 0
    const ban = async (deployed: object, more = {}) => {
      const attributes = { varnish_plone: { ban_on_deploy: true }, converge: { deployed }, ...more }
      return site.converge(attributes, ['ban'], 'run', undefined, `ban ${++runs}`)
    }
    await cached()
    t.strictSame(await cached(), ['hit', 'hit', 'hit', 'hit'])
    const first = await ban({ site: { commit: 'c0ffee', deployment: '12' } })
    t.strictSame(failureOf(first), undefined)
    t.strictSame(await cached(), ['miss', 'miss', 'miss', 'hit'])
    t.strictSame(await cached(), ['hit', 'hit', 'hit', 'hit'])
    t.strictSame(patchOf(await ban({ site: { commit: 'c0ffee', deployment: '12' } })), [], 'once for a deployment')
    t.strictSame(patchOf(await ban({ site: { commit: 'c0ffee', deployment: null } })), [], 'and not without a switch')
    t.strictSame(await cached(), ['hit', 'hit', 'hit', 'hit'])
    t.strictSame(
      failureOf(await ban({}, { plone_instances: { site_id: '' } })),
      undefined,
      'by hand, the whole database',
    )
    t.strictSame(await cached(), ['miss', 'miss', 'miss', 'miss'])
    await cached()
    t.strictSame(failureOf(await ban({}, { varnish_purge_urls: ['/Plone2/', '/intranet/'] })), undefined)
    t.strictSame(await cached(), ['hit', 'hit', 'miss', 'miss'], 'by hand, the pages of the attribute only')
    const other = await ban({ site: { commit: 'beef', deployment: '13' } }, { varnish_purge_urls: ['/none'] })
    t.strictSame(failureOf(other), undefined)
    t.strictSame(await cached(), ['miss', 'miss', 'miss', 'hit'], 'a deploy bans all pages of the site anyway')
    t.match(failureOf(await ban({}, { varnish_purge_urls: '[a-' })), { output: /[Rr]egexp|missing terminating/ })
  })

  await t.test('the cache does not answer the health check of a rollout', async (t) => {
    const check = { status: { min: 200, max: 399 }, command: undefined, directory: '/', environment: {}, successes: 10 }
    const pages = [{ url: `http://127.0.0.1:${http}/gate`, host: 'www.example.com', headers: {} }]
    await ask(http, '/gate', { headers: { Host: 'www.example.com' } })
    t.equal((await ask(http, '/gate', { headers: { Host: 'www.example.com' } })).headers['x-cache'], 'hit')
    site.statuses.set('/gate', 500)
    const health = await checkHealth({ ...check, pages, deadlineSeconds: 1 })
    t.match(health, { ok: false, detail: 'status 500' })
    site.statuses.delete('/gate')
    t.match(await checkHealth({ ...check, pages, deadlineSeconds: 1 }), { ok: true })
  })

  await t.test('protects the statistics page with a generated password', async (t) => {
    const file = `${site.prefix}/etc/haproxy/stats-password`
    const password = readFileSync(file, 'utf8').trim()
    t.equal(statSync(file).mode & 0o777, 0o600)
    t.equal((await ask(http, '/balancer/stats')).status, 401)
    const headers = { Authorization: `Basic ${Buffer.from(`opsworks:${password}`).toString('base64')}` }
    t.match(await ask(http, '/balancer/stats', { headers }), { status: 200, body: /b3-1/ })
    t.notOk(site.reported.join('\n').includes(password), 'it is shown nowhere')
  })

  await t.test(
    'reloads a changed configuration without a lost request, and drained servers stay drained',
    async (t) => {
      const runtime = new BalancerClient(site.host, { socket: site.socket })
      await runtime.drain({ name: 'plone_instances/b2-1', sticky: false, checked: true })
      const coming = visitors(http, 6)
      const changed = {
        // A host whose name does not resolve yet.
        opsworks: { layers: { plone_instances: { instances: { b4: { private_dns_name: 'b4.nowhere.invalid' } } } } },
        haproxy: { retries: 4 },
        varnish_plone: { grace: 90 },
        nginx_plone: { client_max_body_size: '64m', additional_config: 'add_header X-Site changed always;' },
      }
      await until(() => coming.count > 100, 'visitors come')
      const report = await site.converge(changed)
      const mark = coming.count
      await until(() => coming.count > mark + 100, 'more visitors arrive')
      t.strictSame(failureOf(report), undefined)
      t.strictSame(await coming.stop(), [], 'no visitor got an error')
      t.equal(report.resources.filter(({ name }) => name.startsWith('service_reload')).length, 3)
      const admin = (await runtime.servers()).map(({ name, admin }) => [name, admin])
      t.strictSame(admin, [
        ['plone_instances/b1-1', 'ready'],
        ['plone_instances/b2-1', 'drain'],
        ['plone_instances/b3-1', 'ready'],
        ['plone_instances/b4-1', 'maint'],
      ])
      await runtime.ready('plone_instances/b2-1')
      t.strictSame(patchOf(await site.converge(changed)), [])
      t.strictSame(failureOf(await site.converge()), undefined, 'and back')
    },
  )

  await t.test('keeps the current configuration if the program refuses the new one', async (t) => {
    const path = `${site.prefix}/etc/nginx/sites-available/instances`
    const before = readFileSync(path, 'utf8')
    t.match(failureOf(await site.converge({ nginx_plone: { additional_config: 'bogus on;' } })), {
      code: 'CHECK_FAILED',
      output: new RegExp(`unknown directive "bogus" in ${path}:\\d+`),
    })
    t.equal(readFileSync(path, 'utf8'), before)
    t.match(failureOf(await site.converge({ haproxy: { balance: 'nonsense' } })), {
      code: 'CHECK_FAILED',
      output: /haproxy\.cfg:\d+\] : balance only supports/,
    })
    t.equal((await ask(http, '/still')).status, 200)
    t.strictSame(patchOf(await site.converge()), [], 'a second run changes nothing')
  })

  await t.test('a server that accepts connections and never answers is not ready', async (t) => {
    const names = ['frontend-haproxy', 'frontend-varnish']
    const reader = serviceReader(site.host, { kind: 'supervisor', socket: `${site.prefix}/var/run/supervisor.sock` })
    const masters = await Promise.all(names.map(async (name) => (await reader.freshStatus(name)).pid))
    const workers = masters.flatMap((pid) => childPids(site.host, pid))
    for (const pid of workers) process.kill(pid, 'SIGSTOP')
    const [inspection, planned] = await Promise.all([site.inspect(), site.converge({}, ['configure'], 'plan')])
    for (const pid of workers) process.kill(pid, 'SIGCONT')
    const silent = { up: false, detail: /did not answer within 10 s/ }
    t.match(inspection, [silent, silent, { up: true }])
    t.strictSame(
      planned.resources.map(({ words }) => words),
      names.map((name) => `wait for ${name}`),
    )
    t.match(await site.inspect(), [{ up: true }, { up: true }, { up: true }])
    t.strictSame(patchOf(await site.converge()), [])
  })

  await t.test('repairs a changed configuration that somebody has loaded', (t) => repairsLoadedDrift(t, site))

  await t.test('turns the maintenance page on and off', async (t) => {
    t.strictSame(failureOf(await site.converge({}, ['maintenance_on'])), undefined)
    for (const method of ['GET', 'POST'])
      t.match(await ask(http, '/any/page', { method }), {
        status: 503,
        body: /Back soon/,
        headers: { 'retry-after': '60' },
      })
    const headers = { 'X-Converge-Test': 'smoke-test' }
    t.equal((await ask(http, '/any/page', { headers })).status, 200, 'a smoke test reaches the site')
    t.equal((await ask(http, '/any/page', { headers: { 'X-Converge-Test': 'x' } })).status, 503)
    t.equal((await ask(http, '/balancer/stats')).status, 401, 'statistics are still to be had')
    t.strictSame(failureOf(await site.converge({}, ['maintenance_off'])), undefined)
    t.equal((await ask(http, '/any/page')).status, 200)
  })

  await t.test('serves TLS, and sticky sessions return visitors to their client', async (t) => {
    const pair = selfSigned(t, 'www.example.com')
    const attributes = {
      plone_instances: { sticky_sessions: true, subsites: { 'intranet.example.com': 'intranet' } },
      deploy: {
        site: {
          ssl_support: true,
          ssl_certificate: pair.certificate,
          ssl_certificate_key: pair.key,
          domains: ['www.example.com', 'intranet.example.com', 'site'],
        },
      },
    }
    t.strictSame(failureOf(await site.converge(attributes)), undefined)
    const pem = `${site.prefix}/etc/nginx/ssl/www.example.com.pem`
    t.equal(statSync(pem).mode & 0o777, 0o600)
    t.notOk(site.reported.join('\n').includes(pair.key.split('\n')[1] ?? ''), 'the key is shown nowhere')
    const get = (path: string, host: string, more = {}) =>
      ask(https, path, { tls: { servername: host }, headers: { Host: host, ...more } })
    await until(async () => (await get('/', 'www.example.com').catch(() => null))?.status === 200, 'TLS answers')
    t.match((await get('/a', 'www.example.com')).body, /VirtualHostBase\/https\/www\.example\.com:\d+\/Plone\/Virt/)
    t.match((await get('/a', 'intranet.example.com')).body, /\/Plone\/intranet\/VirtualHostRoot\/a/)
    await t.rejects(ask(https, '/', { tls: { maxVersion: 'TLSv1.1' } }), 'nothing older than TLS 1.2')

    const first = await get('/mine', 'www.example.com', { Cookie: '__ac=me' })
    const cookie = /sid=([^;]+)/.exec(String(first.headers['set-cookie']))?.[1] ?? ''
    t.match(cookie, /^b\d-1$/)
    for (let times = 0; times < 4; times++) {
      const next = await get('/mine', 'www.example.com', { Cookie: `__ac=me; sid=${cookie}` })
      t.equal(`${next.headers['x-served-by']}-1`, cookie)
    }
    await get('/ours', 'www.example.com')
    t.match((await get('/ours', 'www.example.com')).headers, { 'x-cache': 'hit', 'set-cookie': undefined })

    const other = selfSigned(t, 'www.example.com')
    const mixed = { ...attributes, deploy: { site: { ...attributes.deploy.site, ssl_certificate: other.certificate } } }
    t.match(failureOf(await site.converge(mixed)), { code: 'CHECK_FAILED' }, 'key and certificate must match')
    t.equal((await get('/', 'www.example.com')).status, 200)
  })

  await t.test('serves another app in the same nginx', async (t) => {
    const beside = (own: object) => ({
      port_app: {
        app_name: 'shop',
        command: `/usr/bin/env -u NODE_OPTIONS ${process.execPath} server.js --port %{port}`,
        health: { path: '/healthz' },
        http_port: http,
        ports,
        ...own,
      },
      deploy: { shop: { user: 'www-data', scm: { scm_type: 'directory', repository: example } } },
    })
    const ports = [await freePort(), await freePort()]
    const both = [frontend, portApp]
    await t.rejects(site.converge(beside({}), ['deploy'], 'run', both), { code: 'SITE_TAKEN' })
    const shop = beside({ domains: ['shop.test'] })
    t.strictSame(failureOf(await site.converge(shop, ['deploy'], 'run', both)), undefined)
    const get = (host: string) => ask(http, '/', { headers: { Host: host } })
    await until(async () => /^one /.test((await get('shop.test')).body), 'the app answers')
    t.match((await get('www.example.com')).body, /^b\d /)
    t.strictSame(patchOf(await site.converge(shop, ['deploy'], 'run', both)), [], 'they agree on their nginx')
    await t.rejects(site.converge(beside({}), ['deploy'], 'run', [portApp]), { message: /shop and of the frontend/ })
    t.strictSame(failureOf(await site.converge(shop, ['undeploy'], 'run', [portApp])), undefined)
    t.match((await get('www.example.com')).body, /^b\d /)
  })

  await t.test('stops, starts and removes the front end', async (t) => {
    t.strictSame(failureOf(await site.converge({}, ['stop'])), undefined)
    await t.rejects(ask(http, '/'))
    t.strictSame(failureOf(await site.converge({}, ['start'])), undefined)
    await until(async () => (await ask(http, '/').catch(() => null))?.status === 200, 'it is back')
    t.strictSame(failureOf(await site.converge({}, ['undeploy'])), undefined)
    t.notOk(existsSync(`${site.prefix}/etc/nginx/sites-enabled/instances`))
    await t.rejects(ask(balancer, '/'))
  })
})
