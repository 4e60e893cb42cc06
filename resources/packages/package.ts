/** Installs or removes packages of Debian or Ubuntu with apt-get. */
import * as z from 'zod'
import type { CommandResult, Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { nearest } from '../../core/model/nearest.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { minutes, seconds } from '../../core/model/units.ts'
import { requireRoot } from '../accounts/account_files.ts'
import {
  findProvider,
  type InstalledPackage,
  installedPackages,
  isHalfDone,
  isHeld,
  isInstalled,
  predictStatus,
  wasInterrupted,
} from './dpkg.ts'

const packageName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?$/, { error: 'a package name: lower-case letters, digits, + - and .' })
const version = z
  .string()
  .regex(/^[A-Za-z0-9.+:~-]+\*?$/, { error: "a version as Debian writes it, or its beginning and a '*'" })

const props = z.strictObject({
  names: z
    .union([z.array(packageName).min(1), z.record(packageName, version)])
    .describe("Packages in any version, or a map from name to version; a version may end in '*'"),
  absent: z.boolean().optional().describe('Remove them instead, their configuration stays; default false'),
})
type Props = z.output<typeof props>

/**
 * By name: the installed version, which ends in ` (held)` for a package on hold. Or `absent`, `half-installed`, `by NAME`
 * if another package provides it, `installed` if any version is declared.
 */
const state = z.record(z.string(), z.string())
type State = z.output<typeof state>

const heldSuffix = ' (held)'

export const package_ = defineResource(
  {
    type: 'package',
    functionName: 'packages',
    doc: 'Keeps Debian packages installed, in any version or in a given one; or removes them.',
    mirrors: "Chef's package resource; apt-get(8)",
    examples: [
      { names: ['git', 'python3-venv'] },
      { names: { nginx: '1.22.1-9*' } },
      { names: ['apache2'], absent: true },
    ],
    reach: 'system',
    key: (props) => packageNames(props).join(' '),
    props,
    state,
  },
  {
    async read(host, props): Promise<State> {
      const packages = await installedPackages(host)
      return Object.fromEntries(
        packageNames(props).map((name) => [name, packageState(name, declaredVersion(props, name), packages)]),
      )
    },
    desired(props, now): State {
      return Object.fromEntries(Object.entries(now).map(([name, found]) => [name, desiredState(props, name, found)]))
    },
    async apply(host, props, { now, desired }, context) {
      const names = changedNames(now, desired)
      requireRoot(host, [aptGet(props, names, desired)])
      await repairInterruptedInstall(host, context)
      if (props.absent) await runAptGet(host, aptGet(props, names, desired), context)
      else await install(host, aptGet(props, names, desired), names, context)
    },
    predict(host, props, { now, desired }, context) {
      const names = changedNames(now, desired)
      requireRoot(host, [aptGet(props, names, desired)])
      predictStatus(host, Object.fromEntries(names.map((name) => [name, props.absent ? null : (desired[name] ?? '')])))
      if (props.absent) return
      host.mayCreate(context.name, names.flatMap(conventionalPaths))
    },
  },
)

function packageNames({ names }: Props): string[] {
  return [...new Set(Array.isArray(names) ? names : Object.keys(names))].sort()
}

function declaredVersion({ names }: Props, name: string): string | undefined {
  return Array.isArray(names) ? undefined : names[name]
}

function packageState(
  name: string,
  version: string | undefined,
  packages: ReadonlyMap<string, InstalledPackage>,
): string {
  const installed = packages.get(name)
  if (installed === undefined || (!isInstalled(installed) && !isHalfDone(installed))) {
    const provider = version === undefined ? findProvider(name, packages) : undefined
    return provider ? `by ${provider.name}` : 'absent'
  }
  if (isHalfDone(installed)) return 'half-installed'
  return installed.version + (isHeld(installed) ? heldSuffix : '')
}

