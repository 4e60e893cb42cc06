/** Adapts file system calls to the Host port: missing and replaced paths, hard links, temporary names, status and errors. */
import type * as fs from 'node:fs'
import { unsafePathError } from './safe_paths.ts'
import type { FileStat } from './types.ts'

const missingCodes = new Set(['ENOENT', 'ENOTDIR'])

// One object for all calls: for thousands of files, making the options costs as much as the system call.
export const undefinedIfMissing = { throwIfNoEntry: false } as const

/** @returns the result of a call, or undefined where the path does not exist */
export function unlessMissing<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if (missingCodes.has((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

/**
 * Returns the result of a call, or undefined if the path is missing, or is now something that this process must not open.
 * For paths that another account can replace.
 */
export function unlessReplaced<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if (
      ['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'EPERM', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? '')
    )
      return undefined
    throw error
  }
}

export function refuseHardLink(path: string, stat: fs.Stats): void {
  if (stat.isFile() && stat.nlink > 1)
    throw unsafePathError(path, 'it is a hard link, and may be the file of somebody else')
}

/** The start of the names of temporary files for a path, short enough that no name exceeds the limit of the file system. */
export function temporaryStem(path: string): string {
  const slash = path.lastIndexOf('/')
  const name = Buffer.from(path.slice(slash + 1))
    .subarray(0, 100)
    .toString()
    .replace(/\uFFFD+$/, '')
  return `${path.slice(0, slash)}/.${name}.converge-`
}

const modeNames: string[] = []

export function fileStatOf(stat: fs.Stats | undefined): FileStat | null {
  if (stat === undefined) return null
  const bits = stat.mode & 0o7777
  modeNames[bits] ??= bits.toString(8).padStart(4, '0')
  const kind = stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : stat.isSymbolicLink() ? 'link' : 'other'
  return { kind, mode: modeNames[bits], uid: stat.uid, gid: stat.gid, size: stat.size }
}

/** Makes an error name the file that the user knows: not a temporary one, and not none, as errors of open files do. */
export function withUserPath(error: unknown, temporary: string, path: string): unknown {
  const system = error as NodeJS.ErrnoException
  if (system.path === undefined && typeof system.syscall === 'string') system.path = path
  if (system.path === temporary) {
    system.path = path
    // The message contains the path too.
    system.message = system.message.replaceAll(temporary, path)
  }
  return error
}
