/**
 * Ends a deploy before the build if the host or the release lacks the program of a command. In a dry run, a program of
 * a new release is searched in its commit.
 */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { findProgram } from '../commands/find_program.ts'
import { gitReleaseProps } from '../git/props.ts'
import { isCommitted } from '../releases/release_file.ts'

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
  release: absolutePath.optional().describe('Release that has the program, named by its path in the release'),
  source: gitReleaseProps
    .optional()
    .describe('With release: properties of git_release; a dry run finds the program of a new release there'),
  mayBeBuilt: z
    .boolean()
    .default(false)
    .describe('Whether a later build may create the program in the release; default false'),
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
    examples: [
      { program: 'node', attribute: 'port_app.command', packages: 'deploy.shop.os_packages' },
      {
        program: 'bin/smoke',
        attribute: 'deploy.shop.smoke_test.command',
        release: '/srv/www/shop/releases/000042-1a2b3c4d',
        source: {
          into: '/srv/www/shop/releases',
          shared: '/srv/www/shop/shared',
          current: '/srv/www/shop/current',
          repository: 'https://git.example.com/shop.git',
        },
      },
    ],
    reach: 'paths',
    key: ({ program, attribute, mayBeBuilt }) => `${program} of ${attribute}${mayBeBuilt ? ' before the build' : ''}`,
    props,
    state,
  },
  {
    read: async (host, props) => ({
      path: props.release === undefined ? programPath(host, props) : await programOfRelease(host, props, props.release),
    }),
    desired(props, now) {
      if (now.path !== null) return now
      const { program, attribute, release } = props
      if (release === undefined)
        throw new ConvergeError(`${attribute} runs ${program}, which ${missingReason(program)}`, {
          code: 'NO_PROGRAM',
          hint: installHint(props),
        })
      throw new ConvergeError(`${attribute} runs ${program}, which the release does not have as an executable file`, {
        code: 'NO_PROGRAM',
        hint: `commit ${program} with the mode of an executable (git add --chmod=+x), have the build create it, or correct ${attribute}`,
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

/**
 * Returns the path of a program of the release; null if it is no executable file. A missing program counts as found if
 * it may still be created: by the build, or by a hook of the repository that runs before the command.
 */
async function programOfRelease(
  host: HostReader,
  { program, mayBeBuilt, source }: Props,
  release: string,
): Promise<string | null> {
  const path = `${release}/${program}`
  const stat = host.stat(path)
  const isExecutable = stat?.kind === 'file' && (Number.parseInt(stat.mode, 8) & 0o111) !== 0
  if (isExecutable || (stat === null && mayBeBuilt)) return path
  const hasEarlyHook = host.list(`${release}/deploy`).some((name) => /^before_(migrate|symlink)(\.|$)/.test(name))
  if (hasEarlyHook || stat !== null || source === undefined) return hasEarlyHook ? path : null
  return (await isCommitted(host, source, program)) ? path : null
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

/** Returns what is wrong with a program that no search has found, as the end of a sentence. */
export function missingReason(program: string): string {
  return program.includes('/') ? 'does not exist or is not executable' : 'is not on the PATH'
}
