/** Resolves the links of a path on a host. */
import { posix } from 'node:path'
import type { HostReader } from './types.ts'

const maxLinks = 40

/** Returns the path with all links followed; a part that does not exist stays unchanged. */
export function resolvedPath(host: HostReader, path: string): string {
  let remaining = posix.normalize(path).split('/').filter(Boolean)
  let real = ''
  for (let links = 0; remaining.length > 0; ) {
    const next = `${real}/${remaining.shift()}`
    if (host.lstat(next)?.kind !== 'link' || links++ >= maxLinks) {
      real = next
      continue
    }
    const target = posix.resolve(real || '/', host.readLink(next) ?? '')
    remaining = [...target.split('/').filter(Boolean), ...remaining]
    real = ''
  }
  return real || '/'
}
