/** Writes patterns of files for the configuration of logrotate. */
import { Inexpressible, requireLine } from './writer.ts'

const language = 'logrotate'

/**
 * Writes a pattern for files of a directory, whose own path is taken literally.
 * @param name pattern for their names, such as `*.log`
 * @throws Inexpressible
 */
export function logrotatePattern(directory: string, name: string): string {
  requireLine(language, directory)
  if (/[{}]/.test(directory)) throw new Inexpressible(language, 'a path with braces')
  const path = `${directory.replace(/[*?[\]\\]/g, '\\$&')}/${name}`
  return /^[^\s'"\\]+$/.test(path) ? path : `"${path.replaceAll('"', '\\"')}"`
}
