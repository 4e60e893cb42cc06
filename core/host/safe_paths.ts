/**
 * Protects root in directories that other accounts can write to: an account that swaps a name there must not make root
 * follow it to another directory.
 *
 * The directory of a change is opened step by step and stays open. Names in it are reached through the descriptor
 * (`/proc/self/fd/N/name`, as openat(2) does), so later changes of the names above have no effect. If the path follows a link
 * that another account made or could have made, root acts with the rights of that account.
 */
import * as fs from 'node:fs'
import { posix } from 'node:path'
import { ConvergeError } from '../model/errors.ts'
import { notReadable } from '../model/file_errors.ts'
import type { FileStat, ReadOrigin } from './types.ts'

export interface Rights {
  readonly uid: number
  readonly gid: number
  readonly groups: readonly number[]
}

export interface PinnedDirectory {
  readonly fd: number
  /** Names this very directory as long as `fd` is open. */
  readonly path: string
  readonly stat: fs.Stats
  /** The account that decides where a link on the path leads; null if only root's links are on it. */
  readonly by: number | null
}

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = fs.constants
/**
 * Flag of open(2) for a descriptor that only names an entry, even a link. Node does not list it; Linux has this value on all
 * architectures except Alpha, PA-RISC and SPARC.
 */
const O_PATH = 0x20_0000
const maxLinks = 40

/** Decides whether only root can change the entries of the directory, and each name on the path to it. It may be missing. */
export function isRootOnly(directory: string): boolean {
  let remainingLinks = maxLinks
  let current = ''
  const rest = partsOf(directory)
  let entry = fs.lstatSync('/')
  for (;;) {
    // In a sticky directory root's own entries are safe, and everybody may add others.
    if (entry.uid !== 0 || (isWritableByOthers(entry) && (rest.length === 0 || (entry.mode & 0o1000) === 0)))
      return false
    const part = rest.shift()
    if (part === undefined || !entry.isDirectory()) return true
    const path = part === '..' ? posix.dirname(current || '/') : `${current}/${part}`
    const stat = fs.lstatSync(path, { throwIfNoEntry: false })
    if (stat === undefined) return true
    if (stat.uid !== 0) return false
    if (stat.isSymbolicLink()) {
      if (remainingLinks-- === 0) return false
      const target = fs.readlinkSync(path)
      rest.unshift(...partsOf(target))
      if (!target.startsWith('/')) continue
      current = ''
      entry = fs.lstatSync('/')
    } else {
      current = path === '/' ? '' : path
      entry = stat
    }
  }
}

/**
 * Opens a directory so that it stays the same one. The caller closes `fd`.
 * @throws the errors of open(2) and lstat(2), named for the directory
 */
export function pinDirectory(directory: string): PinnedDirectory {
  try {
    const { fd, by } = walk(directory, partsOf(directory), null, () => null)
    return { fd, path: `/proc/self/fd/${fd}`, stat: fs.fstatSync(fd), by }
  } catch (error) {
    const system = error as NodeJS.ErrnoException
    if (system.path !== undefined) {
      system.message = system.message.replaceAll(system.path, directory)
      system.path = directory
    }
    throw error
  }
}

/** An opened path: the descriptor names the same file even if its path changes. */
export interface ResolvedPath {
  /** Opened with O_PATH; the caller closes it. */
  readonly fd: number
  /** The path to open it at. */
  readonly at: string
  readonly stat: fs.Stats
  /** The rights with which to read it; null for those of this process. */
  readonly rights: Rights | null
}

/**
 * Finds the entry to which a path leads, and follows links. After a link of another account, that account's rights apply.
 * @throws the errors of open(2), and NOT_READABLE for what that account may not read
 */
export function resolvePath(path: string, origin: ReadOrigin, rightsOf: (uid: number) => Rights): ResolvedPath {
  const parts = partsOf(path)
  const found = walk(origin.path, parts.slice(0, -1), origin.by, rightsOf, parts.at(-1))
  const at = `/proc/self/fd/${found.fd}`
  const stat = fs.fstatSync(found.fd)
  // A hard link in a directory of another account may name any file: read it with the rights of that account.
  const linked = stat.isFile() && stat.nlink > 1 ? linkDecider(found.parent, stat) : null
  const owner = linked === null || linked === stat.uid ? null : linked
  const uid = found.by ?? owner
  return { fd: found.fd, at, stat, rights: uid === null || uid === 0 ? null : rightsOf(uid) }
}

interface WalkResult {
  readonly fd: number
  readonly by: number | null
  /** The directory that has the last name. */
  readonly parent: fs.Stats
}

