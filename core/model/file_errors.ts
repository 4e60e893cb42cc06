/** Builds the errors for files that converge refuses to read, and reads and writes files that it can create again. */
import type { FileKind, Host, HostReader, ReadOptions, WriteOptions } from '../host/types.ts'
import { shellWords } from '../text/shell.ts'
import { ConvergeError } from './errors.ts'

/** Adds the path to errors of calls on an open file, which do not contain it. */
export function withPathInErrors<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const system = error as NodeJS.ErrnoException
    if (system.path === undefined && typeof system.syscall === 'string') system.path = path
    throw error
  }
}

/** Names the kind of a path in a sentence. */
export function describeFileKind(kind: FileKind): string {
  return kind === 'other' ? 'a device, socket or pipe' : `a ${kind}`
}

const removeHint = 'find out which account put it there, then remove it'

export function notAFile(path: string, stat: { readonly mode: number } | null): ConvergeError {
  return new ConvergeError(notAFileMessage(path, stat), { code: 'NOT_A_FILE', hint: removeHint })
}

const notAFileMessage = (path: string, stat: { readonly mode: number } | null) =>
  `cannot read ${path}: it is ${describeFileMode(stat)}, not a regular file`

/** Builds the error for a path that has an entry of another kind than a resource declares; it may contain data. */
export function inTheWay(message: string, path: string): ConvergeError {
  return new ConvergeError(message, {
    code: 'IN_THE_WAY',
    hint: `check whether it is still needed, then move it away: ${shellWords(['mv', path, `${path}.old`])}`,
  })
}

/** Builds the error for a path in the options or files of the user. */
export function inputNotAFile(path: string, stat: { readonly mode: number }): ConvergeError {
  const hint = 'name a regular file'
  return new ConvergeError(notAFileMessage(path, stat), { code: 'NOT_A_FILE', hint, usage: true })
}

/** @param size null where the file grew while it was read */
export function fileTooLarge(path: string, size: number | null, limit: number): ConvergeError {
  const found = size === null ? 'it has grown beyond' : `it has ${bytes(size)}, more than`
  return new ConvergeError(`cannot read ${path}: ${found} the limit of ${bytes(limit)}`, {
    code: 'FILE_TOO_LARGE',
    hint: 'find out what writes it, then shorten or remove it',
  })
}

/** Builds the error for a path that an account other than root controls, and that leads to a file it may not read. */
export function notReadable(path: string, cause: NodeJS.ErrnoException): ConvergeError {
  const reasons: Record<string, string> = {
    ELOOP: 'its links change, or lead in a circle',
    EAGAIN: 'another process has locked it with a lease',
    ENXIO: 'it is a socket or a device',
  }
  const reason = reasons[cause.code ?? ''] ?? 'the account whose link leads there may not read it'
  return new ConvergeError(`cannot read ${path}: ${reason}`, { code: 'NOT_READABLE', hint: removeHint, cause })
}

const refusals = new Set(['NOT_A_FILE', 'FILE_TOO_LARGE', 'NOT_READABLE', 'UNSAFE_PATH'])

/** Decides whether converge refused a file because of its kind, size or path, as opposed to a failure of the system. */
export function isRefusal(error: unknown): boolean {
  return error instanceof ConvergeError && refusals.has(error.code)
}

/**
 * Reads a file that converge can write again, such as a mark or a cache.
 * @returns null if it does not exist, or is refused
 */
export function readDisposable(host: HostReader, path: string, options: ReadOptions = {}): string | null {
  try {
    return host.readText(path, options)
  } catch (error) {
    if (isRefusal(error)) return null
    throw error
  }
}

/** Writes a file that converge can write again. It removes a directory in its place; a rename replaces everything else. */
export function writeDisposable(host: Host, path: string, text: string, options: WriteOptions): void {
  if (host.lstat(path)?.kind === 'directory') host.remove(path)
  host.writeFile(path, text, options)
}

/** Names the kind of a file in a sentence, by its mode as stat(2) returns it. */
export function describeFileMode(stat: { readonly mode: number } | null): string {
  return kinds.get((stat?.mode ?? 0) & 0o170000) ?? 'a socket or a device'
}

// A map, because the formatter rewrites octal numbers that are keys of an object.
const kinds: ReadonlyMap<number, string> = new Map([
  [0o010000, 'a named pipe'],
  [0o020000, 'a character device'],
  [0o040000, 'a directory'],
  [0o060000, 'a block device'],
  [0o100000, 'a file'],
  [0o120000, 'a link'],
  [0o140000, 'a socket'],
])

function bytes(count: number): string {
  const mebibytes = count / 1024 / 1024
  if (mebibytes >= 1 && Number.isInteger(mebibytes)) return `${mebibytes.toLocaleString('en')} MiB`
  return `${count.toLocaleString('en')} bytes`
}
