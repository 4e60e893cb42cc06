/** Tests that each promise in docs/security.md names tests that exist. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('../..', import.meta.url))
const text = readFileSync(`${root}/docs/security.md`, 'utf8')

t.test('the named tests exist', async (t) => {
  const named = [...text.matchAll(/`(test\/[\w./-]+)`/g)].map(([, path = '']) => path)
  t.ok(named.length > 15, `${named.length} tests`)
  for (const path of new Set(named)) t.ok(existsSync(`${root}/${path}`), path)
})

t.test('each promise names a test', async (t) => {
  const tables = [...text.matchAll(/^\| promise \| test \|\n\|---\|---\|\n((?:\|.*\n)+)/gm)]
  t.ok(tables.length >= 2)
  for (const [, rows = ''] of tables)
    for (const row of rows.trim().split('\n')) t.match(row, /\| `test\/[^|]+\.test\.ts`[^|]* \|$/, row.slice(0, 60))
})
