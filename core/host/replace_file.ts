/** Replaces a file in one step: after a crash, it has either the old or the new content. */
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { withPathInErrors } from '../model/file_errors.ts'

export interface ReplaceOptions {
  /** Permissions of a new file, which the umask limits; default 0600. */
  readonly mode?: number
  /** Keeps the permissions of an existing file, and the links that lead to it; default false: both are replaced. */
  readonly keepsTarget?: boolean
  /**
   * Path of the temporary file; default: beside the file, with the process id. A fixed path is for callers
   * that are the only writer: what a killed process left behind is overwritten.
   */
  readonly temporary?: string
}

/**
 * Writes a temporary file, syncs it, and renames it to `path`.
 * @throws the error of the system; the temporary file is removed then
 */
export function replaceFile(path: string, content: string, options: ReplaceOptions = {}): void {
  const { mode = 0o600, keepsTarget = false } = options
  const existing = keepsTarget ? fs.statSync(path, { throwIfNoEntry: false }) : undefined
  const target = existing === undefined ? path : fs.realpathSync(path)
  const temporary = options.temporary ?? `${target}.${process.pid}.tmp`
  try {
    if (options.temporary !== undefined) fs.rmSync(temporary, { force: true })
    const file = fs.openSync(temporary, 'wx', mode)
    try {
      withPathInErrors(target, () => {
        fs.writeFileSync(file, content)
        if (existing !== undefined) fs.fchmodSync(file, existing.mode & 0o777)
        fs.fsyncSync(file)
      })
    } finally {
      fs.closeSync(file)
    }
    fs.renameSync(temporary, target)
  } catch (error) {
    fs.rmSync(temporary, { force: true })
    throw error
  }
  syncDirectory(dirname(target))
}

/** Syncs a directory: without that, a crash may lose both the old and the new name of a renamed file. */
export function syncDirectory(path: string): void {
  const directory = fs.openSync(path, 'r')
  try {
    withPathInErrors(path, () => fs.fsyncSync(directory))
  } finally {
    fs.closeSync(directory)
  }
}
