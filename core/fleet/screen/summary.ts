/** Summarizes a rollout at its end: failures, warnings, hosts by outcome, releases, and the next command. */
import { duration, type Paint } from '../../report/describe.ts'
import { plain } from '../../report/printable.ts'
import { shortId } from '../records/deployment_number.ts'
import { deployActions } from '../rollout/state/request.ts'
import type { CurrentRelease, HostOutcome, HostReport, RolloutReport } from '../types.ts'
import { describeFailureGroup, failuresOf, groupFailures } from './failures.ts'
import { type Addresses, groupSimilar, withoutTimes } from './group_similar.ts'
import { describeNames } from './host_name_list.ts'
import { describeAction } from './host_states.ts'
import { releaseChangeLines } from './release_changes.ts'
import { many, oneLine, shortCommit } from './text.ts'

export interface HostWarning {
  readonly host: string
  readonly message: string
}

export interface SummaryOptions {
  readonly paint: Paint
  /** Whether to name the successful hosts too. */
  readonly verbose: boolean
  /** Whether to leave successful hosts out. */
  readonly quiet: boolean
  readonly addresses: Addresses
  readonly warnings: readonly HostWarning[]
  /** Options by which another command selects the same stack, after a blank. */
  readonly stackOptions: string
}

/** The outcome of a host in the summary; `built`: its release is ready, but the rollout aborted before the switch. */
type HostResult = HostOutcome | 'built'

/** Results, worst first, each with its description, and whether its hosts are named even after a success. */
const hostResults: readonly (readonly [HostResult, string, boolean])[] = [
  ['failed', 'failed', false],
  ['lost', 'lost', true],
  ['rolled back', 'rolled back', true],
  ['changed', 'changed', false],
  ['planned', 'would change', false],
  ['unchanged', 'unchanged', false],
  ['skipped', 'skipped', false],
  ['built', 'built only', true],
  ['untouched', 'not begun', true],
]

function resultOf({ outcome, phase }: HostReport): HostResult {
  return phase === 'build' && (outcome === 'changed' || outcome === 'unchanged') ? 'built' : outcome
}

export function summary(report: RolloutReport, options: SummaryOptions): string[] {
  const { paint } = options
  const isUnsuccessful = report.outcome === 'failed' || report.outcome === 'interrupted'
  const failures = groupFailures(failuresOf(report.hosts), options.addresses)
  return [
    ...failures.map((group) => describeFailureGroup(group, paint)),
    ...warningLines(options),
    ...skippedLines(report.hosts, options),
    ...(report.stopped === undefined ? [] : [`${paint.red('stopped:')} ${oneLine(report.stopped)}`]),
    ...hostLines(report, isUnsuccessful || options.verbose, options),
    ...(options.quiet && !isUnsuccessful ? [] : releaseChangeLines(report.hosts, report.action, paint)),
    ...(isUnsuccessful || options.verbose ? releaseLines(report.hosts, paint) : []),
    ...(failures.length > 0 ? logCommandLines(report, options) : []),
    ...(isUnsuccessful ? rollbackLines(report, options) : []),
    lastLine(report, paint),
  ]
}

/** Formats warnings; the same warning of many hosts is one line. */
export function warningLines({
  warnings,
  addresses,
  paint,
}: Pick<SummaryOptions, 'warnings' | 'addresses' | 'paint'>): string[] {
  const texts = warnings.map(({ host, message }) => ({ host, text: oneLine(message) }))
  return groupSimilar(texts, addresses, withoutTimes).map((group) => `${paint.yellow('warning:')} ${namedLine(group)}`)
}

/** Formats hosts with their common text. A single host that the text names already is not named twice. */
function namedLine(group: readonly { readonly host: string; readonly text: string }[]): string {
  // A host may report the same in several runs.
  const hosts = new Set(group.map(({ host }) => host))
  const names = describeNames([...hosts])
  const text = group[0]?.text ?? ''
  if (hosts.size === 1 && (text.startsWith(`${names}: `) || text.startsWith(`${names} (`))) return text
  return text === '' ? names : `${names}: ${text}`
}

function skippedLines(hosts: readonly HostReport[], { addresses, paint, warnings }: SummaryOptions): string[] {
  const isReported = ({ host, reason }: HostReport) =>
    reason !== undefined && warnings.some((one) => one.host === host && one.message.startsWith(reason))
  const skipped = hosts.filter((host) => host.outcome === 'skipped' && !isReported(host))
  const texts = skipped.map(({ host, reason = '' }) => ({ host, text: oneLine(reason) }))
  return groupSimilar(texts, addresses, withoutTimes).map((group) => {
    return `${paint.yellow('skipped:')} ${namedLine(group)}`
  })
}

