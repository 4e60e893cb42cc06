/** Reads text files that lie beside a recipe. */
import { fileURLToPath } from 'node:url'
import { readInputFile } from '../../core/host/input_file.ts'
import { asConvergeError, ConvergeError } from '../../core/model/errors.ts'
import { utf8Text } from '../../core/model/utf8.ts'

interface TextBeside {
  readonly path: string
  readonly text: string
}

/**
 * Returns the path of a file beside a recipe.
 * @throws INVALID_CALL unless the arguments are a file URL and a text
 */
export function pathBeside(from: string, name: string): string {
  if (typeof name !== 'string' || !String(from).startsWith('file:'))
    throw new ConvergeError(
      `expected import.meta.url and the name of a file, got ${[from, name].map(shown).join(' and ')}`,
      {
        code: 'INVALID_CALL',
        hint: "write import.meta.url first, such as readTemplate(import.meta.url, 'page.hbs')",
        usage: true,
      },
    )
  return fileURLToPath(new URL(name, from))
}

const shown = (value: unknown) => (typeof value === 'string' ? JSON.stringify(value) : String(value))

/**
 * Reads a file beside a recipe.
 * @param from `import.meta.url` of the recipe
 * @param title the file, for the error, e.g. `the template`
 * @param hint for a file that does not exist
 * @throws NO_FILE, NOT_A_FILE, NOT_UTF8, FILE_TOO_LARGE
 */
export function readBeside(from: string, name: string, title: string, hint: string): TextBeside {
  const path = pathBeside(from, name)
  try {
    return { path, text: utf8Text(readInputFile(path), path) }
  } catch (error) {
    if (error instanceof ConvergeError) throw error
    const { code, message } = asConvergeError(error)
    throw new ConvergeError(`cannot read ${title} ${path}: ${message.replace(/^.*: /, '')}`, {
      code: 'NO_FILE',
      hint: code === 'ENOENT' ? hint : undefined,
      usage: true,
      cause: error,
    })
  }
}
