/** Opens the paths that a change writes to, safely; makes temporary files, and removes those that killed runs left. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { ConvergeError } from '../model/errors.ts'
import { securePath } from '../model/secure_path.ts'
import type { LocalAccounts } from './local_accounts.ts'
import { temporaryStem, undefinedIfMissing, unlessMissing, withUserPath } from './local_files.ts'
import { mountsAtOrBelow } from './mounts.ts'
import { isAlive } from './proc.ts'
import { isRootOnly, pinDirectory, WriteTarget } from './safe_paths.ts'

/** How long a directory counts as writable only by root without another check. */
const trustMs = 50

export class WriteTargets {
  private temporaryCount = 0
  /** The directory last found to be writable only by root. Checking it for every file would make writes a tenth slower. */
  private trusted: { readonly directory: string; readonly since: number } | null = null

  /** Files that killed runs left, by directory; each directory is listed once. */
  private readonly leftovers = new Map<string, string[]>()

  constructor(
    private readonly isRoot: boolean,
    private readonly accounts: LocalAccounts,
  ) {}

  /** Forgets the trusted directory: its permissions may have changed. */
  invalidateTrust(): void {
    this.trusted = null
  }

  /** Runs `work` on the target of a path; errors name the path of the caller. */
  withTarget<T>(path: string, work: (target: WriteTarget) => T): T {
    const target = this.open(path)
    try {
      return work(target)
    } catch (error) {
      throw target.renameError(error)
    } finally {
      target.close()
    }
  }

  /** Opens the target of a path; the caller closes it. */
  open(path: string): WriteTarget {
    if (!this.isRoot) return new WriteTarget(path)
    const directory = path.slice(0, path.lastIndexOf('/')) || '/'
    const now = performance.now()
    if (this.trusted?.directory !== directory || now - this.trusted.since > trustMs)
      this.trusted = isRootOnly(directory) ? { directory, since: now } : null
    if (this.trusted !== null) return new WriteTarget(path)
    const pinned = pinDirectory(directory)
    return new WriteTarget(path, pinned, pinned.by === null ? null : this.accounts.rightsOf(pinned.by))
  }

  temporaryName({ path }: WriteTarget): string {
    this.temporaryCount += 1
    return `${temporaryStem(path)}${process.pid}-${this.temporaryCount}`
  }

  /** Makes something under a temporary name first, and removes it if that fails. */
  viaTemporary(target: WriteTarget, work: (temporary: string) => void): void {
    this.removeLeftovers(target)
    const temporary = this.temporaryName(target)
    const removeTemporary = () => unlessMissing(() => this.removeEntry(target, temporary))
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
      throw withUserPath(error, temporary, target.path)
    }
  }

  private removeLeftovers(target: WriteTarget): void {
    const directory = target.userPath.slice(0, target.userPath.lastIndexOf('/'))
    let left = this.leftovers.get(directory)
    if (left === undefined) {
      const names = unlessMissing(() => fs.readdirSync(target.directory)) ?? []
      left = names.filter((name) => {
        const pid = /^\..*\.converge-(\d+)-\d+$/s.exec(name)?.[1]
        return pid !== undefined && !isAlive(Number(pid))
      })
      this.leftovers.set(directory, left)
    }
    if (left.length === 0) return
    const stem = temporaryStem(target.path)
    for (const name of left)
      if (`${target.directory}/${name}`.startsWith(stem)) this.removeEntry(target, `${target.directory}/${name}`)
  }

  /** Removes what is at the path in the target's directory; nothing there is fine. */
  removeEntry(target: WriteTarget, path: string): void {
    const stat = fs.lstatSync(path, undefinedIfMissing)
    if (stat === undefined) return
    if (!stat.isDirectory()) return target.withItsRights(() => fs.unlinkSync(path))
    const name = path.slice(path.lastIndexOf('/') + 1)
    this.refuseMounts(target, name)
    // rm goes by descriptors and never through a link; by names, as Node does, root could be led elsewhere half way.
    const rm = () => this.run(target, ['rm', '--recursive', '--force', '--one-file-system', '--', `./${name}`])
    let { status, stderr } = rm()
    // The owner of a directory may make it writable. Root needs no permission, and must not follow a link here.
    if (status !== 0 && (!this.isRoot || (target.rights !== null && target.rights.uid !== 0))) {
      const closed = ['-xdev', '-type', 'd', '!', '-perm', '-u=rwx', '-exec', 'chmod', 'u+rwx', '{}', ';']
      this.run(target, ['find', `./${name}`, ...closed])
      ;({ status, stderr } = rm())
    }
    if (status === 0) return
    throw new ConvergeError(`${target.userPath} cannot be removed`, {
      code: 'COMMAND_FAILED',
      output: stderr.trim(),
      hint: 'check who owns the files that the output names (ls -l), and whether they are immutable (lsattr); then remove them as root',
    })
  }

  private run(
    target: WriteTarget,
    [program = '', ...args]: readonly string[],
  ): { status: number | null; stderr: string } {
    const { status, stderr, error } = spawnSync(program, args, {
      cwd: target.directory,
      encoding: 'utf8',
      env: { PATH: securePath, LANG: 'C.UTF-8' },
      ...(target.rights && { uid: target.rights.uid, gid: target.rights.gid }),
    })
    if (error) throw error
    return { status, stderr }
  }

  /** `rm --one-file-system` does not stop at bind mounts of the same file system. */
  private refuseMounts(target: WriteTarget, name: string): void {
    const whole = `${fs.realpathSync(target.directory)}/${name}`.replace('//', '/')
    const [mount] = mountsAtOrBelow(unlessMissing(() => fs.readFileSync('/proc/self/mountinfo', 'utf8')) ?? '', whole)
    if (mount === undefined) return
    throw new ConvergeError(`${target.userPath} cannot be removed: something is mounted at ${mount}`, {
      code: 'CANNOT_REMOVE',
      hint: `umount ${mount}`,
    })
  }
}
