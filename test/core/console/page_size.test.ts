/** Tests that the first page of the console stays small: everything that a browser loads for it, compressed. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import { Hono } from 'hono'
import t from 'tap'
import { servePages } from '../../../core/console/pages.ts'

const directory = fileURLToPath(new URL('../../../dist/console', import.meta.url))
const limit = 60_000

t.test('the first page of the console is small', async (t) => {
  const names = readdirSync(directory).sort()
  t.strictSame(names, ['app.css', 'app.js', 'icon.svg', 'index.html'], 'all files of the browser')
  const sizes = names.map((name) => gzipSync(readFileSync(`${directory}/${name}`)).length)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  t.comment(names.map((name, index) => `${name} ${sizes[index]}`).join(', '))
  t.ok(total < limit, `${total} bytes`)
})

t.test('sends the pages compressed, and once', async (t) => {
  const app = new Hono()
  servePages(app, directory)
  const get = (encoding: string, more: object = {}) =>
    app.request('/app.js', { headers: { 'Accept-Encoding': encoding, ...more } })
  const content = readFileSync(`${directory}/app.js`)
  for (const encoding of ['gzip', 'br, gzip;q=0.5', 'deflate, GZIP']) {
    const answer = await get(encoding)
    t.equal(answer.headers.get('content-encoding'), 'gzip', encoding)
    t.ok(gunzipSync(await answer.arrayBuffer()).equals(content))
  }
  for (const encoding of ['', 'br', 'gzip;q=0', 'gzip; q=0.000']) {
    const answer = await get(encoding)
    t.equal(answer.headers.get('content-encoding'), null, encoding)
    t.ok(Buffer.from(await answer.arrayBuffer()).equals(content))
  }
  const etag = (await get('gzip')).headers.get('etag') ?? ''
  t.equal((await get('gzip', { 'If-None-Match': etag })).status, 304)
  t.equal((await get('gzip', { 'If-None-Match': '"another"' })).status, 200)
})
