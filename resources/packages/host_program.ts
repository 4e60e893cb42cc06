/** Refuses a deploy whose program neither the host nor the release has; in a dry run, before the build. */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { findProgram } from '../commands/find_program.ts'

const props = z.strictObject({
  program: z.string().min(1).describe('Name on the PATH, or absolute path'),
  directories: z.array(absolutePath).optional().describe('Directories to search instead of the PATH'),
  user: z.string().min(1).optional().describe('Account that runs it; default: the account of the run'),
  attribute: z.string().min(1).describe('The attribute with the command'),
  packages: z
    .string()
    .min(1)
    .optional()
    .describe('The attribute that lists the packages of the app, if setup installs them'),
})
type Props = z.output<typeof props>

const state = z.strictObject({
  /** Null if the host does not have it. */
  path: z.string().nullable(),
})

export const host_program = defineResource(
  {
    type: 'host_program',
    doc: 'Fails before a build and a migration if the program of a command is not installed. Changes nothing.',
    examples: [{ program: 'node', attribute: 'port_app.command', packages: 'deploy.shop.os_packages' }],
    reach: 'paths',
    key: ({ program, attribute }) => `${program} of ${attribute}`,
    props,
    state,
  },
  {
    read: (host, props) => ({ path: programPath(host, props) }),
    desired(props, now) {
      if (now.path !== null) return now
      const { program, attribute } = props
      throw new ConvergeError(`${attribute} runs ${program}, which ${whereMissing(program)}`, {
        code: 'NO_PROGRAM',
        hint: installHint(props),
      })
    },
    apply: () => undefined,
  },
)

/** Returns the path of the program; null if the host does not have it. */
export function programPath(
  host: HostReader,
  { program, directories, user }: Pick<Props, 'program' | 'directories' | 'user'>,
): string | null {
  if (directories === undefined || program.includes('/'))
    // A run by cron may have a shorter PATH than the programs of the app.
    return host.which(program) ?? findProgram(host, program, user ?? anyAccount)
  for (const directory of directories) {
    const path = host.which(`${directory}/${program}`)
    if (path !== null) return path
  }
  return null
}

export function installHint({
  program,
  attribute,
  packages,
}: Pick<Props, 'program' | 'attribute' | 'packages'>): string {
  if (packages === undefined) return `install ${program} on this host, or correct ${attribute}`
  return `add the package of ${program} to ${packages} and run setup, or correct ${attribute}`
}

/** Makes `findProgram` search the PATH of other accounts. */
const anyAccount = ''

export function whereMissing(program: string): string {
  return program.includes('/') ? 'does not exist or is not executable' : 'is not on the PATH'
}
