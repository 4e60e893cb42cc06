/** Lists the files of a directory that an input of the user names. */
import * as fs from 'node:fs'
import { join } from 'node:path'

export interface InputDirectoryFile {
  /** Path below the directory. */
  readonly name: string
  readonly path: string
  /** Whether its owner may execute it. */
  readonly isExecutable: boolean
}

/**
 * Lists all files below a directory, in the order of their names. Links are followed, except to a directory that contains
 * them.
 * @throws the errors of open(2), which name the path; for a link to nothing as well
 */
export function inputFilesBelow(directory: string): readonly InputDirectoryFile[] {
  return filesBelow(directory, '', [])
}

function filesBelow(directory: string, below: string, open: readonly string[]): InputDirectoryFile[] {
  const real = fs.realpathSync(directory)
  if (open.includes(real)) return []
  return fs
    .readdirSync(directory)
    .sort()
    .flatMap((entry) => {
      const [path, name] = [join(directory, entry), `${below}${entry}`]
      const stat = fs.statSync(path)
      if (stat.isDirectory()) return filesBelow(path, `${name}/`, [...open, real])
      return [{ name, path, isExecutable: (stat.mode & 0o100) !== 0 }]
    })
}
