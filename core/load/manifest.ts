/** Recognizes a directory with packed recipes. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** The file by which a packed directory is distinguished from one with sources. */
export const manifestName = 'converge-recipes.json'

export function isPacked(path: string): boolean {
  return existsSync(join(path, manifestName))
}
