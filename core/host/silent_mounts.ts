/** Refuses paths at and below mount points whose servers do not answer, before a system call waits for them. */
import { posix } from 'node:path'
import { type Mount, silentAfter, unreachableMount } from './network_mounts.ts'
import type { SilentMountList } from './types.ts'

const mostLinks = 40

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
    const at = this.find(path, readLink, last)
    if (at === null) return
    const reason = `the file system mounted at ${at} has not answered within ${silentAfter} seconds`
    throw unreachableMount(`cannot access ${path}: ${reason}`)
  }

  /** @param last whether the last name is followed if it is a link */
  find(path: string, readLink: LinkReader, last: 'followed' | 'kept' = 'followed'): string | null {
    if (this.points.size === 0) return null
    const points = this.mounts().flatMap(({ at }) => (this.points.has(at) ? [at] : []))
    // A slash or `/.` at the end names the directory behind a link.
    const follows = last === 'followed' || /\/\.?$/.test(path)
    let due = posix.resolve(path).split('/').filter(Boolean)
    let real = ''
    for (let links = 0; due.length > 0; ) {
      const next = `${real}/${due.shift()}`
      if (points.includes(next)) return next
      const isFollowed = links < mostLinks && (due.length > 0 || follows)
      const target = isFollowed ? readLink(next) : null
      if (target === null) {
        real = next
        continue
      }
      links++
      due = [
        ...posix
          .resolve(real || '/', target)
          .split('/')
          .filter(Boolean),
        ...due,
      ]
      real = ''
    }
    return null
  }
}
