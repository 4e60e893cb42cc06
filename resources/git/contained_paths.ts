/** Creates and removes paths inside a directory whose content is not trusted: no link there may lead outside. */
import { posix } from 'node:path'
import type { Host, HostReader, WriteOptions } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { describeFileKind } from '../../core/model/file_errors.ts'

/** Decides whether all parts of `path` below `root` are real directories. */
export function isRealDirectory(host: HostReader, root: string, path: string): boolean {
  const parts = path.split('/')
  return parts.every((_, index) => host.lstat(`${root}/${parts.slice(0, index + 1).join('/')}`)?.kind === 'directory')
}

/** Makes the directory `path` below `root`, with its missing parents. */
export function makeDirectoryInside(host: Host, root: string, path: string, owner: WriteOptions): void {
  if (path === '.' || path === '') return
  let at = root
  for (const part of path.split('/')) {
    at += `/${part}`
    const kind = host.lstat(at)?.kind
    if (kind === undefined) host.makeDirectory(at, owner)
    else if (kind !== 'directory')
      throw new ConvergeError(`${at} is ${describeFileKind(kind)}, and a directory is needed there`, {
        code: 'IN_THE_WAY',
        hint: 'list it in purge_before_symlink of the app (purge of git_release) if it is not needed, or choose another place for the link',
      })
  }
}

/**
 * Removes `path` below `root`, but nothing behind a link on the way.
 * @returns whether something existed there
 */
export function removeInside(host: Host, root: string, path: string): boolean {
  const slash = path.lastIndexOf('/')
  if (slash !== -1 && !isRealDirectory(host, root, path.slice(0, slash))) return false
  if (host.lstat(`${root}/${path}`) === null) return false
  host.remove(`${root}/${path}`)
  return true
}

/**
 * Returns the path from one directory to another. It is relative, since the whole prefix may be moved, unless links on
 * the way make `..` lead elsewhere.
 */
export function sharedPath(host: HostReader, from: string, to: string): string {
  const direct = [from, to].every((path) => {
    const parts = path.split('/').slice(1)
    return parts.every((_, index) => host.lstat(`/${parts.slice(0, index + 1).join('/')}`)?.kind !== 'link')
  })
  return direct ? posix.relative(from, to) : to
}
