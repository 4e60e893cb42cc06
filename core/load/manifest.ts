/** How a directory with packed recipes is known. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** What tells a packed directory from one with sources. */
export const manifestName = 'converge-recipes.json'

export function isPacked(path: string): boolean {
  return existsSync(join(path, manifestName))
}