function desiredState(props: Props, name: string, installed: string): string {
  const version = declaredVersion(props, name)
  // Another package provides it: it is present, and cannot be removed under this name.
  if (installed.startsWith('by ')) return installed
  if (props.absent ? installed === 'absent' : matchesVersion(installed, version)) return installed
  if (installed.endsWith(heldSuffix))
    throw new ConvergeError(
      `${name} is on hold at ${installed.slice(0, -heldSuffix.length)}, but ${props.absent ? 'its removal' : version} was declared`,
      { code: 'PACKAGE_HELD', hint: `correct the declaration, or allow the change: apt-mark unhold ${name}` },
    )
  return props.absent ? 'absent' : (version ?? 'installed')
}

function matchesVersion(installed: string, version: string | undefined): boolean {
  if (installed === 'absent' || installed === 'half-installed') return false
  const plain = installed.replace(heldSuffix, '')
  if (version === undefined) return true
  return version.endsWith('*') ? plain.startsWith(version.slice(0, -1)) : plain === version
}

function changedNames(now: State, desired: State): string[] {
  return Object.keys(desired).filter((name) => now[name] !== desired[name])
}

function aptGet({ absent }: Props, names: readonly string[], desired: State): string[] {
  if (absent) return ['apt-get', '-y', 'remove', ...names]
  const exact = names.map((name) => (desired[name] === 'installed' ? name : `${name}=${desired[name]}`))
  const downgradeOption = exact.some((name) => name.includes('=')) ? ['--allow-downgrades'] : []
  return ['apt-get', '-y', '--no-install-recommends', ...downgradeOption, 'install', ...exact]
}

/** Options that wait for the lock of another apt or dpkg, and that keep changed configuration files. */
const aptOptions = ['DPkg::Lock::Timeout=120', 'Dpkg::Options::=--force-confdef', 'Dpkg::Options::=--force-confold']

/** needrestart would restart services after apt-get, on all hosts of a rollout at the same time and without notice. */
const environment = { DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_SUSPEND: '1' }

function runAptGet(
  host: Host,
  argv: readonly string[],
  context: Context,
  accept: 'any' | [0] = [0],
): Promise<CommandResult> {
  const [program = '', ...rest] = argv
  return host.run([program, ...aptOptions.flatMap((option) => ['-o', option]), ...rest], {
    environment,
    timeout: minutes(30),
    outlivesRun: true,
    accept,
    onLine: context.progress,
  })
}

/** Retries for two minutes while someone else has a lock that apt does not wait for. */
async function retryWhileLocked(host: Host, run: () => Promise<CommandResult>): Promise<string | null> {
  for (let tries = 0; ; tries++) {
    const { status, stdout, stderr } = await run()
    if (status === 0) return null
    const output = `${stdout}${stderr}`
    if (tries >= 60 || !/\block\b/.test(output.slice(-2000))) return output
    await host.sleep(seconds(2))
  }
}

/** Completes what an interrupted dpkg left unfinished: until then apt-get refuses to work. */
async function repairInterruptedInstall(host: Host, context: Context): Promise<void> {
  if (!(await wasInterrupted(host))) return
  const output = await retryWhileLocked(host, () =>
    host.run(['dpkg', '--force-confdef', '--force-confold', '--configure', '-a'], {
      environment,
      timeout: minutes(30),
      outlivesRun: true,
      accept: 'any',
      onLine: context.progress,
    }),
  )
  if (output !== null)
    throw new ConvergeError('dpkg was interrupted, and cannot finish what it left half done', {
      code: 'COMMAND_FAILED',
      output,
      hint: 'correct what the output reports, and test it with: dpkg --configure -a',
    })
}

/** In seconds. */
const listsMaxAge = 24 * 3600
const outdatedListsError = /Unable to locate package|has no installation candidate|was not found|404 +Not Found/

