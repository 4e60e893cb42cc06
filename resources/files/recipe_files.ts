/** Reads files and directories beside a recipe, whose content resources install on the host. */
import * as z from 'zod'
import { inputFilesBelow } from '../../core/host/input_directory.ts'
import { readInputFile } from '../../core/host/input_file.ts'
import { asConvergeError, ConvergeError } from '../../core/model/errors.ts'
import { pathBeside } from './read_beside.ts'
import { digestOfBytes } from './sha256.ts'

export const recipeFileProp = z.strictObject({
  recipeFile: z.string().min(1).describe('Path of the file of the recipe'),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, { error: '64 hexadecimal digits' })
    .describe('Digest of its content'),
})
/** A file of a recipe. The digest changes the declaration when the content changes. */
export type RecipeFile = z.output<typeof recipeFileProp>

export const recipeDirectoryProp = z.strictObject({
  recipeDirectory: z.string().min(1).describe('Path of the directory of the recipe'),
  files: z
    .record(
      z.string(),
      z.strictObject({
        sha256: z.string().describe('Digest of its content'),
        executable: z.boolean().describe('Whether its owner may execute it'),
      }),
    )
    .describe('Its files, by their paths below it'),
})
/** A directory of a recipe with its files. */
export type RecipeDirectory = z.output<typeof recipeDirectoryProp>

/** Bytes of one file; larger files are downloaded, because a package of recipes is limited too. */
const fileLimit = 20 * 1024 * 1024

/**
 * Names a file beside a recipe, for `source` of `file`. It may be binary.
 *
 * `converge stack` uploads the file to the hosts with the recipe.
 *
 * @param from `import.meta.url`
 * @param name path of the file, relative to the recipe
 * @throws NO_FILE, FILE_TOO_LARGE
 * @example
 * file(r, { path: '/srv/www/logo.png', source: recipeFile(import.meta.url, 'files/logo.png') })
 */
export function recipeFile(from: string, name: string): RecipeFile {
  const path = pathBeside(from, name)
  return { recipeFile: path, sha256: digestOfBytes(readRecipeFile(path)) }
}

/**
 * Names a directory beside a recipe with all files below it, for `source` of `remote_directory`. Links are followed. Empty
 * directories do not count.
 *
 * @param from `import.meta.url`
 * @param name path of the directory, relative to the recipe
 * @throws NO_FILE, FILE_TOO_LARGE
 * @example
 * remote_directory(r, { path: '/etc/shop.d', source: recipeDirectory(import.meta.url, 'files/shop.d'), purge: true })
 */
export function recipeDirectory(from: string, name: string): RecipeDirectory {
  const directory = pathBeside(from, name).replace(/\/$/, '')
  const files = readable(directory, 'the directory', () => inputFilesBelow(directory))
  return {
    recipeDirectory: directory,
    files: Object.fromEntries(
      files.map(({ name, path, isExecutable }) => [
        name,
        { sha256: digestOfBytes(readRecipeFile(path)), executable: isExecutable },
      ]),
    ),
  }
}

/**
 * Returns the content of a file of a recipe.
 * @throws NO_FILE, FILE_TOO_LARGE, NOT_A_FILE
 */
export function readRecipeFile(path: string): Buffer {
  return readable(path, 'the file', () => readInputFile(path, fileLimit))
}

/** Names what cannot be read: the path itself, or the file below it where the read failed. */
function readable<T>(path: string, what: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof ConvergeError) throw error
    const { code, message } = asConvergeError(error)
    const failed = (error as NodeJS.ErrnoException).path ?? path
    const named = failed === path ? `${what} ${path}` : failed
    throw new ConvergeError(`cannot read ${named} of the recipe: ${message.replace(/^.*: /, '')}`, {
      code: 'NO_FILE',
      hint: code === 'ENOENT' ? 'put it beside the recipe, or correct its name' : undefined,
      usage: true,
      cause: error,
    })
  }
}
