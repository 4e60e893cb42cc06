/** Makes and changes files, directories and links of this host: completely or not at all, and only at the intended path. */
import * as fs from 'node:fs'
import { withPathInErrors } from '../model/file_errors.ts'
import type { LocalAccounts } from './local_accounts.ts'
import {
  fileStatOf,
  refuseHardLink,
  undefinedIfMissing,
  unlessMissing,
  unlessReplaced,
  withUserPath,
} from './local_files.ts'
import { downloadInto } from './request.ts'
import { unsafePathError, type WriteTarget } from './safe_paths.ts'
import type { DownloadOptions, FileStat, WriteOptions } from './types.ts'
import { WriteTargets } from './write_targets.ts'

export class LocalTree {
  private readonly targets: WriteTargets
  private readonly isRoot: boolean
  /** Files written and not yet flushed to the disk, see `flush`. */
  private unflushed: string[] = []

  /** @param uid of this process */
  constructor(
    private readonly uid: number,
    private readonly gid: number,
    private readonly accounts: LocalAccounts,
  ) {
    this.isRoot = uid === 0
    this.targets = new WriteTargets(this.isRoot, accounts)
  }

  /** Discards the decisions about which accounts control a directory: its owner or mode may have changed. */
  invalidateTrust(): void {
    this.targets.invalidateTrust()
  }

  writeFile(path: string, content: string | Buffer, options: WriteOptions = {}): void {
    this.targets.withTarget(path, (target) =>
      this.targets.viaTemporary(target, (temporary) => {
        const file = target.withItsRights(() => fs.openSync(temporary, 'wx', 0o600))
        try {
          fs.writeFileSync(file, content)
          const existing = fileStatOf(unlessMissing(() => fs.lstatSync(target.path, undefinedIfMissing)))
          const before = existing?.kind === 'file' ? existing : null
          // Where others can put a file first, that file decides only who may read and write the new one.
          const mode = Number.parseInt(before?.mode ?? '0644', 8) & (target.pinned === null ? 0o7777 : 0o777)
          const [uid, gid] = this.accounts.ids(options.owner, options.group)
          if (before) this.keepOwner(file, before, uid, gid)
          if (uid !== -1 || gid !== -1) fs.fchownSync(file, uid, gid)
          // After chown, which takes away setuid and setgid.
          fs.fchmodSync(file, options.mode === undefined ? mode : Number.parseInt(options.mode, 8))
        } finally {
          fs.closeSync(file)
        }
        target.withItsRights(() => fs.renameSync(temporary, target.path))
      }),
    )
    this.unflushed.push(path)
  }

  /** Keeps owner and group where no change is requested; an ordinary user can keep only those that it may set. */
  private keepOwner(file: number, before: FileStat, uid: number, gid: number): void {
    const stat = fs.fstatSync(file)
    const keepUid = uid === -1 && before.uid !== stat.uid ? before.uid : -1
    const keepGid = gid === -1 && before.gid !== stat.gid ? before.gid : -1
    if (keepUid === -1 && keepGid === -1) return
    try {
      fs.fchownSync(file, keepUid, keepGid)
    } catch (error) {
      if (this.isRoot || (error as NodeJS.ErrnoException).code !== 'EPERM') throw error
    }
  }

  makeDirectory(path: string, options: WriteOptions = {}): void {
    const [uid, gid] = this.accounts.ids(options.owner, options.group)
    const mode = Number.parseInt(options.mode ?? '0755', 8)
    this.targets.withTarget(path, (target) => {
      // mkdir fails for an existing path.
      if (unlessMissing(() => fs.lstatSync(target.path, undefinedIfMissing)) !== undefined) fs.mkdirSync(target.path)
      this.targets.viaTemporary(target, (temporary) => {
        if (target.pinned !== null) this.makeInSharedDirectory(target, temporary, mode, uid, gid)
        else {
          fs.mkdirSync(temporary, { mode: 0o700 })
          if (uid !== -1 || gid !== -1) fs.chownSync(temporary, uid, gid)
          fs.chmodSync(temporary, mode)
        }
        target.withItsRights(() => fs.renameSync(temporary, target.path))
      })
    })
  }

  /**
   * Creates a directory with the rights of the parent's owner. If that account replaces it in the meantime, it replaces a
   * directory of its own, or the replacement is refused.
   */
  private makeInSharedDirectory(target: WriteTarget, temporary: string, mode: number, uid: number, gid: number): void {
    const parent = target.pinned?.stat
    const maker =
      target.rights ?? (parent === undefined || parent.uid === 0 ? null : this.accounts.rightsOf(parent.uid))
    target.withItsRights(() => fs.mkdirSync(temporary, { mode: 0o700 }), maker)
    const directory = fs.openSync(temporary, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW)
    try {
      if (fs.fstatSync(directory).uid !== (maker?.uid ?? this.uid))
        throw unsafePathError(target.userPath, 'another directory has taken its place while it was made')
      // By default, the directory has the account and group of the run, or the group of a parent with setgid.
      const inheritsGroup = ((parent?.mode ?? 0) & 0o2000) !== 0
      fs.fchownSync(directory, uid === -1 ? this.uid : uid, gid === -1 && !inheritsGroup ? this.gid : gid)
      fs.fchmodSync(directory, mode)
    } finally {
      fs.closeSync(directory)
    }
  }

