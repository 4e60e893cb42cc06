/** Resolves paths that a stack file names. */
import { resolve } from 'node:path'
import { expandHome } from '../../host/home_path.ts'

/** Returns an absolute path; `~` is the operator's home directory. */
export function absolutePath(file: string, directory: string): string {
  return resolve(directory, expandHome(file))
}
