/** Whether a site is well is told by the site, and not by a cache before it. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { askHealth } from '../../../../core/fleet/rollout/health.ts'

const range = { min: 200, max: 399 }

t.test('a page out of a cache is asked for once more', async (t) => {
  const asked: string[] = []
  const server = createServer(({ url = '' }, answer) => {
    asked.push(url)
    if (url === '/?lang=en') answer.setHeader('Age', '12')
    else if (url.includes('converge=')) answer.statusCode = 503
    answer.end('page')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const check = { status: range, command: undefined, directory: '/', deadlineSeconds: 1 }
  const cached = await askHealth({ ...check, urls: [`${at}/fresh`, `${at}/?lang=en`] })
  t.strictSame(cached, { ok: false, what: `${at}/?lang=en`, detail: 'status 503' })
  t.equal(asked[0], '/fresh')
  t.match(asked[2], /^\/\?lang=en&converge=[0-9a-f-]{36}$/)
  t.notOk(
    asked.some((url) => url.startsWith('/fresh?')),
    'what no cache has answered is asked once',
  )
})

t.test('a site that is closed for maintenance does not stop a rollout', async (t) => {
  const server = createServer((_, answer) => answer.writeHead(503, { 'X-Converge-Maintenance': 'on' }).end('Back soon'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const urls = [`http://127.0.0.1:${(server.address() as AddressInfo).port}/`]
  const health = await askHealth({ urls, status: range, command: undefined, directory: '/', deadlineSeconds: 1 })
  t.match(health, { ok: true, detail: /closed for maintenance/ })
})

t.test('commands are asked as well', async (t) => {
  const check = { urls: [], status: range, directory: '/usr', deadlineSeconds: 1 }
  t.match(await askHealth({ ...check, command: 'test "$PWD" = /usr' }), { ok: true })
  t.match(await askHealth({ ...check, command: 'echo no shop >&2; exit 3' }), { ok: false, detail: 'no shop' })
})

t.test('nobody is asked again once the answer is not waited for', async (t) => {
  const given = new AbortController()
  const check = { urls: [], status: range, directory: '/', deadlineSeconds: 3600, given: given.signal }
  const asking = askHealth({ ...check, command: 'false' })
  given.abort()
  t.match(await asking, { ok: false })
  const late = new AbortController()
  const waiting = askHealth({ ...check, given: late.signal, command: 'false' })
  setTimeout(() => late.abort(), 50)
  t.match(await waiting, { ok: false })
})
