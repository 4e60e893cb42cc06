/** Checks the new content of a file with a program before it replaces the content in use. */
import * as z from 'zod'
import type { Host } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { minutes } from '../../core/model/units.ts'

/** The placeholder for the path of the checked file. */
const placeholder = '%{path}'
const timeLimit = minutes(1)

export const verifyProp = z.strictObject({
  command: z
    .array(z.string())
    .min(1)
    .refine(([, ...words]) => words.some((word) => word.includes(placeholder)), {
      error: `one argument must contain ${placeholder}, the placeholder for the file to check`,
    })
    .describe(
      `Program and arguments; ${placeholder} in an argument is replaced by the path of a private file with the new content, beside the one in use. It runs as the account of the run, for at most a minute`,
    ),
  inside: z
    .string()
    .refine((text) => text.includes(placeholder), {
      error: `must contain ${placeholder}, where the new content belongs`,
    })
    .optional()
    .describe(
      `A configuration for content that is only valid as a part of one: ${placeholder} in it is replaced by the new content, and ${placeholder} in the command by the path of that configuration`,
    ),
})

/** The check of a file's new content: `{ command, inside? }`. */
export type Verify = z.output<typeof verifyProp>

interface CheckedFile {
  readonly path: string
  readonly verify: Verify
}

/**
 * Runs the check on `content`; does not change the file at the path.
 * @throws CHECK_FAILED with the program's output; NO_PROGRAM if the program is missing
 */
export async function verifyContent(
  host: Host,
  { path, verify }: CheckedFile,
  content: string | Buffer,
  context: Context,
): Promise<void> {
  const [program = ''] = verify.command
  if (host.which(program) === null)
    throw new ConvergeError(`${path} cannot be checked: there is no program ${program} on this host`, {
      code: 'NO_PROGRAM',
      hint: `install its package (apt-get install ${program.replace(/^.*\//, '')}), or declare it with packages() before this`,
    })
  // The names begin with a dot, and end in no usual suffix: programs that read a whole directory of configurations
  // ignore them.
  const slash = path.lastIndexOf('/')
  const beside = `${path.slice(0, slash)}/.${path.slice(slash + 1, slash + 201)}`
  const contentPath = `${beside}.converge-check`
  const configurationPath = `${beside}.around.converge-check`
  const removeFiles = () => {
    if (verify.inside !== undefined) host.remove(configurationPath)
    host.remove(contentPath)
  }
  // Existing files would keep their owner.
  removeFiles()
  try {
    host.writeFile(contentPath, content, { mode: '0600' })
    if (verify.inside !== undefined)
      host.writeFile(configurationPath, verify.inside.replaceAll(placeholder, contentPath), { mode: '0600' })
    const checkedPath = verify.inside === undefined ? contentPath : configurationPath
    const command = verify.command.map((word) => word.replaceAll(placeholder, checkedPath))
    const { status, stdout, stderr } = await host.query(command, { accept: 'any', timeout: timeLimit })
    if (status === 0) return
    const outputs = [stdout, stderr].map((text) => text.trimEnd()).filter((text) => text !== '')
    const output = outputs
      .join('\n')
      .replaceAll(configurationPath, `(configuration around ${path})`)
      .replaceAll(contentPath, path)
    throw new ConvergeError(`${program} rejects the new content of ${path}: exit status ${status}`, {
      code: 'CHECK_FAILED',
      output: context.sensitive ? '(the output is not shown, because the content is sensitive)' : output,
      hint: 'display the new content with converge render, and correct what it is made from; the file in use is unchanged',
    })
  } finally {
    removeFiles()
  }
}