  replaceLink(path: string, linkTarget: string, options: Pick<WriteOptions, 'owner' | 'group'> = {}): void {
    const [uid, gid] = this.accounts.ids(options.owner, options.group)
    this.targets.withTarget(path, (target) =>
      this.targets.viaTemporary(target, (temporary) => {
        target.withItsRights(() => fs.symlinkSync(linkTarget, temporary))
        if (uid !== -1 || gid !== -1)
          if (target.pinned === null) fs.lchownSync(temporary, uid, gid)
          else
            target.withOpenEntry(({ at, stat }) => {
              if (!stat.isSymbolicLink())
                throw unsafePathError(path, 'something else has taken its place while it was made')
              fs.chownSync(at, uid, gid)
            }, temporary)
        target.withItsRights(() => fs.renameSync(temporary, target.path))
      }),
    )
  }

  rename(from: string, to: string): void {
    this.targets.withTarget(from, (source) =>
      this.targets.withTarget(to, (destination) => {
        const rights = source.rights ?? destination.rights
        if (rights !== null && destination.rights !== null && rights.uid !== destination.rights.uid)
          throw unsafePathError(
            to,
            'one account controls its directory, and another one the path that it is moved from',
          )
        source.withItsRights(() => fs.renameSync(source.path, destination.path), rights)
      }),
    )
  }

  remove(path: string): void {
    unlessMissing(() => this.targets.withTarget(path, (target) => this.targets.removeEntry(target, target.path)))
  }

  setMode(path: string, mode: string): void {
    const bits = Number.parseInt(mode, 8)
    this.targets.withTarget(path, (target) => {
      if (target.pinned === null) return fs.chmodSync(path, bits)
      target.withOpenEntry(({ at, stat }) => {
        if (stat.isSymbolicLink()) throw unsafePathError(path, 'it is a link')
        // Refuse a file that another account may have put there as a hard link.
        if (stat.uid === 0 && target.rights === null) refuseHardLink(path, stat)
        const owner = stat.uid === 0 ? null : this.accounts.rightsOf(stat.uid, stat.gid)
        target.withItsRights(() => fs.chmodSync(at, bits), target.rights ?? owner)
      })
    })
  }

  setOwner(path: string, owner: string | undefined, group: string | undefined): void {
    const [uid, gid] = this.accounts.ids(owner, group)
    this.targets.withTarget(path, (target) => {
      if (target.pinned === null) {
        const mode = fs.lstatSync(path).mode
        fs.lchownSync(path, uid, gid)
        // chown removes setuid and setgid: restore those that were set before.
        if ((mode & 0o6000) !== 0) fs.chmodSync(path, mode & 0o7777)
        return
      }
      target.withOpenEntry(({ at, stat }) => {
        if (stat.uid !== target.pinned?.stat.uid) refuseHardLink(path, stat)
        target.withItsRights(() => fs.chownSync(at, uid, gid))
        // A program that another account has put there does not become one that runs as its new owner.
        if (stat.isDirectory() && (stat.mode & 0o6000) !== 0)
          target.withItsRights(() => fs.chmodSync(at, stat.mode & 0o7777))
      })
    })
  }

  async download(url: string, path: string, options: DownloadOptions = {}): Promise<void> {
    const target = this.targets.open(path)
    const temporary = this.targets.temporaryName(target)
    try {
      const file = target.withItsRights(() => fs.openSync(temporary, 'wx', 0o600))
      try {
        await downloadInto(url, file, options)
        const [uid, gid] = this.accounts.ids(options.owner, options.group)
        if (uid !== -1 || gid !== -1) fs.fchownSync(file, uid, gid)
        fs.fchmodSync(file, Number.parseInt(options.mode ?? '0644', 8))
      } finally {
        fs.closeSync(file)
      }
      target.withItsRights(() => fs.renameSync(temporary, target.path))
    } catch (error) {
      unlessMissing(() => this.targets.removeEntry(target, temporary))
      throw target.renameError(withUserPath(error, temporary, target.path))
    } finally {
      target.close()
    }
  }

  /** Waits until the files that this run has written are on the disk. Called before work is recorded as done, not for each file. */
  flush(): void {
    const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants
    for (const path of this.unflushed) {
      const file = unlessReplaced(() => fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK))
      if (file === undefined) continue
      try {
        withPathInErrors(path, () => {
          if (fs.fstatSync(file).isFile()) fs.fsyncSync(file)
        })
      } finally {
        fs.closeSync(file)
      }
    }
    this.unflushed = []
  }
}
