/** Resolves the links of a path on a host. */
import { posix } from 'node:path'
import type { HostReader } from './types.ts'

const mostLinks = 40

/** Returns the path with all links followed; a part that does not exist stays unchanged. */
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
