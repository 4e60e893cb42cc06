/** Finds the programs in the commands of an app that the host must have, because the release does not have them. */
import { posix } from 'node:path'
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { Recipe } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import { omitUndefined } from '../../core/model/omit_undefined.ts'
import type { Reference } from '../../core/model/reference.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { programIn } from '../../core/text/shell.ts'
import { installedPackages, isInstalled } from '../../resources/packages/dpkg.ts'
import { host_program, installHint, missingReason, programPath } from '../../resources/packages/host_program.ts'
import { missing, ok, warning } from '../checks/findings.ts'
import type { SiteNode } from '../node.ts'
import { servicesOf } from '../role_services.ts'
import { isSet } from '../site/attribute_writer.ts'
import type { App } from './app.ts'
import type { BuildStage } from './app_parts.ts'
import { environmentOf } from './checkout.ts'

export interface AppCommand {
  readonly line: string
  /** Key path of the attribute that sets it. */
  readonly attribute: string
  /** PATH of the command; undefined for the default one. */
  readonly path?: string | undefined
}

interface HostProgram {
  readonly program: string
  readonly directories?: readonly string[]
  readonly attribute: string
}

/** Lines that only a shell can read, and commands that a shell has built in. */
const shellSyntax = /[;&|<>()$`*?{}!#\n]|^\s*\w+=/
const builtIn =
  /^(:|\.|alias|break|case|cd|command|continue|eval|exec|exit|export|for|getopts|if|read|readonly|return|set|shift|source|time|times|trap|type|ulimit|umask|unset|until|wait|while)$/

/** Returns the migration and the smoke test of an app where they start with a program, not with shell syntax. */
export function shellCommandsOf(app: App): AppCommand[] {
  const { name, attributes: own } = app
  const key = `deploy.${name}`
  const all = [
    ...(own.migrate === true ? [{ line: own.migrate_command, attribute: `${key}.migrate_command` }] : []),
    { line: own.smoke_test?.command, attribute: `${key}.smoke_test.command` },
  ]
  return all.flatMap(({ line, attribute }) =>
    isSet(line) && !shellSyntax.test(line) && !builtIn.test(programIn(line))
      ? [{ line, attribute, path: environmentOf(app).PATH }]
      : [],
  )
}

/** Returns the program of a command; null if the release may have it, or if only the run knows its name. */
export function hostProgram(app: App, { line, attribute, path }: AppCommand): HostProgram | null {
  const program = programIn(line)
  const isBelow = (one: string) => `${posix.normalize(one)}/`.startsWith(`${app.deployTo}/`)
  if (program === '' || /[%$]/.test(program)) return null
  if (program.includes('/')) return program.startsWith('/') && !isBelow(program) ? { program, attribute } : null
  if (path === undefined) return { program, attribute }
  const directories = path.split(':')
  const isFixed = directories.every(
    (directory) => directory.startsWith('/') && !/[%$]/.test(directory) && !isBelow(directory),
  )
  return isFixed ? { program, directories, attribute } : null
}

/**
 * Declares a check of the program, which fails before the build. A build command with the rights of the run may install
 * programs: then the check follows it.
 */
export function requireProgram(
  r: Recipe<SiteNode>,
  app: App,
  command: AppCommand,
  { stage, isBuilt }: { readonly stage: BuildStage; readonly isBuilt: boolean },
): void {
  const { user } = app.account
  const mayInstall = isBuilt && (user === undefined || user === 'root')
  const found = hostProgram(app, command)
  if (found === null || mayInstall !== (stage === 'after build')) return
  const { program, directories, attribute } = found
  host_program(r, {
    program,
    attribute,
    ...packagesOf(app),
    ...omitUndefined({ directories: directories && [...directories], user }),
  })
}

/**
 * Declares checks of the programs of the migration and of the smoke test, which the deploy otherwise misses only at the
 * migration, or after the switch. The build runs with the rights of the account: it may fill the home of that account.
 */
export function requireShellPrograms(
  r: Recipe<SiteNode>,
  app: App,
  { stage, migrates }: { readonly stage: BuildStage; readonly migrates: boolean },
): void {
  const isInHome = (path: string) => posix.normalize(path).startsWith('/home/')
  for (const command of shellCommandsOf(app)) {
    const isMigration = command.attribute.endsWith('.migrate_command')
    const { program = '', directories = [] } = hostProgram(app, command) ?? {}
    if ((isMigration && !migrates) || [program, ...directories].some(isInHome)) continue
    requireProgram(r, app, command, { stage, isBuilt: true })
  }
}

/** Returns the commands of the app whose program is a file of the release. */
function releaseCommandsOf(app: App): { readonly program: string; readonly attribute: string }[] {
  return shellCommandsOf(app).flatMap(({ line, attribute }) => {
    const program = programIn(line).replace(/^(\.\/+)+/, '')
    const isInRelease = /^[^/]+\//.test(program) && !program.split('/').includes('..') && !/[%$]/.test(program)
    return isInRelease ? [{ program, attribute }] : []
  })
}

/** Declares checks of the programs that the release must have; `mayBeBuilt`: before its build. */
export function requireReleasePrograms(
  r: Recipe<SiteNode>,
  app: App,
  release: Reference<string>,
  { mayBeBuilt, source, guard = {} }: ReleaseProgramOptions,
): void {
  for (const { program, attribute } of releaseCommandsOf(app))
    host_program(r, { program, attribute, release, source, mayBeBuilt, ...guard })
}

interface ReleaseProgramOptions {
  readonly mayBeBuilt: boolean
  readonly source: NonNullable<Parameters<typeof host_program>[1]['source']>
  readonly guard?: CommonOptions
}

/** Lists the checks of `doctor` for the programs. */
export function hostProgramChecks(
  node: SiteNode,
  host: HostReader,
  app: App,
  commands: readonly AppCommand[],
  roles: readonly string[],
): HostCheck[] {
  const programs = commands.flatMap((command) => hostProgram(app, command) ?? [])
  return programs.map(({ program, directories, attribute }) => ({
    what: `${program} of ${attribute}`,
    async run() {
      const found = programPath(host, {
        program,
        directories: directories === undefined ? undefined : [...directories],
        user: app.account.user,
      })
      if (found !== null) return ok(found)
      const packages = await packagesOfSetup(node, host, app, roles)
      if (packages.length > 0) return ok(`${missingReason(program)}; setup first installs ${packages.join(', ')}`)
      const remedy = installHint({ program, attribute, ...packagesOf(app) })
      const others = roles.filter((role) => servicesOf(node, role) === null)
      if (others.length > 0)
        return warning(`${missingReason(program)}, unless ${others.join(' or ')} installs it`, remedy)
      return missing(missingReason(program), remedy)
    },
  }))
}

/** Returns the packages that the operator lists and the host lacks: one of them may contain a missing program. */
async function packagesOfSetup(
  node: SiteNode,
  host: HostReader,
  { attributes, system }: App,
  roles: readonly string[],
): Promise<string[]> {
  if (!system) return []
  const listed = [...(roles.includes('base') ? node.converge.packages : []), ...(attributes.os_packages ?? [])].map(
    ({ name }) => name,
  )
  if (listed.length === 0) return []
  const all = await installedPackages(host)
  return listed.filter((name) => {
    const found = all.get(name)
    return found === undefined || !isInstalled(found)
  })
}

/** Returns the attribute whose packages setup installs; an ordinary user cannot install packages. */
function packagesOf({ name, system }: App): { readonly packages?: string } {
  return system ? { packages: `deploy.${name}.os_packages` } : {}
}
