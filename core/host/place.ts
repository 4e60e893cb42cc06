/**
 * Where root works in directories that other accounts have a hand in: who may swap a name there must not get root to
 * follow it elsewhere.
 *
 * The directory of a change is opened step by step and stays open; names in it are reached through the descriptor
 * (`/proc/self/fd/N/name`, what openat(2) does), so that it does not matter what becomes of the names above. Where a link
 * leads that another account made or could have made, only what that account may do itself is done: with its rights.
 */
import * as fs from 'node:fs'
import { posix } from 'node:path'
import { ConvergeError } from '../model/errors.ts'

export interface Rights {
  readonly uid: number
  readonly gid: number
  readonly groups: readonly number[]
}

export interface Pinned {
  readonly fd: number
  /** Names this very directory as long as `fd` is open. */
  readonly path: string
  readonly stat: fs.Stats
  /** The account that decides where a link on the way leads; null: there was none but root's. */
  readonly by: number | null
}

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = fs.constants
/** open(2): names a thing without opening it, a link too. Node does not list it; Linux has this value but on Alpha, PA-RISC and SPARC. */
const O_PATH = 0x20_0000
const mostLinks = 40

/** Whether nobody but root can change the entries of the directory, or a name on the way to it; what is missing counts as such. */
export function rootsOwn(directory: string): boolean {
  let left = mostLinks
  let at = ''
  const rest = partsOf(directory)
  let here = fs.lstatSync('/')
  for (;;) {
    // In a sticky directory root's own entries are safe, and everybody may add others.
    if (here.uid !== 0 || (open(here) && (rest.length === 0 || (here.mode & 0o1000) === 0))) return false
    const part = rest.shift()
    if (part === undefined || !here.isDirectory()) return true
    const path = part === '..' ? posix.dirname(at || '/') : `${at}/${part}`
    const stat = fs.lstatSync(path, { throwIfNoEntry: false })
    if (stat === undefined) return true
    if (stat.uid !== 0) return false
    if (stat.isSymbolicLink()) {
      if (left-- === 0) return false
      const target = fs.readlinkSync(path)
      rest.unshift(...partsOf(target))
      if (!target.startsWith('/')) continue
      at = ''
      here = fs.lstatSync('/')
    } else {
      at = path === '/' ? '' : path
      here = stat
    }
  }
}

/**
 * Opens a directory so that it stays the same one. The caller closes `fd`.
 * @throws the errors of open(2) and lstat(2), named for the directory
 */
export function pin(directory: string): Pinned {
  const rest = partsOf(directory)
  let fd = fs.openSync('/', O_RDONLY | O_DIRECTORY)
  let by: number | null = null
  let left = mostLinks
  try {
    for (let part = rest.shift(); part !== undefined; part = rest.shift()) {
      const path = `/proc/self/fd/${fd}/${part}`
      const stat = fs.lstatSync(path)
      let next = path
      if (stat.isSymbolicLink()) {
        if (left-- === 0) throw unsafe(directory, 'its links lead in a circle')
        const target = readStill(path, stat, directory)
        by ??= decides(fs.fstatSync(fd), stat)
        rest.unshift(...partsOf(target))
        if (!target.startsWith('/')) continue
        next = '/'
      }
      const before = fd
      fd = fs.openSync(next, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      fs.closeSync(before)
    }
    return { fd, path: `/proc/self/fd/${fd}`, stat: fs.fstatSync(fd), by }
  } catch (error) {
    fs.closeSync(fd)
    const system = error as NodeJS.ErrnoException
    if (system.path !== undefined) {
      system.message = system.message.replaceAll(system.path, directory)
      system.path = directory
    }
    throw error
  }
}

/** Where a link leads, unless it is replaced just then. */
function readStill(path: string, before: fs.Stats, directory: string): string {
  const target = fs.readlinkSync(path)
  const after = fs.lstatSync(path)
  if (after.ino !== before.ino || after.ctimeMs !== before.ctimeMs)
    throw unsafe(directory, 'a link on the way changes just now')
  return target
}

/** Who, other than root, decides where a link in the directory leads. */
function decides(directory: fs.Stats, link: fs.Stats): number | null {
  if (directory.uid !== 0) return directory.uid
  return open(directory) && link.uid !== 0 ? link.uid : null
}

/** Whether others than its owner may add and take away entries. */
function open({ mode, gid }: fs.Stats): boolean {
  return (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && gid !== 0)
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.')
}

/** Runs `work`, which must not wait for anything, with the rights of another account; whatever happens, root's come back. */
export function withRights<T>({ uid, gid, groups }: Rights, work: () => T): T {
  const own = process.getgroups?.() ?? []
  const [ownUid, ownGid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0]
  try {
    process.setgroups?.([...groups])
    process.setegid?.(gid)
    process.seteuid?.(uid)
    return work()
  } finally {
    process.seteuid?.(ownUid)
    process.setegid?.(ownGid)
    process.setgroups?.(own)
  }
}

/** Why root leaves something alone. */
export function unsafe(path: string, why: string): ConvergeError {
  return new ConvergeError(`${path} is left alone: ${why}`, {
    code: 'UNSAFE_PATH',
    hint: 'somebody else could lead root astray there: find out who has changed it, and why',
  })
}

/** What a change is made at: the path itself, or, where others have a hand in its directory, a way there that holds. */
export class Spot {
  /** The path to use. */
  readonly path: string
  /** The directory it is in. */
  readonly directory: string

  /**
   * @param named the path as the user knows it
   * @param pinned its directory, where others than root have a hand in it
   * @param rights those the change is made with; null: those of this process
   */
  constructor(
    readonly named: string,
    readonly pinned: Pinned | null = null,
    readonly rights: Rights | null = null,
  ) {
    const slash = named.lastIndexOf('/')
    this.directory = pinned?.path ?? (named.slice(0, slash) || '/')
    this.path = pinned === null ? named : `${pinned.path}/${named.slice(slash + 1)}`
  }

  /** Makes a change with the rights of the place, or others. */
  act<T>(work: () => T, rights: Rights | null = this.rights): T {
    if (rights === null) return work()
    try {
      return withRights(rights, work)
    } catch (error) {
      const { code, syscall } = error as NodeJS.ErrnoException
      if (code !== 'EACCES' && code !== 'EPERM') throw error
      throw new ConvergeError(`${syscall} ${this.named}: the account with the id ${rights.uid} may not do that`, {
        code,
        hint: 'that account decides what the path leads to, so root does there only what it may do itself: give it the right, or give root the directories on the way',
        cause: error,
      })
    }
  }

  /** Works on what is at the path, which stays the same thing meanwhile. */
  grasped<T>(work: (thing: { readonly at: string; readonly stat: fs.Stats }) => T, path = this.path): T {
    const fd = this.act(() => fs.openSync(path, O_PATH | O_NOFOLLOW))
    try {
      return work({ at: `/proc/self/fd/${fd}`, stat: fs.fstatSync(fd) })
    } finally {
      fs.closeSync(fd)
    }
  }

  /** Errors speak of the path the user knows. */
  explained(error: unknown): unknown {
    const system = error as NodeJS.ErrnoException & { dest?: string }
    if (this.pinned === null || system.path === undefined) return error
    const directory = this.named.slice(0, this.named.lastIndexOf('/'))
    const own = (text: string) => text.replaceAll(`${this.directory}/`, `${directory}/`)
    system.message = own(system.message)
    system.path = own(system.path)
    if (system.dest !== undefined) system.dest = own(system.dest)
    return error
  }

  close(): void {
    if (this.pinned !== null) fs.closeSync(this.pinned.fd)
  }
}
