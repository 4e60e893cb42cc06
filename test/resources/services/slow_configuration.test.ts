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

t.setTimeout(120_000)

const fallback = { host: '127.0.0.1', port: 8100 }

t.test('a configuration whose definitions multiply its length counts as unknown', async (t) => {
  const base = scratch(t)
  fs.mkdirSync(`${base}/release`)
  fs.symlinkSync('release', `${base}/current`)
  const text = `%define A ${'x'.repeat(1_000_000)}\n${'$A\n'.repeat(1_000_000)}`
  fs.writeFileSync(`${base}/release/zope.conf`, text)
  const began = performance.now()
  t.equal(loadedFiles(new LocalHost(`${base}/state`), { current: `${base}/current`, paths: ['zope.conf'] }), null)
  t.ok(performance.now() - began < 5000)
})

t.test('finds no address in a zeo.conf of millions of blanks, sections or lines, within 10 s', async (t) => {
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
    const began = performance.now()
    t.match(zeoAddress(host, { ...fallback, config: `${base}/zeo.conf` }), { endpoint: fallback })
    t.ok(performance.now() - began < 10_000, `${Math.round(performance.now() - began)} ms`)
  }
})
