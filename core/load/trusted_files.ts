/** Decides whether code that the user did not name may run: only trusted accounts may have been able to write it. */
import * as fs from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * Finds a reason not to execute a file. As root, each directory of its path must be trusted, because Node looks for modules
 * in all of them. A sticky directory is therefore no safer than another one that everybody can write to.
 * @param trusted user ids that may own it
 * @param isExclusive whether nobody else may be able to write to it or to any directory above it; else only its owner counts
 * @returns the reason not to run it; null if it may run
 */
export function reasonNotToTrust(file: string, trusted: readonly number[], isExclusive: boolean): string | null {
  const path = resolve(file)
  const real = fs.realpathSync(path)
  const links = path === real ? [] : [path]
  const paths = [...links, real, ...(isExclusive ? [...parentsOf(real), ...parentsOf(path)] : [])]
  for (const one of new Set(paths)) {
    const stat = fs.lstatSync(one)
    const { uid, gid, mode } = stat
    if (!trusted.includes(uid)) return `${one} belongs to another account (uid ${uid})`
    // The mode of a link has no effect.
    if (!isExclusive || stat.isSymbolicLink()) continue
    if ((mode & 0o002) !== 0) return `everybody may write to ${one}`
    if ((mode & 0o020) !== 0 && gid !== 0) return `its group (gid ${gid}) may write to ${one}`
  }
  return null
}

function parentsOf(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [] : [parent, ...parentsOf(parent)]
}
