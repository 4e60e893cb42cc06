/** Whether code that was found, not named, may be run: nobody but root and who called may have had a hand in it. */
import * as fs from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * Finds a reason not to execute a file. As root, each directory of its path must be trusted, because Node looks for modules
 * in all of them. A sticky directory is therefore no safer than another one that everybody can write to.
 * @param trusted user ids that may have made it
 * @param alone whether nobody else may be able to write to it, or to any directory above; else only its owner counts
 * @returns why it is not run; null: it may be
 */
export function reasonNotToTrust(file: string, trusted: readonly number[], alone: boolean): string | null {
  const path = resolve(file)
  const real = fs.realpathSync(path)
  const links = path === real ? [] : [path]
  const all = [...links, real, ...(alone ? [...above(real), ...above(path)] : [])]
  for (const one of new Set(all)) {
    const stat = fs.lstatSync(one)
    const { uid, gid, mode } = stat
    if (!trusted.includes(uid)) return `${one} belongs to another account (uid ${uid})`
    // The mode of a link has no effect.
    if (!alone || stat.isSymbolicLink()) continue
    if ((mode & 0o002) !== 0) return `everybody may write to ${one}`
    if ((mode & 0o020) !== 0 && gid !== 0) return `its group (gid ${gid}) may write to ${one}`
  }
  return null
}

function above(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [] : [parent, ...above(parent)]
}
