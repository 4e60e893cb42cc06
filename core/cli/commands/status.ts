/** Runs `converge status` and `converge releases`: reports the state of the apps without changing it. */
import picocolors from 'picocolors'
import { compile } from '../../compile/compile.ts'
import type { AppView, Finding, JobView, ReleaseView } from '../../compile/inspection.ts'
import type { Role } from '../../compile/role.ts'
import { describeDeployLock } from '../../host/deploy_lock.ts'
import { openHost } from '../../host/open_host.ts'
import { rolloutLock } from '../../host/rollout_lock.ts'
import type { HostReader } from '../../host/types.ts'
import { closedText, hasFailedJob, type IntendedStop, isUp, pinText } from '../../model/app_status.ts'
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import { type PendingRestarts, restartTexts } from '../../model/pending_restarts.ts'
import { Secrets } from '../../model/secrets.ts'
import { optionsOf } from '../../model/selection.ts'
import { withLocations } from '../../node/located.ts'
import { oneLineDeep, plain } from '../../report/printable.ts'
import type { Catalogue } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { withWarnings } from '../inputs/input_warnings.ts'
import { warningText } from '../inputs/read_inputs.ts'
import { loadInputs, type RunInputs } from '../inputs/run_inputs.ts'
import { print, printError, printJson, useColor } from '../print.ts'
import { type LastRun, lastRun } from './last_run.ts'
import { visibleLock } from './lock.ts'

type Paint = ReturnType<typeof picocolors.createColors>

interface Inspection {
  readonly roles: readonly string[]
  readonly apps: readonly AppView[]
  readonly stateDirectory: string
  /** Finds a problem of the file systems that runs write to; null if all have enough space. */
  readonly disk: () => Promise<DiskProblem | null>
  readonly restarts: () => Promise<PendingRestarts | null>
  readonly paint: Paint
  readonly color: boolean
}

interface DiskProblem {
  /** `full`: the next run will fail; `low`: it may fail soon; `unknown`: the space could not be checked. */
  readonly state: 'full' | 'low' | 'unknown'
  readonly detail: string
}

async function inspectApps<N>(args: Arguments, catalogue: Catalogue<N>, secrets: Secrets): Promise<Inspection> {
  const inputs = await loadInputs(args, catalogue, secrets)
  const host = await openHost(inputs.stateDirectory)
  const node = inputs.buildRecipeNode([])
  const apps = new Map<string, AppView>()
  const warnings = () => inputs.mergedNode.warnings.map(warningText)
  for (const role of inputs.roles) {
    const { inspect } = role
    const inspection = await withWarnings(warnings, () => withLocations(inputs.mergedNode, () => inspect?.(node, host)))
    for (const app of inspection?.apps ?? []) apps.set(app.name, app)
    for (const app of await ownReleases(role, inputs, host, { catalogue, secrets }))
      if (!apps.has(app.name)) apps.set(app.name, app)
  }
  const color = args.color ?? useColor(process.stdout)
  return {
    roles: inputs.roles.map(({ name }) => name),
    apps: [...apps.values()],
    stateDirectory: inputs.stateDirectory,
    disk: () => diskProblem(() => catalogue.diskSpace(node, host)),
    restarts: () => catalogue.pendingRestarts(node, host),
    paint: picocolors.createColors(color),
    color,
  }
}

/** Returns the apps whose releases a role of a user declares; such a role has no view of its own. */
async function ownReleases<N>(
  role: Role<N>,
  { mergedNode, buildRecipeNode }: Pick<RunInputs<N>, 'mergedNode' | 'buildRecipeNode'>,
  host: HostReader,
  { catalogue, secrets }: { readonly catalogue: Catalogue<N>; readonly secrets: Secrets },
): Promise<readonly AppView[]> {
  if (role.source?.() === undefined || !role.events.has('deploy')) return []
  try {
    const { resources } = withLocations(mergedNode, () =>
      compile([role], ['deploy'], buildRecipeNode(['deploy'])).bind(host),
    )
    return await catalogue.releases(resources, host)
  } catch (error) {
    if (!(error instanceof ConvergeError)) throw error
    // The state of the other roles is worth more than a recipe that cannot be compiled now.
    printError(secrets.mask(`warning: the releases of the role ${role.name} are unknown: ${plain(error.message)}\n`))
    return []
  }
}