async function install(host: Host, argv: readonly string[], names: readonly string[], context: Context): Promise<void> {
  const age = host.now() - Number(host.recorded('apt-get update') ?? 0)
  let hasFreshLists = !hasLists(host) || age < 0 || age > listsMaxAge
  if (hasFreshLists) await updateLists(host, context)
  for (;;) {
    const { status, stdout, stderr } = await runAptGet(host, argv, context, 'any')
    if (status === 0) return
    const output = `${stdout}${stderr}`
    if (hasFreshLists || !outdatedListsError.test(output)) throw await explainFailure(host, argv, output, names)
    await updateLists(host, context)
    hasFreshLists = true
  }
}

function hasLists(host: HostReader): boolean {
  return host.list('/var/lib/apt/lists').some((name) => name.includes('_Packages'))
}

async function updateLists(host: Host, context: Context): Promise<void> {
  const argv = ['apt-get', '-o', 'APT::Update::Error-Mode=any', 'update']
  const output = await retryWhileLocked(host, () => runAptGet(host, argv, context, 'any'))
  if (output === null) return host.record('apt-get update', `${Math.floor(host.now())}`)
  if (!hasLists(host))
    throw new ConvergeError('the package lists could not be fetched', {
      code: 'COMMAND_FAILED',
      attempted: 'apt-get update',
      output,
      hint: 'check the network, and correct the sources in /etc/apt/sources.list and /etc/apt/sources.list.d',
    })
  const reason = output.split('\n').find((line) => /^[EW]:/.test(line)) ?? ''
  context.warn(
    `the package lists could not all be fetched, so older ones are used: ${reason} (check the network, and correct the sources in /etc/apt/sources.list and /etc/apt/sources.list.d)`,
  )
}

async function explainFailure(
  host: HostReader,
  argv: readonly string[],
  output: string,
  names: readonly string[],
): Promise<ConvergeError> {
  const unknownName = /Unable to locate package ([^\s']+)|Package '([^']+)' has no installation candidate/.exec(output)
  const unknown = unknownName?.[1] ?? unknownName?.[2]
  const missingVersion = /Version '(.+?)' for '(.+?)' was not found/.exec(output)
  if (missingVersion?.[1] !== undefined && missingVersion[2] !== undefined) {
    const { stdout } = await host.query(['apt-cache', 'madison', missingVersion[2]], { accept: 'any' })
    const versions = [...new Set(stdout.split('\n').map((line) => line.split('|')[1]?.trim() ?? ''))].filter(Boolean)
    return new ConvergeError(`there is no version ${missingVersion[1]} of the package ${missingVersion[2]}`, {
      code: 'UNKNOWN_VERSION',
      hint:
        versions.length > 0
          ? `declare a version that the sources have: ${versions.join(', ')}`
          : `add a source that has ${missingVersion[2]} to /etc/apt/sources.list.d`,
      output,
    })
  }
  if (unknown !== undefined && names.includes(unknown)) {
    const { stdout } = await host.query(['apt-cache', 'pkgnames'], { accept: 'any' })
    const others = stdout.split('\n').filter((name) => name !== '' && name !== unknown)
    return new ConvergeError(`there is no package ${unknown}`, {
      code: 'UNKNOWN_PACKAGE',
      hint:
        nearest(unknown, others) ?? `correct the name, or add a source that has ${unknown} to /etc/apt/sources.list.d`,
      output,
    })
  }
  return new ConvergeError(`${argv.join(' ')} failed`, { code: 'COMMAND_FAILED', output })
}

/** Returns the paths that Debian's helpers name after the package. */
function conventionalPaths(name: string): string[] {
  const directories = ['/etc', '/etc/default', '/etc/init.d', '/etc/logrotate.d', '/etc/cron.d', '/etc/cron.daily']
  const data = ['/usr/bin', '/usr/sbin', '/usr/lib', '/usr/share', '/var/lib', '/var/log', '/var/cache', '/run']
  const units = ['/usr/lib/systemd/system', '/lib/systemd/system'].map((directory) => `${directory}/${name}.service`)
  return [...[...directories, ...data].map((directory) => `${directory}/${name}`), ...units]
}
