/** Checks the new content of a file with a program before it replaces the content in use. */
import * as z from 'zod'
import type { Host } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { minutes } from '../../core/model/units.ts'

/** The placeholder for the path of the checked file. */
const mark = '%{path}'
const limit = minutes(1)

export const verifyProp = z.strictObject({
  command: z
    .array(z.string())
    .min(1)
    .refine(([, ...words]) => words.some((word) => word.includes(mark)), {
      error: `one argument must contain ${mark}, the placeholder for the file to check`,
    })
    .describe(
      `Program and arguments; ${mark} in an argument is replaced by the path of a private file with the new content, beside the one in use. It runs as the account of the run, for at most a minute`,
    ),
  inside: z
    .string()
    .refine((text) => text.includes(mark), { error: `must contain ${mark}, where the new content belongs` })
    .optional()
    .describe(
      `A configuration for content that is only valid as a part of one: ${mark} in it is replaced by the new content, and ${mark} in the command by the path of that configuration`,
    ),
})

/** The check of a file's new content: `{ command, inside? }`. */
export type Verify = z.output<typeof verifyProp>

interface Checked {
  readonly path: string
  readonly verify: Verify
}

/**
 * Runs the check on `content`; does not change the file at the path.
 * @throws CHECK_FAILED with the program's output; NO_PROGRAM if the program is missing
 */
export async function verifyContent(
  host: Host,
  { path, verify }: Checked,
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
  const [slash, ending] = [path.lastIndexOf('/'), 'converge-check']
  const beside = `${path.slice(0, slash)}/.${path.slice(slash + 1, slash + 201)}`
  const [own, around] = [`${beside}.${ending}`, `${beside}.around.${ending}`]
  const [checked, files] = verify.inside === undefined ? [own, [own]] : [around, [around, own]]
  const tidy = () => {
    for (const file of files) host.remove(file)
  }
  // Existing files would keep their owner.
  tidy()
  try {
    host.writeFile(own, content, { mode: '0600' })
    if (verify.inside !== undefined) host.writeFile(around, verify.inside.replaceAll(mark, own), { mode: '0600' })
    const command = verify.command.map((word) => word.replaceAll(mark, checked))
    const { status, stdout, stderr } = await host.query(command, { accept: 'any', timeout: limit })
    if (status === 0) return
    const outputs = [stdout, stderr].map((text) => text.trimEnd()).filter((text) => text !== '')
    const output = outputs.join('\n').replaceAll(around, `(around ${path})`).replaceAll(own, path)
    throw new ConvergeError(`${program} does not take the new content of ${path}: exit status ${status}`, {
      code: 'CHECK_FAILED',
      output: context.sensitive ? '(what it says is not shown: the content is sensitive)' : output,
      hint: 'display the new content with converge render, and correct what it is made from; the file in use is unchanged',
    })
  } finally {
    tidy()
  }
}