function hostLines({ hosts, action }: RolloutReport, showAll: boolean, { paint, quiet }: SummaryOptions): string[] {
  return hostResults.flatMap(([outcome, words, isAlwaysShown]) => {
    const names = hosts.filter((host) => resultOf(host) === outcome).map(({ host }) => host)
    // A plan lists the changes of each host, so it must also name the hosts without changes.
    const isShown = showAll || isAlwaysShown || (action === 'plan' && outcome === 'unchanged' && !quiet)
    // The lines above name failed and skipped hosts.
    if (names.length === 0 || outcome === 'failed' || outcome === 'skipped' || !isShown) return []
    const note = outcome === 'lost' ? ' (what became of them is not known)' : ''
    return `${paint.dim(`${words}${note}:`)} ${describeNames(names)}`
  })
}

/** Lists the hosts by the commit or release of each app. */
function releaseLines(hosts: readonly HostReport[], paint: Paint): string[] {
  const apps = new Map<string, Map<string, string[]>>()
  for (const { host, live } of hosts)
    for (const release of live) {
      const hostsByRelease = apps.get(release.app) ?? new Map<string, string[]>()
      apps.set(release.app, hostsByRelease)
      const words = describeRelease(release)
      hostsByRelease.set(words, [...(hostsByRelease.get(words) ?? []), host])
    }
  return [...apps].flatMap(([app, hostsByRelease]) =>
    [...hostsByRelease].map(
      ([words, names]) => `${paint.dim(`${oneLine(app)} is on`)} ${words}: ${describeNames(names)}`,
    ),
  )
}

function describeRelease({ commit, release }: CurrentRelease): string {
  if (commit !== null) return shortCommit(commit)
  return release === null ? 'none' : `release ${oneLine(release)}`
}

function lastLine(report: RolloutReport, paint: Paint): string {
  const { stack, outcome, id, hosts } = report
  const parts = hostResults.flatMap(([result, words]) => {
    const count = hosts.filter((host) => resultOf(host) === result).length
    return count === 0 ? [] : `${count} ${words}`
  })
  const commits = Object.entries(report.commits).map(([app, commit]) => `${app} ${shortCommit(commit)}`)
  const subject = `${describeAction(report)} of ${oneLine(stack)}${id === null ? '' : ` (deployment ${shortId(id)})`}`
  const target = commits.length === 0 ? '' : ` to ${oneLine(commits.join(', '))}`
  const text = `${subject}${target}: ${parts.length === 0 ? many(0, 'host') : parts.join(', ')} in ${duration(report.durationMs)}`
  if (outcome === 'failed') return paint.red(text)
  if (outcome === 'interrupted') return paint.yellow(`interrupted: ${text}; run it again to finish`)
  const isDone = outcome === 'unchanged' && hosts.every((host) => host.outcome === 'unchanged')
  return isDone ? `${paint.green('nothing to do')}: ${text}` : text
}

/** Prints the command that rolls back a failed deploy. It names the apps: without --app, a rollback changes other apps too. */
function rollbackLines({ action, hosts }: RolloutReport, { paint, stackOptions }: SummaryOptions): string[] {
  if (!deployActions.includes(action)) return []
  const switched = hosts.flatMap(({ host, moves = [], outcome }) =>
    moves.flatMap(({ app, from }) => (from === null || outcome === 'rolled back' ? [] : [{ host, app }])),
  )
  if (switched.length === 0) return []
  const names = describeNames([...new Set(switched.map(({ host }) => host))])
  const apps = [...new Set(switched.map(({ app }) => app))].sort()
  return [
    paint.dim(`to roll back ${names}: converge stack rollback --app ${apps.map(oneLine).join()}${plain(stackOptions)}`),
  ]
}

function logCommandLines({ id, hosts }: RolloutReport, { paint, stackOptions }: SummaryOptions): string[] {
  // A host that could not be reached has sent nothing to its log.
  const first = hosts.find(({ failure, phase, failedIn = phase }) => failure && failedIn !== 'connect')?.host
  if (id === null || first === undefined) return []
  const name = oneLine(first)
  return [paint.dim(`complete log of ${name}: converge stack log ${shortId(id)} ${name}${plain(stackOptions)}`)]
}
