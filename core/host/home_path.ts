/** Expands `~` in paths that an operator writes. */
import { homedir } from 'node:os'

/**
 * Replaces a leading `~` by a home directory; leaves other paths, and those such as `~other`, unchanged.
 * @param home default: that of this process
 */
export function expandHome(path: string, home: string = homedir()): string {
  return path.replace(/^~(?=\/|$)/, home)
}