async function diskProblem(check: () => Promise<Finding | null>): Promise<DiskProblem | null> {
  try {
    const finding = await check()
    if (finding === null || finding.status === 'ok') return null
    return { state: finding.status === 'missing' ? 'full' : 'low', detail: finding.detail }
  } catch (error) {
    // The state of the services is worth more than this check, which a hung file system may block.
    return { state: 'unknown', detail: `the free space could not be checked: ${asConvergeError(error).message}` }
  }
}

export async function status<N>(args: Arguments, catalogue: Catalogue<N>, secrets: Secrets): Promise<ExitStatus> {
  const {
    roles,
    apps: inspected,
    stateDirectory,
    disk: findDiskProblem,
    restarts: findPendingRestarts,
    paint,
    color,
  } = await inspectApps(args, catalogue, secrets)
  // Keep text that an app's account has written from forging lines or colours.
  const apps = args.jsonOutput ? inspected : oneLineDeep(inspected)
  const last = lastRun(stateDirectory)
  const deployLock = visibleLock(stateDirectory)
  const rollout = rolloutLock(stateDirectory)
  const [disk, restarts] = await Promise.all([findDiskProblem(), findPendingRestarts()])
  const isUnhealthy = !apps.every(isUp) || apps.some(hasFailedJob) || disk?.state === 'full'
  if (args.jsonOutput)
    return printValue(
      {
        roles,
        apps: apps.map(({ releases, stopped = null, closed = null, ...app }) => ({
          ...app,
          stopped,
          closed,
          current: releases.find(({ current }) => current) ?? null,
        })),
        lastRun: last,
        lock: deployLock,
        rollout,
        disk,
        restarts,
        time: new Date().toISOString(),
      },
      secrets,
      isUnhealthy,
    )
  if (args.quiet)
    return printProblems(apps, [...diskLines(disk, paint), ...restartLines(restarts, paint)], disk, paint, color)
  const lines = [`roles      ${roles.join(', ')}`]
  for (const { name, directory, releases, services, jobs = [], stopped, closed, pinnedFrom, unreleased } of apps) {
    const current = releases.find((release) => release.current)
    const release = current ? describeRelease(current) : 'none: converge deploy makes the first one'
    lines.push(`${paint.bold(name)}  ${directory}`, ...(unreleased ? [] : [`  release  ${release}`]))
    if (pinnedFrom) lines.push(`  ${paint.yellow(pinText(pinnedFrom))}`)
    if (stopped) lines.push(`  ${stopText(stopped, paint)}`)
    if (closed) lines.push(`  ${paint.red(closedText(closed))}: visitors get HTTP 503 until converge maintenance off`)
    for (const service of services)
      lines.push(
        `  ${readinessText(service, paint)}${' '.repeat(Math.max(2, 9 - service.readiness.length))}${service.name}  ${paint.dim(service.detail || service.state)}`,
      )
    lines.push(...jobs.map((job) => `  ${jobText(job, paint)}`))
  }
  lines.push(`last run   ${last === null ? 'none' : describeRun(last, stateDirectory)}`)
  if (deployLock !== null) lines.push(`${paint.yellow('locked')}     by ${describeDeployLock(deployLock)}`)
  if (rollout !== null) lines.push(`${paint.yellow('rollout')}    by ${oneLineDeep(rollout)} is at work`)
  lines.push(...[...diskLines(disk, paint), ...restartLines(restarts, paint)].map(hostLine))
  print(`${lines.join('\n')}\n`, color)
  return isUnhealthy ? 1 : 0
}

function jobText({ name, ok, detail }: JobView, paint: Paint): string {
  return `${(ok ? paint.green : paint.red)(name.padEnd(9))}  ${ok ? paint.dim(detail) : detail}`
}

function stopText({ by, at }: IntendedStop, paint: Paint): string {
  return `${paint.red('stopped on purpose')} by ${by}, ${at}`
}

/** A fact about the host, which needs attention. */
interface HostFact {
  readonly name: string
  readonly colour: (text: string) => string
  readonly detail: string
}

function diskLines(disk: DiskProblem | null, paint: Paint): HostFact[] {
  if (disk === null) return []
  return [{ name: 'disk', colour: disk.state === 'full' ? paint.red : paint.yellow, detail: oneLineDeep(disk.detail) }]
}

function restartLines(restarts: PendingRestarts | null, paint: Paint): HostFact[] {
  return restartTexts(restarts).map(({ name, detail }) => ({ name, colour: paint.yellow, detail: oneLineDeep(detail) }))
}