/** @param last the last name, opened with O_PATH instead of as a directory */
function walk(
  whole: string,
  rest: string[],
  by: number | null,
  rightsOf: (uid: number) => Rights | null,
  last?: string,
): WalkResult {
  const as = <T>(work: () => T): T => {
    const rights = by === null || by === 0 ? null : rightsOf(by)
    return rights === null ? work() : readingAs(rights, whole, work)
  }
  const todo = last === undefined ? [...rest] : [...rest, last]
  let fd = fs.openSync('/', O_RDONLY | O_DIRECTORY)
  let parent = fs.fstatSync(fd)
  let left = maxLinks
  try {
    for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
      const path = `/proc/self/fd/${fd}/${part}`
      const stat = as(() => fs.lstatSync(path))
      let next = path
      if (stat.isSymbolicLink()) {
        if (left-- === 0) throw unsafePathError(whole, 'its links lead in a circle')
        const target = as(() => readStableLink(path, stat, whole))
        by ??= linkDecider(fs.fstatSync(fd), stat)
        todo.unshift(...partsOf(target))
        if (!target.startsWith('/')) continue
        next = '/'
      }
      const isLast = last !== undefined && todo.length === 0 && next !== '/'
      const before = fd
      parent = fs.fstatSync(before)
      fd = as(() => fs.openSync(next, isLast ? O_PATH | O_NOFOLLOW : O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
      fs.closeSync(before)
    }
    return { fd, by, parent }
  } catch (error) {
    fs.closeSync(fd)
    throw error
  }
}

/** The target of a link, unless the link is replaced during the read. */
function readStableLink(path: string, before: fs.Stats, directory: string): string {
  const changes = () => unsafePathError(directory, 'a link on the path is being replaced')
  try {
    const target = fs.readlinkSync(path)
    const after = fs.lstatSync(path)
    if (after.ino !== before.ino || after.ctimeMs !== before.ctimeMs) throw changes()
    return target
  } catch (error) {
    // A file has replaced it.
    throw (error as NodeJS.ErrnoException).code === 'EINVAL' ? changes() : error
  }
}

/** Returns the account, other than root, that decides where a link in the directory leads; null for root. */
function linkDecider(directory: Pick<fs.Stats, 'uid' | 'gid' | 'mode'>, link: Pick<fs.Stats, 'uid'>): number | null {
  if (directory.uid !== 0) return directory.uid
  return isWritableByOthers(directory) && link.uid !== 0 ? link.uid : null
}

/** Does the same as `linkDecider` for the status values of the Host port. */
export function deciderOfLink(directory: FileStat, link: FileStat): number | null {
  const mode = Number.parseInt(directory.mode, 8)
  return linkDecider({ ...directory, mode }, link)
}

/** Decides whether accounts other than the owner may add and remove entries. */
function isWritableByOthers({ mode, gid }: Pick<fs.Stats, 'mode' | 'gid'>): boolean {
  return (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && gid !== 0)
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.')
}

/** Runs `work`, which must be synchronous, with the rights of another account, and restores those of root. */
export function withRights<T>({ uid, gid, groups }: Rights, work: () => T): T {
  const processGroups = process.getgroups?.() ?? []
  const [ownUid, ownGid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0]
  try {
    process.setgroups?.([...groups])
    process.setegid?.(gid)
    process.seteuid?.(uid)
    return work()
  } finally {
    process.seteuid?.(ownUid)
    process.setegid?.(ownGid)
    process.setgroups?.(processGroups)
  }
}

/**
 * Runs `work`, which reads something of the path, with the rights of the account that decided where the path leads.
 * @throws NOT_READABLE for what that account may not read
 */
export function readingAs<T>(rights: Rights, path: string, work: () => T): T {
  try {
    return withRights(rights, work)
  } catch (error) {
    const system = error as NodeJS.ErrnoException
    if (system.code === 'EACCES' || system.code === 'EPERM') throw notReadable(path, system)
    throw error
  }
}

/** Builds the error for a path that root refuses to follow. */
export function unsafePathError(path: string, reason: string): ConvergeError {
  return new ConvergeError(`${path} is left alone: ${reason}`, {
    code: 'UNSAFE_PATH',
    hint: 'find out who changed it, and why: another account could make root write to the wrong file there',
  })
}

/** The path of a change: the path itself, or, where other accounts can change its directory, an open directory that stays the same. */
export class WriteTarget {
  /** The path to use. */
  readonly path: string
  /** The directory it is in. */
  readonly directory: string

  /**
   * @param userPath the path as the user knows it
   * @param pinned the open directory of the path, if accounts other than root can change it; else null
   * @param rights the rights with which the change is made; null for those of this process
   */
  constructor(
    readonly userPath: string,
    readonly pinned: PinnedDirectory | null = null,
    readonly rights: Rights | null = null,
  ) {
    const slash = userPath.lastIndexOf('/')
    this.directory = pinned?.path ?? (userPath.slice(0, slash) || '/')
    this.path = pinned === null ? userPath : `${pinned.path}/${userPath.slice(slash + 1)}`
  }

  /** Makes a change with the rights of this target, or with those given. */
  withItsRights<T>(work: () => T, rights: Rights | null = this.rights): T {
    if (rights === null) return work()
    try {
      return withRights(rights, work)
    } catch (error) {
      const { code, syscall } = error as NodeJS.ErrnoException
      if (code !== 'EACCES' && code !== 'EPERM') throw error
      throw new ConvergeError(`${syscall} ${this.userPath}: the account with the id ${rights.uid} may not do that`, {
        code,
        hint: 'give that account the right, or give root the directories on the way: root does there only what that account may do',
        cause: error,
      })
    }
  }

  /** Runs `work` on the file at the path, which stays the same file meanwhile. */
  withOpenEntry<T>(work: (entry: { readonly at: string; readonly stat: fs.Stats }) => T, path = this.path): T {
    const fd = this.withItsRights(() => fs.openSync(path, O_PATH | O_NOFOLLOW))
    try {
      return work({ at: `/proc/self/fd/${fd}`, stat: fs.fstatSync(fd) })
    } finally {
      fs.closeSync(fd)
    }
  }

  /** Makes an error name the path that the user knows. */
  renameError(error: unknown): unknown {
    const system = error as NodeJS.ErrnoException & { dest?: string }
    if (this.pinned === null || system.path === undefined) return error
    const directory = this.userPath.slice(0, this.userPath.lastIndexOf('/'))
    const asWritten = (text: string) => text.replaceAll(`${this.directory}/`, `${directory}/`)
    system.message = asWritten(system.message)
    system.path = asWritten(system.path)
    if (system.dest !== undefined) system.dest = asWritten(system.dest)
    return error
  }

  close(): void {
    if (this.pinned !== null) fs.closeSync(this.pinned.fd)
  }
}
