/** The Node that a host runs the engine with: its own where that is recent enough, else one that is brought. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  createReadStream,
  createWriteStream,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createGzip, gunzipSync } from 'node:zlib'
import { extract, pack } from 'tar-stream'
import { makeDirectories } from '../../host/directories.ts'
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import type { Item } from './items.ts'

/** What a host told of itself. */
export interface HostFacts {
  readonly kernel: string
  /** As uname(1) says it. */
  readonly machine: string
  readonly libc: 'glibc' | 'musl'
  /** Its own Node, or null. */
  readonly node: { readonly path: string; readonly version: string } | null
  /** Programs it needs and does not have. */
  readonly lacks: readonly string[]
}

const oldest = [20, 11] as const
/** What is brought where the operator's own Node does not fit. */
const broughtVersion = '^22'

const architectures: Readonly<Record<string, string>> = {
  x86_64: 'x64',
  aarch64: 'arm64',
  armv7l: 'armv7l',
  ppc64le: 'ppc64le',
}

/** @param output of the probe script */
export function hostFacts(output: string): HostFacts {
  const values = new Map<string, string[]>()
  for (const line of output.split('\n')) {
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? []
    if (key !== undefined && value) values.set(key, [...(values.get(key) ?? []), value])
  }
  const first = (key: string) => values.get(key)?.[0]
  const [path, version] = [first('node'), first('version')]
  return {
    kernel: first('kernel') ?? '',
    machine: first('machine') ?? '',
    libc: first('libc') === 'musl' ? 'musl' : 'glibc',
    node: path !== undefined && version !== undefined ? { path, version: version.replace(/^v/, '') } : null,
    lacks: values.get('lacks') ?? [],
  }
}

export function recentEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > oldest[0] || (major === oldest[0] && minor >= oldest[1])
}

export interface Runtimes {
  /** Where archives are kept between runs. */
  readonly cacheDirectory: string
  /** Node programs of the operator's choice, by architecture as Node names it (`x64`, `arm64`). */
  readonly given: Readonly<Record<string, string>>
}

/** A Node program as it travels. */
interface Packed {
  readonly identity: string
  archive(): Promise<Uint8Array>
}

/** Of one rollout, by where a Node comes from: it is fetched, packed and held in memory once for all hosts. */
const packed = new WeakMap<Runtimes, Map<string, Promise<Packed>>>()

/**
 * @param library directory of the engine's own files on the host
 * @param runtimes the same object for all hosts of a rollout: then they share the archive
 * @throws HOST_UNSUPPORTED, NO_RUNTIME
 */
export async function runtimeFor(facts: HostFacts, library: string, runtimes: Runtimes): Promise<Item> {
  const { cacheDirectory, given } = runtimes
  const arch = architectures[facts.machine]
  if (facts.kernel !== 'Linux' || arch === undefined)
    throw new ConvergeError(`${facts.kernel || 'this system'} on ${facts.machine || 'this machine'} is not supported`, {
      code: 'HOST_UNSUPPORTED',
      hint: `Linux on ${Object.keys(architectures).join(', ')} is; elsewhere install Node ${oldest.join('.')} or later on the host`,
    })
  const own = given[arch] ?? (portable(arch, facts.libc) ? process.execPath : undefined)
  if (own === undefined && facts.libc === 'musl')
    throw new ConvergeError('the host has musl instead of glibc, and no Node of its own', {
      code: 'NO_RUNTIME',
      hint: `install Node ${oldest.join('.')} or later there (apk add nodejs)`,
    })
  const all = packed.get(runtimes) ?? new Map<string, Promise<Packed>>()
  packed.set(runtimes, all)
  const key = own ?? `fetched for ${arch}`
  const known = all.get(key) ?? packedProgram(own ?? fetched(arch, cacheDirectory), cacheDirectory)
  all.set(key, known)
  const { identity, archive } = await known
  return { directory: `${library}/runtime-${identity}`, what: 'Node', secret: false, archive }
}

