/** Runs `converge status` and `converge releases`: reports the state of the apps without changing it. */
import picocolors from 'picocolors'
import type { AppView, ReleaseView } from '../compile/inspection.ts'
import { describeDeployLock } from '../host/deploy_lock.ts'
import { LocalHost } from '../host/local.ts'
import { type IntendedStop, isUp } from '../model/app_status.ts'
import { Secrets } from '../model/secrets.ts'
import { withLocations } from '../node/located.ts'
import { oneLineDeep } from '../report/printable.ts'
import type { Catalogue } from './catalogue.ts'
import { gather } from './gather.ts'
import { withWarnings } from './input_warnings.ts'
import { warningText } from './inputs.ts'
import { type LastRun, lastRun } from './last_run.ts'
import { visibleLock } from './lock.ts'
import type { Arguments } from './options.ts'
import { print, printJson } from './print.ts'
import { type ExitStatus, useColor } from './process.ts'

type Paint = ReturnType<typeof picocolors.createColors>

interface Seen {
  readonly roles: readonly string[]
  readonly apps: readonly AppView[]
  readonly stateDirectory: string
  readonly paint: Paint
  readonly color: boolean
}

async function see<N>(args: Arguments, catalogue: Catalogue<N>, secrets: Secrets): Promise<Seen> {
  const inputs = await gather(args, catalogue, secrets)
  const host = new LocalHost(inputs.stateDirectory)
  const node = inputs.node([], host)
  const apps = new Map<string, AppView>()
  const warnings = () => inputs.built.warnings.map(warningText)
  for (const { inspect } of inputs.roles) {
    const seen = await withWarnings(warnings, () => withLocations(inputs.built, () => inspect?.(node, host)))
    for (const app of seen?.apps ?? []) apps.set(app.name, app)
  }
  const color = args.color ?? useColor(process.stdout)
  return {
    roles: inputs.roles.map(({ name }) => name),
    apps: [...apps.values()],
    stateDirectory: inputs.stateDirectory,
    paint: picocolors.createColors(color),
    color,
  }
}

export async function status<N>(args: Arguments, catalogue: Catalogue<N>, secrets: Secrets): Promise<ExitStatus> {
  const { roles, apps: seen, stateDirectory, paint, color } = await see(args, catalogue, secrets)
  // Keep text that an app's account has written from forging lines or colours.
  const apps = args.jsonOutput ? seen : oneLineDeep(seen)
  const last = lastRun(stateDirectory)
  const locked = visibleLock(stateDirectory)
  const down = !apps.every(isUp)
  if (args.jsonOutput)
    return printValue(
      {
        roles,
        apps: apps.map(({ releases, stopped = null, ...app }) => ({
          ...app,
          stopped,
          current: releases.find(({ current }) => current) ?? null,
        })),
        lastRun: last,
        lock: locked,
      },
      secrets,
      down,
    )
  if (args.quiet) return tellTrouble(apps, paint, color)
  const lines = [`roles      ${roles.join(', ')}`]
  for (const { name, directory, releases, services, stopped, unreleased } of apps) {
    const current = releases.find((release) => release.current)
    const release = current ? describeRelease(current) : 'none: converge deploy makes the first one'
    lines.push(`${paint.bold(name)}  ${directory}`, ...(unreleased ? [] : [`  release  ${release}`]))
    if (stopped) lines.push(`  ${stopText(stopped, paint)}`)
    for (const service of services)
      lines.push(
        `  ${readinessText(service, paint)}${' '.repeat(Math.max(2, 9 - service.readiness.length))}${service.name}  ${paint.dim(service.detail || service.state)}`,
      )
  }
  lines.push(`last run   ${last === null ? 'none' : describeRun(last, stateDirectory)}`)
  if (locked !== null) lines.push(`${paint.yellow('locked')}     by ${describeDeployLock(locked)}`)
  print(`${lines.join('\n')}\n`, color)
  return down ? 1 : 0
}

function stopText({ by, at }: IntendedStop, paint: Paint): string {
  return `${paint.red('stopped on purpose')} by ${by}, ${at}`
}

/** Prints the services that are down, for --quiet; nothing if all are up. */
function tellTrouble(apps: readonly AppView[], paint: Paint, color: boolean): ExitStatus {
  const lines = apps.flatMap((app) => [
    ...(app.stopped ? [`${app.name}  ${stopText(app.stopped, paint)}\n`] : []),
    ...app.services
      .filter(({ up }) => !up)
      .map((one) => `${readinessText(one, paint)}  ${app.name}  ${one.name}  ${paint.dim(one.detail || one.state)}\n`),
  ])
  print(lines.join(''), color)
  return lines.length > 0 ? 1 : 0
}

/** Lists the ids of the releases to which a rollback can return, for completion in a shell. */
export async function releaseIds<N>(args: Arguments, catalogue: Catalogue<N>): Promise<readonly string[]> {
  const apps = released((await see(args, catalogue, new Secrets())).apps)
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

function describeRun({ started, roles, events, outcome, changed }: LastRun, directory: string): string {
  if (outcome === 'not readable') return `not known: ${directory} is not readable for this account`
  const how = outcome === 'died' ? 'did not end: it was killed; the next run finishes its work' : outcome
  return `${started}  ${roles.join(', ')}: ${events.join(', ')}: ${how}${changed > 0 ? ` (${changed})` : ''}`
}

export async function releases<N>(args: Arguments, catalogue: Catalogue<N>, secrets: Secrets): Promise<ExitStatus> {
  const { apps: seen, paint, color } = await see(args, catalogue, secrets)
  const apps = released(args.jsonOutput ? seen : oneLineDeep(seen))
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

function released(apps: readonly AppView[]): AppView[] {
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
