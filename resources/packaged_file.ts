/** Keeps the original of a packaged file that a resource replaces or removes. */
import { posix } from 'node:path'
import type { Host, HostReader } from '../core/host/types.ts'
import { isPackagedFile } from './dpkg.ts'

/** Out of reach of every `include`, `*.conf` and run-parts. */
const backups = '/var/backups/converge'

export const originalPath = (path: string): string => `${backups}${path}`

/** Whether a file is still as its package has installed it. Packages list configuration, which lies below /etc. */
export function isOriginal(host: HostReader, path: string): boolean {
  return path.startsWith('/etc/') && host.lstat(path)?.kind === 'file' && isPackagedFile(host, path)
}

/** Copies a packaged file, with its mode and owner; anything else holds what somebody wrote, and stays out. */
export function keepOriginal(host: Host, path: string): void {
  const content = isOriginal(host, path) ? host.readBytes(path) : null
  const stat = host.lstat(path)
  if (content === null || stat === null) return
  const copy = originalPath(path)
  makeDirectories(host, posix.dirname(copy))
  if (!host.readBytes(copy)?.equals(content)) host.writeFile(copy, content, { mode: stat.mode })
}

function makeDirectories(host: Host, path: string): void {
  if (host.lstat(path) !== null) return
  makeDirectories(host, posix.dirname(path))
  host.makeDirectory(path, { mode: '0755' })
}
