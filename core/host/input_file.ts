/** Reads files that the user names: regular files up to a limit, so that a name such as /dev/zero does not block a command. */
import * as fs from 'node:fs'
import { fileTooLarge, inputNotAFile, withPathInErrors } from '../model/file_errors.ts'

const { O_NOCTTY, O_NONBLOCK, O_RDONLY } = fs.constants

/** Bytes; far more than any stack file, key, certificate or custom JSON has. */
export const inputFileLimit = 64 << 20

/** Standard input, and the path that a shell passes for `<(command)`: pipes that a user names on purpose. */
const callerPipe = /^\/(dev\/(fd\/|stdin$)|proc\/self\/fd\/)/

/**
 * Reads a regular file, or a pipe of the calling shell. Links are followed, since the account that runs the command reads
 * with its own rights. /dev/null is empty.
 * @throws NOT_A_FILE for another pipe, a device, socket or directory; FILE_TOO_LARGE; the errors of open(2)
 */
export function readInputFile(path: string, limit = inputFileLimit): Buffer {
  const isOwnPipe = callerPipe.test(path)
  const file = openInputFile(path, O_RDONLY | O_NOCTTY | (isOwnPipe ? 0 : O_NONBLOCK))
  try {
    const stat = fs.fstatSync(file)
    if (!stat.isFile() && !isDevNull(stat) && !(isOwnPipe && !stat.isDirectory())) throw inputNotAFile(path, stat)
    if (stat.size > limit) throw fileTooLarge(path, stat.size, limit)
    return withPathInErrors(path, () => readUpTo(limit, file, path))
  } finally {
    fs.closeSync(file)
  }
}

function openInputFile(path: string, flags: number): number {
  try {
    return fs.openSync(path, flags)
  } catch (error) {
    // A socket cannot be opened.
    if ((error as NodeJS.ErrnoException).code === 'ENXIO') throw inputNotAFile(path, fs.statSync(path))
    throw error
  }
}

/** /dev/null, which some write for a file that they do not want: `UserKnownHostsFile /dev/null`. */
function isDevNull(stat: fs.Stats): boolean {
  return stat.isCharacterDevice() && stat.rdev === fs.statSync('/dev/null', { throwIfNoEntry: false })?.rdev
}

/** The kernel names no size for files below /proc, and a file may grow meanwhile. */
function readUpTo(limit: number, file: number, path: string): Buffer {
  const parts: Buffer[] = []
  for (let length = 0; ; ) {
    const part = Buffer.allocUnsafe(64 * 1024)
    const count = fs.readSync(file, part)
    if (count === 0) return Buffer.concat(parts)
    parts.push(part.subarray(0, count))
    length += count
    if (length > limit) throw fileTooLarge(path, null, limit)
  }
}
