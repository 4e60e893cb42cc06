/** Directories made with all that is missing above them. */
import * as fs from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a directory with what is missing above it, as `mkdir -p` does; one that is there is left as it is. Node's own
 * recursive mkdir turns for ever where a file system refuses a new name with ENOENT, as /proc does.
 * @param mode of each directory it makes, less the umask
 */
export function makeDirectories(path: string, mode: number): void {
  try {
    fs.mkdirSync(path, { mode })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && fs.statSync(path).isDirectory()) return
    const parent = dirname(path)
    if (code !== 'ENOENT' || fs.statSync(parent, { throwIfNoEntry: false }) !== undefined) throw error
    makeDirectories(parent, mode)
    makeDirectories(path, mode)
  }
}
