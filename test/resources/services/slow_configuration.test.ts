/**
 * Tests that root searches the configuration of an app in a limited time, even if the account of the app wrote it to
 * take long.
 */
import * as fs from 'node:fs'
import t from 'tap'
import { LocalHost } from '../../../core/host/local.ts'
import { zeoAddress } from '../../../resources/services/readiness/listening_address.ts'
import { loadedFiles } from '../../../resources/services/restart/loaded_files.ts'
import { scratch } from '../../support/machine.ts'

// A search whose time grows faster than its text does not end within the limit of the test run.
t.setTimeout(120_000)

const fallback = { host: '127.0.0.1', port: 8100 }

t.test('reports a configuration as unknown whose definitions multiply its length', async (t) => {
  const base = scratch(t)
  fs.mkdirSync(`${base}/release`)
  fs.symlinkSync('release', `${base}/current`)
  const text = `%define A ${'x'.repeat(1_000_000)}\n${'$A\n'.repeat(1_000_000)}`
  fs.writeFileSync(`${base}/release/zope.conf`, text)
  t.equal(loadedFiles(new LocalHost(`${base}/state`), { current: `${base}/current`, paths: ['zope.conf'] }), null)
})

t.test('finds no address in a zeo.conf of millions of blanks, sections or lines', async (t) => {
  const base = scratch(t)
  const host = new LocalHost(`${base}/state`)
  const texts = [
    '\n'.repeat(2_000_000),
    '\n'.repeat(120_000),
    '<zeo>\n'.repeat(20_000),
    `%define A ${' '.repeat(120_000)}b`,
  ]
  for (const text of texts) {
    fs.writeFileSync(`${base}/zeo.conf`, `${text}\n<zeo>\naddress 8${' '.repeat(5000)}$A\n`)
    t.match(zeoAddress(host, { ...fallback, config: `${base}/zeo.conf` }), { endpoint: fallback })
  }
})
