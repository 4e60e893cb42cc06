/** Translates results of file system calls into the types of the Host port. */
import type * as fs from 'node:fs'
import { unsafePathError } from './safe_paths.ts'
import type { FileStat } from './types.ts'

const absent = new Set(['ENOENT', 'ENOTDIR'])
// One object for all calls: for thousands of files, making the options costs as much as the system call.
export const undefinedIfMissing = { throwIfNoEntry: false } as const

/** @returns the result of a call, or undefined where the path does not exist */
export function unlessMissing<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if (absent.has((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

/** Does the same if another account may have replaced the path meanwhile. */
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
  return `${path.slice(0, slash)}/.${path.slice(slash + 1, slash + 101)}.converge-`
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

const modeNames: string[] = []

export function fileStatOf(stat: fs.Stats | undefined): FileStat | null {
  if (stat === undefined) return null
  const bits = stat.mode & 0o7777
  modeNames[bits] ??= bits.toString(8).padStart(4, '0')
  const kind = stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : stat.isSymbolicLink() ? 'link' : 'other'
  return { kind, mode: modeNames[bits], uid: stat.uid, gid: stat.gid, size: stat.size }
}

/** Makes an error name the file that the user knows, not the temporary one. Errors of open files name no file at all. */
export function withUserPath(error: unknown, temporary: string, path: string): unknown {
  const system = error as NodeJS.ErrnoException
  if (system.path === undefined && typeof system.syscall === 'string') system.path = path
  if (system.path === temporary) {
    system.path = path
    // A copy without the temporary name wherever the message is shown.
    system.message = system.message.replaceAll(temporary, path)
  }
  return error
}
