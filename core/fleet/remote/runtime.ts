/** Chooses the Node that runs the engine on a host: the host's own where it is recent enough, else an uploaded one. */
import { createHash } from 'node:crypto'
import {
  closeSync,
  createReadStream,
  createWriteStream,
  existsSync,
  openSync,
  readSync,
  renameSync,
  statSync,
} from 'node:fs'
import { readFile } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { pack } from 'tar-stream'
import { makeDirectories } from '../../host/directories.ts'
import { ConvergeError } from '../../model/errors.ts'
import { shortLine } from '../../model/excerpt.ts'
import { withPathInErrors } from '../../model/file_errors.ts'
import { type Architecture, architectures, incompatibilityOf, type Libc } from '../program_format.ts'
import { type DownloadLimits, downloadNode, minimumVersion, minimumVersionText } from './node_download.ts'
import type { PackedDirectory } from './packed_directory.ts'

/** The facts that the probe script reports about a host. */
export interface HostFacts {
  readonly kernel: string
  /** In the format of uname(1). */
  readonly machine: string
  readonly libc: Libc
  /** Its own Node, or null. */
  readonly node: { readonly path: string; readonly version: string } | null
  /** Programs that converge requires and the host lacks. */
  readonly lacks: readonly string[]
}

/** Values of one fact that are read. */
const maxValues = 10

/** Parses the output of the probe script. */
export function parseHostFacts(output: string): HostFacts {
  const values = new Map<string, string[]>()
  for (const line of output.split('\n')) {
    const [, key = '', value = ''] = /^(\w{1,20})=(.{1,4096})$/.exec(line) ?? []
    const known = values.get(key) ?? []
    // The host decides how many lines it sends.
    if (value !== '' && known.length < maxValues) values.set(key, [...known, value])
  }
  const first = (key: string) => values.get(key)?.[0]
  const [path, version] = [first('node'), first('version')]
  return {
    kernel: first('kernel') ?? '',
    machine: first('machine') ?? '',
    libc: first('libc') === 'musl' ? 'musl' : 'glibc',
    node: path !== undefined && version !== undefined ? { path, version: version.replace(/^v/, '') } : null,
    lacks: (values.get('lacks') ?? []).filter((name) => /^\w{1,20}$/.test(name)),
  }
}

export function isRecentEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > minimumVersion[0] || (major === minimumVersion[0] && minor >= minimumVersion[1])
}

export interface Runtimes {
  /** Where archives are kept between runs. */
  readonly cacheDirectory: string
  /** Absolute paths of the Node programs that the stack file names. */
  readonly programs: Readonly<Partial<Record<Architecture, string>>>
  /** Limits of the download by npm. */
  readonly limits?: DownloadLimits
}

/** A Node program, packed for the upload. */
interface PackedProgram {
  readonly identity: string
  archive(): Promise<Uint8Array>
}

/** The packed programs of a rollout, by source: each is downloaded, packed and held in memory once for all hosts. */
const packedPrograms = new WeakMap<Runtimes, Map<string, Promise<PackedProgram>>>()

/**
 * Returns the item with the Node for a host.
 * @param library directory of the engine's own files on the host
 * @param runtimes the same object for all hosts of a rollout: then they share the archive
 * @throws HOST_UNSUPPORTED, NO_RUNTIME
 */
