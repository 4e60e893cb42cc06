/** Downloads Node for another architecture from the npm registry. */
import { type ChildProcess, execFile } from 'node:child_process'
import { createReadStream, createWriteStream, existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createGunzip } from 'node:zlib'
import { extract } from 'tar-stream'
import { makeDirectories } from '../../host/directories.ts'
import { startFailure } from '../../host/start_failure.ts'
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import { type Duration, minutes } from '../../model/units.ts'
import { type Architecture, incompatibilityOf } from '../program_format.ts'

/** The oldest Node that runs the engine. */
export const minimumVersion = [20, 11] as const
export const minimumVersionText = minimumVersion.join('.')
/** The registry has no version later than 20 for the rarer architectures. */
const acceptedVersions = `^22 || ^${minimumVersionText}`

export interface DownloadLimits {
  /** For npm as a whole: its own limits never end a download that receives a byte now and then. */
  readonly duration: Duration
  /** Bytes that the registry may send, and of the unpacked package. A package of Node has about 120 MB. */
  readonly size: number
}

export const downloadLimits: DownloadLimits = { duration: minutes(10), size: 1024 ** 3 }

/**
 * Returns the path of the program, which later runs use again. npm knows the registry and its credentials, and checks
 * the digest of the package.
 * @throws NO_RUNTIME
 */
export async function downloadNode(
  arch: Architecture,
  cacheDirectory: string,
  limits: DownloadLimits = downloadLimits,
): Promise<string> {
  const program = `${cacheDirectory}/node-linux-${arch}-22`
  if (existsSync(program)) return program
  const workspace = mkdtempSync(`${tmpdir()}/converge-node-`)
  const unpacked = `${program}.${process.pid}`
  try {
    const archive = await packPackage(`node-linux-${arch}@${acceptedVersions}`, workspace, limits)
    makeDirectories(cacheDirectory, 0o700)
    await unpackMember({ archive, member: 'package/bin/node', to: unpacked, limit: limits.size })
    const why = incompatibilityOf(unpacked, arch)
    if (why !== null) throw new Error(`what the package has ${why}`)
    renameSync(unpacked, program)
    return program
  } catch (error) {
    throw new ConvergeError(
      `Node for Linux on ${arch} could not be fetched by npm: ${npmReason(error, workspace, limits)}`,
      {
        code: 'NO_RUNTIME',
        hint: `install Node ${minimumVersionText} or later on the host, or set "runtime": {"${arch}": "/path/to/node"} in the stack file`,
        cause: error,
      },
    )
  } finally {
    rmSync(workspace, { recursive: true, force: true })
    rmSync(unpacked, { force: true })
  }
}

/** Returns the path of the package that npm has downloaded. */
async function packPackage(requested: string, workspace: string, { duration, size }: DownloadLimits): Promise<string> {
  // `ulimit -f` counts blocks of 512 bytes.
  const script = 'ulimit -f "$1" 2>/dev/null; shift; exec npm "$@"'
  const npm = ['pack', '--json', '--loglevel=error', '--', requested]
  const blocks = `${Math.ceil(size / 512)}`
  const options = { cwd: workspace, timeout: duration.ms, killSignal: 'SIGKILL' } as const
  const running = promisify(execFile)('/bin/sh', ['-c', script, 'npm', blocks, ...npm], options)
  const watch = watchMemory(running.child, size + npmMemory)
  try {
    const { stdout } = await running
    const [packed] = JSON.parse(stdout) as readonly { readonly filename: string }[]
    return `${workspace}/${basename(packed?.filename ?? '')}`
  } catch (error) {
    throw watch.hasKilled() ? new Error(tooLarge(size)) : error
  } finally {
    watch.stop()
  }
}

/** Bytes that npm needs in addition to the package. */
const npmMemory = 512 * 1024 ** 2

/** Kills npm when it needs more memory than the limit: npm buffers data that arrives faster than it can write. */
function watchMemory(child: ChildProcess, limit: number) {
  let hasKilled = false
  const check = async () => {
    if (child.pid === undefined || (await residentMemory(child.pid)) <= limit) return
    hasKilled = child.kill('SIGKILL') || hasKilled
  }
  const timer = setInterval(() => void check(), 500)
  return { hasKilled: () => hasKilled, stop: () => clearInterval(timer) }
}

/** Returns the resident memory in bytes; 0 where the process has ended or the system does not report it. */
async function residentMemory(pid: number): Promise<number> {
  const status = existsSync('/proc/self/status')
    ? readFile(`/proc/${pid}/status`, 'latin1')
    : promisify(execFile)('ps', ['-o', 'rss=', '-p', `${pid}`]).then(({ stdout }) => `VmRSS: ${stdout}`)
  const text = await status.catch(() => '')
  return Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1024
}

interface Failure extends NodeJS.ErrnoException {
  readonly stderr?: string
  readonly signal?: string | null
  readonly killed?: boolean
}

/** Returns the one line that explains a failure, out of the many that npm prints. */
function npmReason(error: unknown, workspace: string, { duration, size }: DownloadLimits): string {
  const { code, killed, signal, stderr = '' } = error as Omit<Failure, 'code'> & { readonly code?: unknown }
  if ((error as Failure).syscall?.startsWith('spawn')) return startReason('/bin/sh', workspace, error)
  // Of the shell: it did not find npm, or could not start it.
  if (code === 126 || code === 127) return startReason('npm', workspace, { code: 'ENOENT' })
  if (killed) return `it was not complete after ${duration}`
  if (signal === 'SIGXFSZ' || /\bEFBIG\b/.test(stderr)) return tooLarge(size)
  const line = /^npm (?:error|ERR!) (?!code )(?:(?:notarget|network|404) )?(.+)/
  const lines = stderr.split('\n').flatMap((text) => line.exec(text)?.[1] ?? [])
  return lines[0] ?? asConvergeError(error).message.split('\n')[0] ?? ''
}

function startReason(program: string, cwd: string, error: unknown): string {
  const start = { program, cwd, searchPath: process.env.PATH ?? '' }
  return `cannot run ${program}: ${startFailure(start, error as NodeJS.ErrnoException).reason}`
}

const tooLarge = (limit: number) => `the registry sent more than ${limit.toLocaleString('en')} bytes`

interface Member {
  readonly archive: string
  readonly member: string
  readonly to: string
  /** Bytes of the whole archive, unpacked. */
  readonly limit: number
}

/** Streams the member into a file, because the program has 100 MB. */
async function unpackMember({ archive, member: requested, to, limit }: Member): Promise<void> {
  const members = extract()
  const find = async () => {
    let found = false
    for await (const member of members) {
      if (member.header.name === requested) await pipeline(member, createWriteStream(to, { mode: 0o755, flush: true }))
      else member.resume()
      found ||= member.header.name === requested
    }
    if (!found) throw new Error(`${requested} is not in the package`)
  }
  const counted = async function* (source: AsyncIterable<Buffer>) {
    let length = 0
    for await (const chunk of source) {
      length += chunk.length
      if (length > limit) throw new Error(tooLarge(limit))
      yield chunk
    }
  }
  await Promise.all([pipeline(createReadStream(archive), createGunzip(), counted, members), find()])
}
