/** Tests files that another account can replace while root reads them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import system, * as fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import t, { type Test } from 'tap'
import { LocalHost } from '../../../core/host/local.ts'
import type { HostReader } from '../../../core/host/types.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { readDisposable } from '../../../core/model/file_errors.ts'
import { hostileKinds, nobody, plant, secret, swapper } from '../../support/hostile.ts'
import { needs, scratch } from '../../support/machine.ts'

function site(t: Test) {
  const base = scratch(t)
  const [own, precious] = [`${base}/own`, `${base}/precious`]
  fs.mkdirSync(own)
  fs.chownSync(own, nobody, nobody)
  fs.mkdirSync(`${precious}/open`, { recursive: true })
  fs.chmodSync(precious, 0o700)
  fs.writeFileSync(`${precious}/file`, secret, { mode: 0o600 })
  fs.writeFileSync(`${precious}/open/file`, secret, { mode: 0o644 })
  const host = new LocalHost(`${base}/state`)
  return { base, own, precious, host, readers: { run: host, 'dry run': new VirtualHost({ base: host }) } }
}

const codes = ['NOT_A_FILE', 'FILE_TOO_LARGE', 'NOT_READABLE', 'UNSAFE_PATH', 'ELOOP']

function refused(t: Test, reader: HostReader, path: string, name: string): void {
  try {
    t.equal(reader.readText(path), null, name)
  } catch (thrown) {
    const error = thrown as NodeJS.ErrnoException
    t.ok(codes.includes(error.code ?? ''), `${name}: ${error.message}`)
    t.match(error.message, path, `${name}: names the path`)
    t.notMatch(JSON.stringify(error), secret, name)
  }
}

t.test('refuses whatever an account puts in place of its file', (t) => {
  if (!needs(t, ['root', 'nobody'])) return t.end()
  const { own, precious, readers } = site(t)
  const path = `${own}/file`
  for (const kind of hostileKinds)
    for (const [mode, reader] of Object.entries(readers)) {
      plant(kind, path, `${precious}/file`)
      refused(t, reader, path, `${kind.name}, ${mode}`)
      if (kind.name !== 'link to itself')
        t.equal(readDisposable(reader, path), null, `${kind.name}, ${mode}: as a cache`)
    }
  t.end()
})

t.test('reads nothing through a link of another account that this account may not read', (t) => {
  if (!needs(t, ['root', 'nobody'])) return t.end()
  const { base, own, precious, readers } = site(t)
  fs.writeFileSync(`${base}/public`, 'public')
  for (const [name, target] of Object.entries({ directory: precious, open: `${precious}/open`, up: '../precious' })) {
    fs.symlinkSync(target, `${own}/${name}`)
    fs.lchownSync(`${own}/${name}`, nobody, nobody)
  }
  fs.symlinkSync(`${base}/public`, `${own}/public`)
  fs.symlinkSync(`${own}/directory`, `${base}/roots-link`)
  fs.symlinkSync(`${precious}/file`, `${base}/roots-own`)
  for (const [mode, reader] of Object.entries(readers)) {
    for (const path of [`${own}/directory/file`, `${own}/up/file`, `${own}/open/file`, `${base}/roots-link/file`])
      refused(t, reader, path, `${path}, ${mode}`)
    for (const path of [`${own}/directory`, `${own}/up`, `${base}/roots-link`])
      t.throws(() => t.strictSame(reader.list(path), ['file', 'open']), { code: 'NOT_READABLE' }, `${path}, ${mode}`)
    t.equal(reader.readText(`${own}/public`), 'public', `${mode}: what everybody may read`)
    t.equal(reader.readText(`${base}/roots-own`), secret, `${mode}: a link of root's own`)
  }
  t.end()
})

t.test('a swap of file and link in a loop never shows the file of root', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const { own, precious, readers } = site(t)
  const path = `${own}/file`
  const stop = await swapper(path, `${precious}/file`)
  const values = new Set<string>()
  try {
    for (const reader of Object.values(readers))
      for (let tries = 0; tries < 500; tries++)
        try {
          values.add(reader.readText(path) ?? 'none')
        } catch (error) {
          values.add((error as NodeJS.ErrnoException).code ?? 'without a code')
        }
  } finally {
    await stop()
  }
  t.notOk(values.has(secret))
  t.ok(values.has('harmless') || values.has(''), [...values].join(', '))
  t.strictSame(
    [...values].filter((one) => !['', 'harmless', 'none', ...codes].includes(one)),
    [],
  )
})

/** Calls `before` ahead of each read(2) of this process, and counts the bytes that are read. */
function withReads(t: Test, before: () => void): { bytes: number } {
  const read = system.readSync
  const count = { bytes: 0 }
  system.readSync = ((...given: Parameters<typeof read>) => {
    before()
    const length = read(...given)
    count.bytes += length
    return length
  }) as typeof read
  syncBuiltinESMExports()
  t.teardown(() => {
    system.readSync = read
    syncBuiltinESMExports()
  })
  return count
}

