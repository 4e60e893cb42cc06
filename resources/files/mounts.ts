/** Determines the file system of a path. */
import { resolvedPath } from '../../core/host/resolved_path.ts'
import type { HostReader } from '../../core/host/types.ts'
import { parseFstabField } from '../../core/text/fstab.ts'

/** Extended regular expression for the types of file systems that several hosts can share. */
export const networkFileSystems =
  'nfs4?|fuse\\.glusterfs|glusterfs|cifs|smb3|ceph|fuse\\.ceph|fuse\\.s3fs|lustre|9p|virtiofs|ocfs2|gfs2'
const networkFileSystem = new RegExp(`^(${networkFileSystems})$`)

interface Mount {
  readonly at: string
  readonly type: string
  readonly options: readonly string[]
}

/** Decides whether several hosts can share a path; follows links. */
export function isOnNetworkMount(host: HostReader, path: string): boolean {
  return networkFileSystem.test(fileSystemType(host, resolvedPath(host, path)) ?? '')
}

/**
 * - silent: the server does not answer, and every program that reads the path waits for it.
 * - disconnected: the program behind a FUSE mount has ended.
 */
type MountAnswer = 'answers' | 'silent' | 'disconnected' | 'missing'

/** Seconds until a file system that does not answer counts as silent. */
export const silentAfter = 20

/** Reads a path in a process of its own, since a server that is gone blocks the reader, and would block the run. */
export async function mountAnswer(host: HostReader, path: string): Promise<MountAnswer> {
  if (!readMounts(host).some(({ type }) => networkFileSystem.test(type))) return 'answers'
  // In the foreground: it would end itself with the signal otherwise.
  const probe = [
    'timeout',
    '--foreground',
    '--signal=KILL',
    String(silentAfter),
    'stat',
    '--dereference',
    '--format=%u',
    path,
  ]
  const { status, stderr } = await host.query(probe, { accept: 'any', environment: { LC_ALL: 'C' } })
  if (status === 0) return 'answers'
  if (status === 124 || status === 137) return 'silent'
  return /endpoint is not connected|Stale file handle/.test(stderr) ? 'disconnected' : 'missing'
}

/** Returns the type of a path's file system. */
function fileSystemType(host: HostReader, path: string): string | undefined {
  const above = readMounts(host).filter(({ at }) => at === '/' || path === at || path.startsWith(`${at}/`))
  // The longest mount point counts; of several mounts at one point the last, which covers the others.
  return above.reduce<Mount | undefined>(
    (best, one) => (one.at.length >= (best?.at.length ?? 0) ? one : best),
    undefined,
  )?.type
}

/** Returns the mounts, in the order of mounting. */
export function readMounts(host: HostReader): Mount[] {
  const lines = (host.readText('/proc/self/mounts') ?? '').split('\n').map((line) => line.split(' '))
  return lines.map(([, at = '', type = '', options = '']) => ({
    at: parseFstabField(at),
    type,
    options: options.split(','),
  }))
}
