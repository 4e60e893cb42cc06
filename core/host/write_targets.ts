/** Where changes are made: the spots of paths, temporary names beside them, and what killed runs have left there. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { ConvergeError } from '../model/errors.ts'
import type { LocalAccounts } from './local_accounts.ts'
import { isAlive, temporaryStem, undefinedIfMissing, unlessMissing, withUserPath } from './local_files.ts'
import { mountsAtOrBelow } from './mounts.ts'
import { securePath } from './process.ts'
import { isRootOnly, pinDirectory, WriteTarget } from './safe_paths.ts'

export class WriteTargets {
  private temporary = 0
  /** The directory that was last found to be root's alone, and when: looked at for each file it would cost a tenth of it. */
  private trusted: { readonly directory: string; readonly since: number } | null = null

  /** Files that killed runs left, by directory; each directory is listed once. */
  private readonly leftovers = new Map<string, string[]>()

  constructor(
    private readonly isRoot: boolean,
    private readonly accounts: LocalAccounts,
  ) {}

  /** Somebody may have changed who has a hand in which directory. */
  invalidateTrust(): void {
    this.trusted = null
  }

  /** Works at the spot of a path; what is thrown speaks of the path. */
  withTarget<T>(path: string, work: (spot: WriteTarget) => T): T {
    const spot = this.open(path)
    try {
      return work(spot)
    } catch (error) {
      throw spot.renameError(error)
    } finally {
      spot.close()
    }
  }

  /** The caller closes it. */
  open(path: string): WriteTarget {
    if (!this.isRoot) return new WriteTarget(path)
    const directory = path.slice(0, path.lastIndexOf('/')) || '/'
    const now = performance.now()
    if (this.trusted?.directory !== directory || now - this.trusted.since > 50)
      this.trusted = isRootOnly(directory) ? { directory, since: now } : null
    if (this.trusted !== null) return new WriteTarget(path)
    const pinned = pinDirectory(directory)
    return new WriteTarget(path, pinned, pinned.by === null ? null : this.accounts.rightsOf(pinned.by))
  }

  temporaryName({ path }: WriteTarget): string {
    this.temporary += 1
    return `${temporaryStem(path)}${process.pid}-${this.temporary}`
  }

  /** Makes something under a temporary name first; nothing of it is left where that fails. */
  viaTemporary(spot: WriteTarget, work: (temporary: string) => void): void {
    this.removeLeftovers(spot)
    const temporary = this.temporaryName(spot)
    const removeTemporary = () => unlessMissing(() => this.removeEntry(spot, temporary))
    try {
      try {
        work(temporary)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
        // A killed run with the same process id left it.
        removeTemporary()
        work(temporary)
      }
    } catch (error) {
      removeTemporary()
      throw withUserPath(error, temporary, spot.path)
    }
  }

  private removeLeftovers(spot: WriteTarget): void {
    const directory = spot.userPath.slice(0, spot.userPath.lastIndexOf('/'))
    let left = this.leftovers.get(directory)
    if (left === undefined) {
      const names = unlessMissing(() => fs.readdirSync(spot.directory)) ?? []
      left = names.filter((name) => {
        const pid = /^\..*\.converge-(\d+)-\d+$/s.exec(name)?.[1]
        return pid !== undefined && !isAlive(Number(pid))
      })
      this.leftovers.set(directory, left)
    }
    if (left.length === 0) return
    const stem = temporaryStem(spot.path)
    for (const name of left)
      if (`${spot.directory}/${name}`.startsWith(stem)) this.removeEntry(spot, `${spot.directory}/${name}`)
  }

  /** Removes what is at the path in the spot's directory; nothing there is fine. */
  removeEntry(spot: WriteTarget, path: string): void {
    const stat = fs.lstatSync(path, undefinedIfMissing)
    if (stat === undefined) return
    if (!stat.isDirectory()) return spot.withItsRights(() => fs.unlinkSync(path))
    const name = path.slice(path.lastIndexOf('/') + 1)
    this.refuseMounts(spot, name)
    // rm goes by descriptors and never through a link; by names, as Node does, root could be led elsewhere half way.
    const rm = () => this.run(spot, ['rm', '--recursive', '--force', '--one-file-system', '--', `./${name}`])
    let { status, stderr } = rm()
    // The owner of a directory may make it writable. Root needs no permission, and must not follow a link here.
    if (status !== 0 && (!this.isRoot || (spot.rights !== null && spot.rights.uid !== 0))) {
      const closed = ['-xdev', '-type', 'd', '!', '-perm', '-u=rwx', '-exec', 'chmod', 'u+rwx', '{}', ';']
      this.run(spot, ['find', `./${name}`, ...closed])
      ;({ status, stderr } = rm())
    }
    if (status === 0) return
    throw new ConvergeError(`${spot.userPath} cannot be removed`, {
      code: 'COMMAND_FAILED',
      output: stderr.trim(),
      hint: 'check who owns the files named there (ls -l), and whether they are immutable (lsattr); then remove them as root',
    })
  }

  private run(
    spot: WriteTarget,
    [program = '', ...args]: readonly string[],
  ): { status: number | null; stderr: string } {
    const { status, stderr, error } = spawnSync(program, args, {
      cwd: spot.directory,
      encoding: 'utf8',
      env: { PATH: securePath, LANG: 'C.UTF-8' },
      ...(spot.rights && { uid: spot.rights.uid, gid: spot.rights.gid }),
    })
    if (error) throw error
    return { status, stderr }
  }

  /** Bind mounts of the same file system are none to rm. */
  private refuseMounts(spot: WriteTarget, name: string): void {
    const whole = `${fs.realpathSync(spot.directory)}/${name}`.replace('//', '/')
    const [mount] = mountsAtOrBelow(unlessMissing(() => fs.readFileSync('/proc/self/mountinfo', 'utf8')) ?? '', whole)
    if (mount === undefined) return
    throw new ConvergeError(`${spot.userPath} cannot be removed: something is mounted at ${mount}`, {
      code: 'CANNOT_REMOVE',
      hint: `umount ${mount}`,
    })
  }
}
