/** Tests that the first page of the console stays small: everything that a browser loads for it, compressed. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import t from 'tap'

const directory = fileURLToPath(new URL('../../../dist/console', import.meta.url))
const limit = 60_000

t.test('the first page', async (t) => {
  const names = readdirSync(directory).sort()
  t.strictSame(names, ['app.css', 'app.js', 'icon.svg', 'index.html'], 'all files of the browser')
  const sizes = names.map((name) => gzipSync(readFileSync(`${directory}/${name}`)).length)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  t.comment(names.map((name, index) => `${name} ${sizes[index]}`).join(', '))
  t.ok(total < limit, `${total} bytes`)
})