function hostLine({ name, colour, detail }: HostFact): string {
  return `${colour(name)}${' '.repeat(11 - name.length)}${detail}`
}

/** Prints what needs attention, for --quiet: services that are down, jobs that failed, and facts about the host. */
function printProblems(
  apps: readonly AppView[],
  facts: readonly HostFact[],
  disk: DiskProblem | null,
  paint: Paint,
  color: boolean,
): ExitStatus {
  const lines = apps.flatMap((app) => [
    ...(app.stopped ? [`${app.name}  ${stopText(app.stopped, paint)}\n`] : []),
    ...(app.closed ? [`${app.name}  ${paint.red(closedText(app.closed))}\n`] : []),
    ...(app.jobs ?? []).filter(({ ok }) => !ok).map((job) => `${app.name}  ${jobText(job, paint)}\n`),
    ...app.services
      .filter(({ up }) => !up)
      .map((one) => `${readinessText(one, paint)}  ${app.name}  ${one.name}  ${paint.dim(one.detail || one.state)}\n`),
  ])
  const isDown = lines.length > 0
  lines.push(...facts.map(({ name, colour, detail }) => `${colour(name)}  ${detail}\n`))
  print(lines.join(''), color)
  return isDown || disk?.state === 'full' ? 1 : 0
}

/** Lists the ids of the releases to which a rollback can return, for completion in a shell. */
export async function releaseIds<N>(args: Arguments, catalogue: Catalogue<N>): Promise<readonly string[]> {
  const apps = withReleases((await inspectApps(args, catalogue, new Secrets())).apps)
  const ids = apps.flatMap(({ name, releases }) =>
    releases.flatMap(({ id, complete, current }) =>
      complete && !current ? [apps.length > 1 ? `${name}=${id}` : id] : [],
    ),
  )
  return ids.toReversed()
}

function readinessText({ up, readiness }: AppView['services'][number], paint: Paint): string {
  const colour = up ? paint.green : readiness === 'starting' ? paint.yellow : paint.red
  return colour(readiness)
}

function describeRun({ started, roles, events, outcome, changed, selection }: LastRun, directory: string): string {
  if (outcome === 'not readable') return `not known: ${directory} is not readable for this account`
  const how = outcome === 'died' ? 'did not end: it was killed; the next run finishes its work' : outcome
  const part = selection === undefined ? '' : `, only a part of it (${optionsOf(selection)})`
  return `${started}  ${roles.join(', ')}: ${events.join(', ')}${part}: ${how}${changed > 0 ? ` (${changed})` : ''}`
}

export async function releases<N>(args: Arguments, catalogue: Catalogue<N>, secrets: Secrets): Promise<ExitStatus> {
  const { apps: inspected, paint, color } = await inspectApps(args, catalogue, secrets)
  const apps = withReleases(args.jsonOutput ? inspected : oneLineDeep(inspected))
  if (args.jsonOutput)
    return printValue({ apps: apps.map(({ name, directory, releases }) => ({ name, directory, releases })) }, secrets)
  if (apps.length === 0) print('none of these roles has releases\n')
  for (const { name, directory, releases } of apps) {
    print(`${paint.bold(name)}  ${directory}\n`, color)
    if (releases.length === 0) print('  none\n')
    for (const release of releases) print(`${releaseLine(release, paint)}\n`, color)
  }
  return 0
}

function withReleases(apps: readonly AppView[]): AppView[] {
  return apps.filter(({ unreleased }) => !unreleased)
}

function releaseLine(release: ReleaseView, paint: Paint): string {
  const { current, previous, complete, failed } = release
  const notes = [
    ...(previous ? ['a rollback goes here'] : []),
    ...(complete ? [] : [paint.yellow('not complete')]),
    ...(failed === null ? [] : [paint.yellow('failed its smoke test')]),
  ]
  return [`  ${current ? paint.green('*') : ' '} ${describeRelease(release)}`, ...notes].join('  ')
}

function describeRelease({ id, revision, commit, subject, created, by }: ReleaseView): string {
  return `${id}  ${revision === commit ? '' : `${revision} `}${commit.slice(0, 12)}  ${created}  ${by}${subject === undefined ? '' : `  ${subject}`}`
}

function printValue(value: unknown, secrets: Secrets, bad = false): ExitStatus {
  printJson(secrets.maskDeep(value), 2)
  return bad ? 1 : 0
}
