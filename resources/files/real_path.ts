/** Resolves all links of a path, as realpath(3). */
import { posix } from 'node:path'
import type { HostReader } from '../../core/host/types.ts'

const mostLinks = 40

/** Returns the path itself if links form a circle; a part that does not exist stays unchanged. */
export function realPath(host: HostReader, path: string): string {
  const remaining = path.split('/').filter(Boolean)
  let at = '/'
  let links = 0
  for (let name = remaining.shift(); name !== undefined; name = remaining.shift()) {
    const next = posix.join(at, name)
    const target = host.lstat(next)?.kind === 'link' ? host.readLink(next) : null
    if (target === null) at = next
    else if (++links > mostLinks) return path
    else {
      remaining.unshift(...target.split('/').filter(Boolean))
      if (target.startsWith('/')) at = '/'
    }
  }
  return at
}
