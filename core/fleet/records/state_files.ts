/** Reads and replaces the files of the operator's state, which only the operator's account can read. */
import * as fs from 'node:fs'
import { readInputFile } from '../../host/input_file.ts'
import { replaceFile } from '../../host/replace_file.ts'
import { asConvergeError, ConvergeError } from '../../model/errors.ts'

/** Replaces a file. The caller must be the only writer. */
export function replaceStateFile(path: string, content: string): void {
  replaceFile(path, content, { temporary: `${path}.new` })
}

/** Returns the names in a directory; none where the directory does not exist. */
export function namesIn(path: string): string[] {
  try {
    return fs.readdirSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** Bytes; the log of a host is limited to far less. */
const maxFileSize = 256 << 20

/** Returns the content of a file, or null where the file does not exist. */
export function readFileOrNull(path: string): string | null {
  try {
    return readInputFile(path, maxFileSize).toString('utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

export function unusableDirectory(directory: string, error: unknown, isUnchanged: boolean): ConvergeError {
  const { code, message } = asConvergeError(error)
  return new ConvergeError(
    `cannot keep the records of this stack in ${directory}: ${message}${isUnchanged ? '; no host was touched' : ''}`,
    {
      code: 'NO_STACK_STATE',
      hint: ['ENOSPC', 'EDQUOT'].includes(code)
        ? 'free some space there (df -h shows how much is left), then run again'
        : 'get write access to it, which is beside the stack file, or move the stack file into a directory of your own',
      // A full or broken disk is not an error in the command line.
      usage: ['EACCES', 'EPERM', 'ENOENT', 'ENOTDIR', 'EEXIST', 'IN_THE_WAY', 'EROFS'].includes(code),
      cause: error,
    },
  )
}
