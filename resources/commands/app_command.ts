/** Runs commands of an app's own code: checks their account and builds their variables. */
import * as z from 'zod'
import type { CommandOptions, Host, HostReader } from '../../core/host/types.ts'
import { asConvergeError, ConvergeError } from '../../core/model/errors.ts'
import { absolutePath, duration, minutes, systemText } from '../../core/model/units.ts'

export const commandProp = z
  .union([systemText.min(1), z.array(systemText).min(1)])
  .refine((command) => command[0] !== '', { error: 'a command whose first word is a program' })

/** The properties of every resource that runs code from a repository. */
export const appCommandProps = {
  app: z.string().min(1).describe('Name of the app; what was done is remembered by it'),
  directory: absolutePath.describe('Directory it runs in: the release'),
  user: z.string().min(1).optional().describe('Account it runs as; default: the account of the run'),
  group: z.string().min(1).optional().describe('Group it runs as; default: that of the account'),
  allowRoot: z.boolean().default(false).describe('Let it run as root; default false. Cookbook: allow_root'),
  environment: z
    .record(z.string().regex(/^[A-Za-z_]\w*$/, { error: 'the name of a variable' }), systemText)
    .default({})
    .describe('Variables added to the bare environment (PATH, HOME, USER, LANG)'),
  timeout: duration.default(() => minutes(30)).describe('Time limit of the command; default 30 minutes'),
}

/** The property of resources that prepare a release before the switch to it. */
export const currentProp = absolutePath
  .optional()
  .describe('Link to the current release; if it points to this release, the command does not run')

export function isCurrentRelease(host: HostReader, current: string | undefined, release: string): boolean {
  return current !== undefined && host.lstat(current)?.kind === 'link' && host.readLink(current) === release
}

interface Runs {
  readonly directory: string
  readonly user?: string | undefined
  readonly group?: string | undefined
  readonly allowRoot: boolean
  readonly environment: Readonly<Record<string, string>>
  readonly timeout?: CommandOptions['timeout']
}

/** Rejects root for code from a repository: anyone who can push to it would own the host. */
export function refuseRoot(host: HostReader, { user, allowRoot }: Runs, purpose: string): void {
  const account = user === undefined ? host.self : host.account(user)
  if (account?.uid !== 0 || allowRoot) return
  throw new ConvergeError(`${purpose} would run as ${account.name}, and with it whatever is pushed to the repository`, {
    code: 'APP_AS_ROOT',
    hint: 'set user to the account of the app, such as deploy; to run it as root, set allowRoot',
  })
}

export function commandOptions(props: Runs, more: CommandOptions = {}): CommandOptions {
  const { directory, user, group, environment, timeout } = props
  return { cwd: directory, user, group, timeout, ...more, environment: { ...environment, ...more.environment } }
}

/** Adds what to do to the error of a command of the app that has failed. */
export async function withHint<T>(hint: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    const error = asConvergeError(thrown)
    throw error.code === 'COMMAND_FAILED' ? error.withHint(hint) : error
  }
}

/** Returns the environment variables that describe a deploy to its commands. */
export function deployVariables(
  {
    app,
    directory,
    commit = '',
  }: { readonly app: string; readonly directory: string; readonly commit?: string | undefined },
  hook: string,
): Record<string, string> {
  return { CONVERGE_APP: app, CONVERGE_HOOK: hook, CONVERGE_RELEASE: directory, CONVERGE_COMMIT: commit }
}

/** Runs a command of the app: a list as it is, a text with /bin/sh. */
export async function runAppCommand(
  host: Host,
  props: Runs,
  command: z.output<typeof commandProp>,
  more?: CommandOptions,
) {
  return host.run(typeof command === 'string' ? ['/bin/sh', '-c', command] : command, commandOptions(props, more))
}