/** Whether the Node that runs here would run there: same kind of machine, nothing of the distribution linked in. */
function portable(arch: string, libc: HostFacts['libc']): boolean {
  const variables = process.config.variables as {
    readonly node_shared?: boolean
    readonly node_shared_openssl?: boolean
  }
  const report = process.report?.getReport() as
    | { readonly header?: { readonly glibcVersionRuntime?: string } }
    | undefined
  const here = report?.header?.glibcVersionRuntime === undefined ? 'musl' : 'glibc'
  return (
    process.platform === 'linux' &&
    process.arch === arch &&
    here === libc &&
    variables.node_shared !== true &&
    variables.node_shared_openssl !== true
  )
}

/** Packing 100 MB takes seconds: the archive is kept, by the size and some parts of the program. */
async function packedProgram(from: string | Promise<string>, cacheDirectory: string): Promise<Packed> {
  const program = await from
  const identity = identityOf(program)
  const kept = `${cacheDirectory}/runtime-${identity}.tar.gz`
  const archive = async () => {
    if (!existsSync(kept)) {
      makeDirectories(cacheDirectory, 0o700)
      await packProgram(program, `${kept}.${process.pid}`)
      renameSync(`${kept}.${process.pid}`, kept)
    }
    return readFile(kept)
  }
  let made: Promise<Uint8Array> | undefined
  return {
    identity,
    archive: () => {
      made ??= archive()
      return made
    },
  }
}

/** Piece by piece: the connections to the hosts are kept alive meanwhile, and memory stays small. */
async function packProgram(program: string, to: string): Promise<void> {
  const tar = pack()
  const entry = tar.entry({ name: 'node', mode: 0o755, mtime: new Date(0), size: statSync(program).size })
  const written = pipeline(tar, createGzip({ level: 4 }), createWriteStream(to, { mode: 0o600 }))
  await pipeline(createReadStream(program), entry)
  tar.finalize()
  await written
}

function identityOf(program: string): string {
  const { size } = statSync(program)
  const hash = createHash('sha256').update(`${size}\0`)
  const file = openSync(program, 'r')
  try {
    const part = Buffer.alloc(1 << 20)
    for (const at of [0, Math.floor(size / 2), Math.max(0, size - part.length)])
      hash.update(part.subarray(0, readSync(file, part, 0, part.length, at)))
  } finally {
    closeSync(file)
  }
  return hash.digest('hex').slice(0, 24)
}

/** The npm registry has Node for each kind of machine; npm knows which registry, and checks what it gets. */
async function fetched(arch: string, cacheDirectory: string): Promise<string> {
  const kept = `${cacheDirectory}/node-linux-${arch}-${broughtVersion.slice(1)}`
  if (existsSync(kept)) return kept
  const place = mkdtempSync(`${tmpdir()}/converge-node-`)
  try {
    const { stdout } = await promisify(execFile)('npm', ['pack', '--silent', `node-linux-${arch}@${broughtVersion}`], {
      cwd: place,
    })
    // Of a range npm packs the newest; its name comes last.
    const name = stdout.trim().split('\n').at(-1) ?? ''
    const program = await memberOf(gunzipSync(readFileSync(`${place}/${name}`)), 'package/bin/node')
    makeDirectories(cacheDirectory, 0o700)
    writeFileSync(`${kept}.${process.pid}`, program, { mode: 0o755 })
    renameSync(`${kept}.${process.pid}`, kept)
    return kept
  } catch (error) {
    throw new ConvergeError(
      `Node for Linux on ${arch} could not be fetched by npm: ${asConvergeError(error).message.split('\n')[0]}`,
      {
        code: 'NO_RUNTIME',
        hint: `install Node ${oldest.join('.')} or later on the host, or name a program to bring: "runtime": {"${arch}": "/path/to/node"} in the stack file`,
        cause: error,
      },
    )
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

async function memberOf(tar: Uint8Array, wanted: string): Promise<Buffer> {
  const parser = extract()
  parser.end(Buffer.from(tar.buffer, tar.byteOffset, tar.byteLength))
  for await (const entry of parser) {
    if (entry.header.name !== wanted) {
      entry.resume()
      continue
    }
    const chunks: Buffer[] = []
    for await (const chunk of entry) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  }
  throw new Error(`${wanted} is not in the package`)
}
