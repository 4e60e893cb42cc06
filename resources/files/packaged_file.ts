/** Copies the original of a packaged file before a resource replaces or removes it. */
import { posix } from 'node:path'
import type { Host, HostReader } from '../../core/host/types.ts'
import { isPackagedFile } from '../packages/dpkg.ts'

/** A directory that no `include`, `*.conf` or run-parts reads. */
const backups = '/var/backups/converge'

export const originalPath = (path: string): string => `${backups}${path}`

/**
 * Decides whether a file is unchanged since its package installed it. Packages list configuration files, which are
 * below /etc.
 */
export function isPackagedOriginal(host: HostReader, path: string): boolean {
  return path.startsWith('/etc/') && host.lstat(path)?.kind === 'file' && isPackagedFile(host, path)
}

/** Copies an unchanged packaged file, with its mode and owner; a file with edits is not copied. */
export function keepOriginal(host: Host, path: string): void {
  const content = isPackagedOriginal(host, path) ? host.readBytes(path) : null
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
