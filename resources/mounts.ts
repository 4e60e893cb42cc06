/** Looks up the file system that a path is on, and where links lead. */
import { posix } from 'node:path'
import type { HostReader } from '../core/host/types.ts'

/** Extended regular expression for the types of file systems that several hosts can share. */
export const networkFileSystems =
  'nfs4?|fuse\\.glusterfs|glusterfs|cifs|smb3|ceph|fuse\\.ceph|fuse\\.s3fs|lustre|9p|virtiofs|ocfs2|gfs2'
const networkFileSystem = new RegExp(`^(${networkFileSystems})$`)

interface Mount {
  readonly at: string
  readonly type: string
  readonly options: readonly string[]
}

/** Whether several hosts can share a path; links are followed. */
export function isOnNetworkMount(host: HostReader, path: string): boolean {
  return networkFileSystem.test(fileSystemOf(host, resolvedPath(host, path)) ?? '')
}

/** The type of the file system that a path is on. */
function fileSystemOf(host: HostReader, path: string): string | undefined {
  const above = mountsOf(host).filter(({ at }) => at === '/' || path === at || path.startsWith(`${at}/`))
  // The longest; of several at one place the last, which covers the others.
  return above.reduce<Mount | undefined>(
    (best, one) => (one.at.length >= (best?.at.length ?? 0) ? one : best),
    undefined,
  )?.type
}

/** In the order of mounting. */
export function mountsOf(host: HostReader): Mount[] {
  const lines = (host.readText('/proc/self/mounts') ?? '').split('\n').map((line) => line.split(' '))
  return lines.map(([, at = '', type = '', options = '']) => ({ at: unescaped(at), type, options: options.split(',') }))
}

/** The kernel writes blanks, tabs, line breaks and backslashes as three octal digits. */
function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)))
}

const mostLinks = 40

/** The path with all links followed; what does not exist yet stays as it is. */
export function resolvedPath(host: HostReader, path: string): string {
  let due = posix.normalize(path).split('/').filter(Boolean)
  let real = ''
  for (let links = 0; due.length > 0; ) {
    const next = `${real}/${due.shift()}`
    if (host.lstat(next)?.kind !== 'link' || links++ >= mostLinks) {
      real = next
      continue
    }
    const target = posix.resolve(real || '/', host.readLink(next) ?? '')
    due = [...target.split('/').filter(Boolean), ...due]
    real = ''
  }
  return real || '/'
}
