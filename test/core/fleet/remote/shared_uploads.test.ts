/** Tests that uploads for many hosts are computed, packed and stored once for all of them. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { type PackedFile, packDirectory } from '../../../../core/fleet/remote/packed_directory.ts'
import { checkUploadedNode, findRuntime, parseHostFacts } from '../../../../core/fleet/remote/runtime.ts'
import { elf } from '../../../support/elf.ts'

const what = { what: 'the engine', secret: false }
const facts = (machine: string) => parseHostFacts(`kernel=Linux\nmachine=${machine}\nlibc=glibc\n`)

t.test('packs the same files once', async (t) => {
  let read = 0
  const file: PackedFile = {
    get content() {
      read++
      return Buffer.from('the engine\n')
    },
  }
  const files = new Map([['start.cjs', file]])
  const hosts = Array.from({ length: 100 }, (_, host) =>
    packDirectory(host % 2 ? '/home/ann' : '', 'engine', files, what),
  )
  const once = read
  const archives = await Promise.all(hosts.map((item) => item.archive()))
  t.equal(new Set(archives).size, 1, 'one archive')
  t.ok(once <= 2 && read <= 2 * once, `looked at once, however many hosts: ${once}, ${read}`)
  t.strictSame(
    [...new Set(hosts.map(({ directory }) => directory.replace(/[^-/]*$/, '')))],
    ['/engine-', '/home/ann/engine-'],
  )

  const other = packDirectory('', 'engine', new Map([['start.cjs', { content: Buffer.from('another\n') }]]), what)
  t.not(other.directory, hosts[0]?.directory)
  t.not(await other.archive(), archives[0])
})

t.test('reads a Node program once for all hosts', async (t) => {
  const directory = t.testdir({ cache: {} })
  const program = `${directory}/program`
  // More than one chunk for any reader, and not a multiple of a chunk.
  const head = elf({ machine: 62 })
  const content = Buffer.concat([head, randomBytes(1_234_567 - head.length)])
  writeFileSync(program, content)
  const runtimes = { cacheDirectory: `${directory}/cache`, programs: { x64: program } }
  const items = await Promise.all(['/a', '/b'].map((library) => findRuntime(facts('x86_64'), library, runtimes)))
  const archives = await Promise.all(items.map((item) => item.archive()))
  t.equal(archives[0], archives[1], 'one archive in memory for all hosts')
  t.match(items[0]?.directory, /^\/a\/runtime-[0-9a-f]{24}$/)
  t.equal(items[0]?.directory.slice(2), items[1]?.directory.slice(2))

  const listed = execFileSync('tar', ['-tvzf', '-'], { input: archives[0] ?? '' }).toString()
  t.match(listed, /^-rwxr-xr-x .* 1234567 .* node\n$/)
  const inside = execFileSync('tar', ['-xzOf', '-', 'node'], { input: archives[0] ?? '', maxBuffer: 2e6 })
  t.ok(inside.equals(content), 'the whole program')

  const [kept, ...rest] = readdirSync(`${directory}/cache`)
  t.strictSame(rest, [])
  writeFileSync(`${directory}/cache/${kept}`, 'packed before')
  const again = await findRuntime(facts('x86_64'), '/a', { ...runtimes })
  t.equal(Buffer.from(await again.archive()).toString(), 'packed before', 'the next rollout finds the packed archive')
  t.equal(readFileSync(program).length, content.length)
})

t.test('a Node that cannot be used fails only its hosts', async (t) => {
  const directory = t.testdir({ cache: {} })
  const runtimes = { cacheDirectory: `${directory}/cache`, programs: { x64: `${directory}/missing` } }
  for (const library of ['/a', '/b'])
    await t.rejects(findRuntime(facts('x86_64'), library, runtimes), { code: 'ENOENT' })
})

t.test('refuses a Node that does not fit its host', async (t) => {
  const directory = t.testdir({ cache: {} })
  const program = `${directory}/node`
  writeFileSync(program, elf({ machine: 183, loader: '/lib/ld-linux-aarch64.so.1' }))
  const runtimes = { cacheDirectory: `${directory}/cache`, programs: { x64: program, arm64: program } }
  const refused = (machine: string, libc: string) =>
    findRuntime(parseHostFacts(`kernel=Linux\nmachine=${machine}\nlibc=${libc}\n`), '/a', runtimes)
  const hint = /^set "runtime" in the stack file to a Node 20\.11 or later/
  await t.rejects(refused('x86_64', 'glibc'), {
    code: 'NO_RUNTIME',
    hint,
    message: `${program} (runtime.x64 of the stack file) is a program for arm64, not for x64`,
  })
  await t.rejects(refused('aarch64', 'musl'), {
    code: 'NO_RUNTIME',
    message: /is a program for glibc, and the host has musl$/,
  })
  t.match((await refused('aarch64', 'glibc')).directory, /^\/a\/runtime-/)
  t.strictSame(readdirSync(`${directory}/cache`), [])

  // The output of the uploaded program on the host.
  checkUploadedNode('v20.11.0\n')
  checkUploadedNode('v27.0.0-nightly20261101\n')
  t.throws(() => checkUploadedNode('v18.20.4\n'), {
    code: 'NO_RUNTIME',
    message: 'the uploaded Node is 18.20.4, which is too old',
    hint,
  })
  t.throws(() => checkUploadedNode('true (GNU coreutils) 9.1\n'), { code: 'NO_RUNTIME', message: /is not Node$/ })
})
