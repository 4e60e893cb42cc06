/**
 * Reads files and directories that another account may have written, or may replace while root reads them. It follows a link of
 * another account only with that account's rights, reads regular files only, and reads no more than a limit.
 */
import * as fs from 'node:fs'
import { posix } from 'node:path'
import { ConvergeError } from '../model/errors.ts'
import { fileTooLarge, notAFile, notReadable, withPathInErrors } from '../model/file_errors.ts'
import { unlessMissing } from './local_files.ts'
import { isRootOnly, type ResolvedPath, type Rights, readingAs, resolvePath } from './safe_paths.ts'
import { defaultReadLimit, type ReadOptions, type ReadOrigin } from './types.ts'

const { O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants
const forReading = O_RDONLY | O_NONBLOCK | O_NOCTTY

/** File systems of the kernel: nobody can create files there, and a size is known only after a read. */
const kernelPath = /^\/(proc|sys)\//
/** Bytes of one read if the size is not known. */
const chunk = 64 * 1024

export class LocalReader {
  /** The directory last found to be writable only by root. */
  private trusted: { readonly directory: string; readonly since: number } | null = null

  constructor(
    private readonly isRoot: boolean,
    private readonly rightsOf: (uid: number) => Rights,
  ) {}

  /** Forgets the trusted directory: its permissions may have changed. */
  invalidateTrust(): void {
    this.trusted = null
  }

  /**
   * @returns null where there is no file
   * @throws NOT_A_FILE, FILE_TOO_LARGE, NOT_READABLE; the errors of open(2) for what root itself may not read
   */
  bytes(path: string, options: ReadOptions = {}): Buffer | null {
    return (
      unlessMissing(() =>
        this.withFile(path, options, (fd) => {
          const shown = options.origin?.path ?? path
          return withPathInErrors(shown, () => this.content(shown, fd, options))
        }),
      ) ?? null
    )
  }

  /** Lists the names in a directory, sorted; none if it does not exist. */
  names(path: string, { origin }: ReadOptions = {}): string[] {
    if (this.isTrusted(path, origin)) return (unlessMissing(() => fs.readdirSync(path)) ?? []).sort()
    const names = unlessMissing(() =>
      this.withResolved(path, origin, ({ at, rights }) => {
        const read = () => fs.readdirSync(at)
        return rights === null ? read() : readingAs(rights, origin?.path ?? path, read)
      }),
    )
    return (names ?? []).sort()
  }

  private withFile<T>(path: string, { origin }: ReadOptions, work: (fd: number) => T): T {
    const shown = origin?.path ?? path
    if (this.isTrusted(posix.dirname(path), origin)) {
      const fd = this.openDirectly(path)
      if (fd !== null)
        try {
          return work(fd)
        } finally {
          fs.closeSync(fd)
        }
    }
    return this.withResolved(path, origin, ({ at, stat, rights }) => {
      if (!stat.isFile()) throw notAFile(shown, stat)
      // The descriptor names this very file: whatever takes its name meanwhile is not opened.
      const open = () => fs.openSync(at, forReading)
      const fd = rights === null ? open() : readingAs(rights, shown, open)
      try {
        return work(fd)
      } finally {
        fs.closeSync(fd)
      }
    })
  }

  /** Opens a file by its path; null for a link, which root must resolve step by step. */
  private openDirectly(path: string): number | null {
    try {
      return fs.openSync(path, forReading | (this.isRoot && !kernelPath.test(path) ? O_NOFOLLOW : 0))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ELOOP' && this.isRoot) return null
      if (code === 'ENXIO') throw notAFile(path, unlessMissing(() => fs.statSync(path)) ?? null)
      throw error
    }
  }

  private withResolved<T>(path: string, origin: ReadOrigin | undefined, work: (found: ResolvedPath) => T): T {
    const from = origin ?? { path, by: null }
    const found = withPathOfCaller(from.path, () => resolvePath(path, from, this.rightsOf))
    try {
      return withPathOfCaller(from.path, () => work(found))
    } finally {
      fs.closeSync(found.fd)
    }
  }

  /** Decides whether only this account, or root, controls the path to a directory. */
  private isTrusted(directory: string, origin: ReadOrigin | undefined): boolean {
    if (this.isRoot && (origin?.by ?? 0) !== 0) return false
    if (!this.isRoot || kernelPath.test(`${directory}/`)) return true
    const now = performance.now()
    if (this.trusted?.directory !== directory || now - this.trusted.since > 50)
      this.trusted = isRootOnly(directory) ? { directory, since: now } : null
    return this.trusted !== null
  }

  private content(path: string, fd: number, { limit = defaultReadLimit, from }: ReadOptions): Buffer {
    const stat = fs.fstatSync(fd)
    if (!stat.isFile()) throw notAFile(path, stat)
    if (from !== undefined) return readAt(fd, from < 0 ? Math.max(0, stat.size + from) : from, limit)
    if (stat.size > limit) throw fileTooLarge(path, stat.size, limit)
    const bytes = readAt(fd, 0, limit + 1, stat.size + 1)
    if (bytes.length > limit) throw fileTooLarge(path, null, limit)
    return bytes
  }
}

/** Reads to the end of the file, and no more than `most` bytes however it grows. */
function readAt(fd: number, from: number, limit: number, expected = chunk): Buffer {
  const parts: Buffer[] = []
  let length = 0
  while (length < limit) {
    const buffer = Buffer.allocUnsafe(Math.min(limit - length, length === 0 && expected > 1 ? expected : chunk))
    const count = fs.readSync(fd, buffer, 0, buffer.length, from + length)
    if (count === 0) break
    parts.push(buffer.subarray(0, count))
    length += count
  }
  return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)
}

/** Makes errors name the path that the caller has requested. */
function withPathOfCaller<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof ConvergeError) throw error
    const system = error as NodeJS.ErrnoException
    // The owner of a file can hold a lease on it, so that opening it would wait.
    if (['ELOOP', 'EAGAIN', 'ENXIO'].includes(system.code ?? '')) throw notReadable(path, system)
    if (system.path !== undefined) {
      system.message = system.message.replaceAll(system.path, path)
      system.path = path
    }
    throw error
  }
}