t.test('stops at the limit in a file that grows with each read', (t) => {
  const { base, readers } = site(t)
  const path = `${base}/log`
  const more = Buffer.alloc(256 * 1024)
  const count = withReads(t, () => fs.appendFileSync(path, more))
  for (const [mode, reader] of Object.entries(readers))
    for (const first of ['', 'a', 'a'.repeat(100_000)]) {
      fs.writeFileSync(path, first)
      count.bytes = 0
      t.throws(() => reader.readText(path, { limit: 1_000_000 }), { code: 'FILE_TOO_LARGE' }, mode)
      t.equal(count.bytes, 1_000_001, `${mode}: no byte more is read`)
      fs.writeFileSync(path, first)
      count.bytes = 0
      t.equal(reader.readText(path, { limit: 1_000_000, from: -10 })?.length, 1_000_000, `${mode}: its end`)
      t.equal(count.bytes, 1_000_000)
    }
  t.end()
})

t.test('stops at the new end of a file that shrinks with each read', (t) => {
  const { base, host } = site(t)
  const path = `${base}/log`
  fs.writeFileSync(path, 'a'.repeat(500_000))
  withReads(t, () => fs.truncateSync(path, 0))
  t.equal(host.readText(path), '')
  t.end()
})

t.test('stops at the limit in a file that another account writes without end', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const { own, readers } = site(t)
  const path = `${own}/log`
  // Starts again from an empty file, so that the disk does not fill up.
  const script = `import os, sys
print('ready', flush=True)
while True:
    with open(sys.argv[1], 'wb', 0) as file:
        for _ in range(800): file.write(b'x' * 10000)`
  const writer = spawn('python3', ['-c', script, path], {
    uid: nobody,
    gid: nobody,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(writer.stdout, 'data')
  let texts = 0
  let tooLarge = 0
  try {
    for (const reader of Object.values(readers))
      for (let tries = 0; tries < 300; tries++)
        try {
          if ((reader.readText(path, { limit: 2_000_000 }) ?? '').length > 2_000_000) t.fail('more than the limit')
          texts++
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'FILE_TOO_LARGE') throw error
          tooLarge++
        }
  } finally {
    writer.kill('SIGKILL')
    await once(writer, 'exit')
  }
  t.equal(texts + tooLarge, 600)
})

t.test('the limit counts the bytes that were read', (t) => {
  const { base, host } = site(t)
  const path = `${base}/log`
  fs.writeFileSync(path, 'a'.repeat(1000))
  t.equal(host.readText(path, { limit: 1000 })?.length, 1000)
  t.throws(() => host.readText(path, { limit: 999 }), {
    code: 'FILE_TOO_LARGE',
    message: /1,000 bytes, more than the limit of 999 bytes/,
  })
  fs.appendFileSync(path, 'end')
  t.equal(host.readText(path, { limit: 5, from: -5 }), 'aaend')
  t.equal(host.readText(path, { limit: 5000, from: -5000 })?.length, 1003)
  t.match(host.readText('/proc/self/status'), /^Name:/, 'a file whose size the system does not say')
  t.throws(() => host.readText('/proc/self/status', { limit: 10 }), { code: 'FILE_TOO_LARGE' })
  t.equal(host.readText(`${base}/missing`), null)
  t.equal(host.readText(`${path}/below`), null)
  const dry = new VirtualHost({ base: host })
  dry.writeFile(`${base}/planned`, 'planned')
  t.equal(dry.readText(`${base}/planned`, { limit: 3, from: -3 }), 'ned')
  t.throws(() => dry.readText(`${base}/planned`, { limit: 3 }), { code: 'FILE_TOO_LARGE' })
  dry.setMode(path, '0600')
  dry.rename(path, `${path}.1`)
  t.equal(dry.readText(`${path}.1`)?.length, 1003, 'moved in a dry run')
  t.match(dry.lstat(`${path}.1`), { size: 1003, mode: '0600' })
  t.end()
})
