/** Refuses paths at and below mount points whose servers do not answer, before a system call waits for them. */
import { posix } from 'node:path'
import { type Mount, silentAfter, unreachableMount } from './network_mounts.ts'
import type { SilentMountList } from './types.ts'

const maxLinks = 40

type LinkReader = (path: string) => string | null

const noLink: LinkReader = () => null

export class SilentMounts implements SilentMountList {
  private readonly points = new Set<string>()

  constructor(private readonly mounts: () => readonly Mount[]) {}

  add(mountPoint: string): void {
    this.points.add(mountPoint)
  }

  /** @throws MOUNT_UNREACHABLE */
  refuse(path: string, readLink: LinkReader = noLink, last: 'followed' | 'kept' = 'followed'): void {
    const mountPoint = this.find(path, readLink, last)
    if (mountPoint === null) return
    const reason = `the file system mounted at ${mountPoint} has not answered within ${silentAfter} seconds`
    throw unreachableMount(`cannot access ${path}: ${reason}`)
  }

  /** @param last whether the last name is followed if it is a link */
  find(path: string, readLink: LinkReader, last: 'followed' | 'kept' = 'followed'): string | null {
    if (this.points.size === 0) return null
    const points = this.mounts().flatMap(({ mountPoint: at }) => (this.points.has(at) ? [at] : []))
    // A slash or `/.` at the end names the directory behind a link.
    const follows = last === 'followed' || /\/\.?$/.test(path)
    let remaining = posix.resolve(path).split('/').filter(Boolean)
    let real = ''
    for (let links = 0; remaining.length > 0; ) {
      const next = `${real}/${remaining.shift()}`
      if (points.includes(next)) return next
      const isFollowed = links < maxLinks && (remaining.length > 0 || follows)
      const target = isFollowed ? readLink(next) : null
      if (target === null) {
        real = next
        continue
      }
      links++
      remaining = [
        ...posix
          .resolve(real || '/', target)
          .split('/')
          .filter(Boolean),
        ...remaining,
      ]
      real = ''
    }
    return null
  }
}
