/** Finds the mounts of network file systems, and asks their servers for an answer without blocking the run. */
import { ConvergeError } from '../model/errors.ts'
import { seconds } from '../model/units.ts'
import { parseFstabField } from '../text/fstab.ts'
import type { HostReader } from './types.ts'

/** Extended regular expression for the types of file systems that several hosts can share. */
export const networkFileSystems =
  'nfs4?|fuse\\.glusterfs|glusterfs|cifs|smb3|ceph|fuse\\.ceph|fuse\\.s3fs|lustre|9p|virtiofs|ocfs2|gfs2'
const networkFileSystem = new RegExp(`^(${networkFileSystems})$`)

export interface Mount {
  readonly mountPoint: string
  readonly type: string
  readonly options: readonly string[]
}

/** Decides whether several hosts can share a file system. */
export function isNetworkFileSystem(type: string): boolean {
  return networkFileSystem.test(type)
}

/** Returns the mounts, in the order of mounting. */
export function readMounts(host: Pick<HostReader, 'readText'>): Mount[] {
  const lines = (host.readText('/proc/self/mounts') ?? '').split('\n').map((line) => line.split(' '))
  return lines.map(([, field = '', type = '', options = '']) => ({
    mountPoint: parseFstabField(field),
    type,
    options: options.split(','),
  }))
}

function networkMountPoints(host: HostReader): string[] {
  const points = readMounts(host).flatMap(({ mountPoint: at, type }) => (isNetworkFileSystem(type) ? [at] : []))
  return [...new Set(points)]
}

/**
 * - silent: the server does not answer, and every program that reads the path waits for it.
 * - disconnected: the program behind a FUSE mount has ended.
 */
type MountAnswer = 'answers' | 'silent' | 'disconnected' | 'missing'

/** Seconds until a file system that does not answer counts as silent. */
export const silentAfter = 20

/** Seconds until the probe itself is killed: SIGKILL does not end a process whose request a FUSE program has taken. */
const probeLimit = seconds(silentAfter + 1)

/** The kernel answers the second one from its cache for a second or longer; the first one always asks the server. */
const probes = [
  ['--file-system', '--format=%T'],
  ['--dereference', '--format=%u'],
]

/** Reads a path in a process of its own, since a server that is gone blocks the reader, and would block the run. */
export async function mountAnswer(host: HostReader, path: string): Promise<MountAnswer> {
  const points = networkMountPoints(host)
  if (points.length === 0) return 'answers'
  // The mount of the path may not answer either: no link on it is read.
  const isLocal = (link: string) => !points.some((at) => link === at || link.startsWith(`${at}/`))
  if (host.silentMounts.find(path, (link) => (isLocal(link) ? host.readLink(link) : null)) !== null) return 'silent'
  for (const options of probes) {
    const answer = await probe(host, ['stat', ...options, path])
    if (answer !== 'answers') return answer
  }
  return 'answers'
}

async function probe(host: HostReader, command: readonly string[]): Promise<MountAnswer> {
  // In the foreground: it would end itself with the signal otherwise.
  const limited = ['timeout', '--foreground', '--signal=KILL', String(silentAfter), ...command]
  try {
    const environment = { LC_ALL: 'C' }
    const { status, stderr } = await host.query(limited, { accept: 'any', environment, timeout: probeLimit })
    if (status === 0) return 'answers'
    if (status === 124 || status === 137) return 'silent'
    return /endpoint is not connected|Stale file handle/.test(stderr) ? 'disconnected' : 'missing'
  } catch (error) {
    if (error instanceof ConvergeError && ['COMMAND_TIMEOUT', 'STILL_RUNNING'].includes(error.code)) return 'silent'
    throw error
  }
}

/** Makes the host refuse reads of mounted network file systems that do not answer; a read would block the run. */
export async function refuseSilentMounts(host: HostReader): Promise<void> {
  await Promise.all(
    networkMountPoints(host).map(async (at) => {
      if ((await mountAnswer(host, at)) === 'silent') host.silentMounts.add(at)
    }),
  )
}

export const unreachableHint =
  'start the server of the mount, or unmount its directory in /etc/fstab (umount -l), then run again'

/** Returns the error for a mounted file system whose server does not answer. */
export function unreachableMount(message: string): ConvergeError {
  return new ConvergeError(message, { code: 'MOUNT_UNREACHABLE', hint: unreachableHint })
}
