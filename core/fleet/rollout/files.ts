/** Files of the operator's own state: made for this account only, replaced whole, and clear about what cannot be kept. */
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { readGivenFile } from '../../host/given_file.ts'
import { asConvergeError, ConvergeError } from '../../model/errors.ts'

/**
 * Replaces a file in one step; what was there stays until the new content is safe. Whoever may write it is alone: what a killed one has
 * left is written over by the next.
 */
export function replaceFile(path: string, content: string): void {
  const beside = `${path}.new`
  try {
    const file = fs.openSync(beside, 'w', 0o600)
    try {
      fs.writeFileSync(file, content)
      fs.fsyncSync(file)
    } finally {
      fs.closeSync(file)
    }
    fs.renameSync(beside, path)
    syncDirectory(dirname(path))
  } catch (error) {
    fs.rmSync(beside, { force: true })
    throw error
  }
}

/** Its names are safe as well: of a file that was renamed, a crash may leave neither. */
export function syncDirectory(path: string): void {
  const directory = fs.openSync(path, 'r')
  try {
    fs.fsyncSync(directory)
  } finally {
    fs.closeSync(directory)
  }
}

/** The names in a directory; none where there is no such directory. */
export function namesIn(path: string): string[] {
  try {
    return fs.readdirSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** Bytes; the log of a host ends well below. */
const longestRecord = 256 << 20

/** What a file holds, or null where there is none. */
export function contentOf(path: string): string | null {
  try {
    return readGivenFile(path, longestRecord).toString('utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

export function unusable(directory: string, error: unknown, nothingDone: boolean): ConvergeError {
  const { code, message } = asConvergeError(error)
  return new ConvergeError(
    `cannot keep the records of this stack in ${directory}: ${message}${nothingDone ? '; no host was touched' : ''}`,
    {
      code: 'NO_STACK_STATE',
      hint: ['ENOSPC', 'EDQUOT'].includes(code)
        ? 'free some space there (df -h shows how much is left), then run again'
        : 'get write access to it, which is beside the stack file, or move the stack file into a directory of your own',
      // A full or broken disk is nothing that the command line says.
      usage: ['EACCES', 'EPERM', 'ENOENT', 'ENOTDIR', 'EEXIST', 'EROFS'].includes(code),
      cause: error,
    },
  )
}
