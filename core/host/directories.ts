/** Creates directories together with their missing parents. */
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { describeFileMode, inTheWay } from '../model/file_errors.ts'

/**
 * Creates a directory and its missing parents, as `mkdir -p` does; an existing one stays as it is. Node's own
 * recursive mkdir loops for ever where a file system refuses a new name with ENOENT, as /proc does.
 * @param mode of each directory that it creates, less the umask
 * @throws IN_THE_WAY for a path that is not a directory
 */
export function makeDirectories(path: string, mode: number): void {
  try {
    fs.mkdirSync(path, { mode })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const stat = code === 'EEXIST' ? fs.statSync(path, { throwIfNoEntry: false }) : undefined
    if (stat?.isDirectory()) return
    if (code === 'EEXIST') {
      const kind = stat === undefined ? 'a link to nothing' : describeFileMode(stat)
      throw inTheWay(`${path} is ${kind}, but it must be a directory`, path)
    }
    const parent = dirname(path)
    if (code !== 'ENOENT' || fs.statSync(parent, { throwIfNoEntry: false }) !== undefined) throw error
    makeDirectories(parent, mode)
    makeDirectories(path, mode)
  }
}