export async function findRuntime(facts: HostFacts, library: string, runtimes: Runtimes): Promise<PackedDirectory> {
  const { cacheDirectory, programs } = runtimes
  const arch = (architectures as Readonly<Record<string, Architecture>>)[facts.machine]
  if (facts.kernel !== 'Linux' || arch === undefined)
    throw new ConvergeError(
      `${shortLine(facts.kernel || 'this system', 40)} on ${shortLine(facts.machine || 'this machine', 40)} is not supported`,
      {
        code: 'HOST_UNSUPPORTED',
        hint: `install Node ${minimumVersionText} or later on the host; only hosts with Linux get one, on ${Object.keys(architectures).join(', ')}`,
      },
    )
  const program = programs[arch] ?? (canUploadThisNode(arch, facts.libc) ? process.execPath : undefined)
  if (program === undefined && facts.libc === 'musl')
    throw new ConvergeError('the host has musl instead of glibc, and no Node of its own', {
      code: 'NO_RUNTIME',
      hint: `install Node ${minimumVersionText} or later on the host (apk add nodejs)`,
    })
  if (programs[arch] !== undefined) checkProgram(programs[arch], arch, facts.libc)
  const all = packedPrograms.get(runtimes) ?? new Map<string, Promise<PackedProgram>>()
  packedPrograms.set(runtimes, all)
  const key = program ?? `fetched for ${arch}`
  const packed =
    all.get(key) ?? cachedProgram(program ?? downloadNode(arch, cacheDirectory, runtimes.limits), cacheDirectory)
  all.set(key, packed)
  const { identity, archive } = await packed
  return { directory: `${library}/runtime-${identity}`, what: 'Node', secret: false, archive }
}

/** Decides whether the Node that runs here works on the host: same architecture and C library, no shared system libraries. */
function canUploadThisNode(arch: Architecture, libc: HostFacts['libc']): boolean {
  const variables = process.config.variables as {
    readonly node_shared?: boolean
    readonly node_shared_openssl?: boolean
  }
  // process.report is no alternative: it resolves the peer of each connection, and blocks on a resolver that is silent.
  return (
    process.platform === 'linux' &&
    incompatibilityOf(process.execPath, arch, libc) === null &&
    variables.node_shared !== true &&
    variables.node_shared_openssl !== true
  )
}

/**
 * Packs a program and caches the archive, because packing 100 MB takes seconds. The size and some parts of the program
 * name the archive. The archive is flushed before the rename, because later runs trust a file of that name.
 */
async function cachedProgram(from: string | Promise<string>, cacheDirectory: string): Promise<PackedProgram> {
  const program = await from
  const identity = identityOf(program)
  const cached = `${cacheDirectory}/runtime-${identity}.tar.gz`
  const archive = async () => {
    if (!existsSync(cached)) {
      makeDirectories(cacheDirectory, 0o700)
      await packProgram(program, `${cached}.${process.pid}`)
      renameSync(`${cached}.${process.pid}`, cached)
    }
    return readFile(cached)
  }
  let packed: Promise<Uint8Array> | undefined
  return {
    identity,
    archive: () => {
      packed ??= archive()
      return packed
    },
  }
}

/** Packs in a stream: connections to the hosts stay alive in the meantime, and memory use stays small. */
async function packProgram(program: string, to: string): Promise<void> {
  const tar = pack()
  const entry = tar.entry({ name: 'node', mode: 0o755, mtime: new Date(0), size: statSync(program).size })
  const written = pipeline(tar, createGzip({ level: 4 }), createWriteStream(to, { mode: 0o600, flush: true }))
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
      hash.update(
        part.subarray(
          0,
          withPathInErrors(program, () => readSync(file, part, 0, part.length, at)),
        ),
      )
  } finally {
    closeSync(file)
  }
  return hash.digest('hex').slice(0, 24)
}

/** Checks the operator's program for each host: hosts of one architecture may differ in their C library. */
function checkProgram(program: string, arch: Architecture, libc: Libc): void {
  const why = incompatibilityOf(program, arch, libc)
  if (why !== null) throw unusableRuntime(`${program} (runtime.${arch} of the stack file) ${why}`)
}

/**
 * Checks the version that the uploaded Node prints.
 * @throws NO_RUNTIME if it is not Node, or too old
 */
export function checkUploadedNode(output: string): void {
  const [, version] = /^v(\d+\.\d+\.\d+\S*)$/.exec(output.trim()) ?? []
  if (version === undefined) throw unusableRuntime('the uploaded program is not Node')
  if (!isRecentEnough(version)) throw unusableRuntime(`the uploaded Node is ${version}, which is too old`)
}

function unusableRuntime(message: string): ConvergeError {
  return new ConvergeError(message, {
    code: 'NO_RUNTIME',
    hint: `set "runtime" in the stack file to a Node ${minimumVersionText} or later for this kind of host, or install one on the host`,
  })
}
