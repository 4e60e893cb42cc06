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

/** An outcome; `built`: the release is ready on the host, but the rollout aborted before its switch. */
type Fate = HostOutcome | 'built'

/** Outcomes, worst first, each with its description, and whether its hosts are named even after a success. */
const fates: readonly (readonly [Fate, string, boolean])[] = [
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

function fateOf({ outcome, phase }: HostReport): Fate {
  return phase === 'build' && (outcome === 'changed' || outcome === 'unchanged') ? 'built' : outcome
}

export function summary(report: RolloutReport, options: SummaryOptions): string[] {
  const { paint } = options
  const wrong = report.outcome === 'failed' || report.outcome === 'interrupted'
  const failures = groupFailures(failuresOf(report.hosts), options.addresses)
  return [
    ...failures.map((group) => describeFailureGroup(group, paint)),
    ...warningLines(options),
    ...skippedLines(report.hosts, options),
    ...(report.stopped === undefined ? [] : [`${paint.red('stopped:')} ${oneLine(report.stopped)}`]),
    ...hostLines(report, wrong || options.verbose, options),
    ...(options.quiet && !wrong ? [] : releaseChangeLines(report.hosts, report.action, paint)),
    ...(wrong || options.verbose ? releaseLines(report.hosts, paint) : []),
    ...(failures.length > 0 ? nextLines(report, options) : []),
    ...(wrong ? rollbackLines(report, options) : []),
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

function hostLines({ hosts, action }: RolloutReport, all: boolean, { paint, quiet }: SummaryOptions): string[] {
  return fates.flatMap(([outcome, words, always]) => {
    const names = hosts.filter((host) => fateOf(host) === outcome).map(({ host }) => host)
    // A plan lists the changes of each host, so it must also name the hosts without changes.
    const isShown = all || always || (action === 'plan' && outcome === 'unchanged' && !quiet)
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
      const on = apps.get(release.app) ?? new Map<string, string[]>()
      apps.set(release.app, on)
      const words = describeRelease(release)
      on.set(words, [...(on.get(words) ?? []), host])
    }
  return [...apps].flatMap(([app, on]) =>
    [...on].map(([words, names]) => `${paint.dim(`${oneLine(app)} is on`)} ${words}: ${describeNames(names)}`),
  )
}

function describeRelease({ commit, release }: CurrentRelease): string {
  if (commit !== null) return shortCommit(commit)
  return release === null ? 'none' : `release ${oneLine(release)}`
}

function lastLine(report: RolloutReport, paint: Paint): string {
  const { stack, outcome, id, hosts } = report
  const parts = fates.flatMap(([one, words]) => {
    const count = hosts.filter((host) => fateOf(host) === one).length
    return count === 0 ? [] : `${count} ${words}`
  })
  const commits = Object.entries(report.commits).map(([app, commit]) => `${app} ${shortCommit(commit)}`)
  const what = `${describeAction(report)} of ${oneLine(stack)}${id === null ? '' : ` (deployment ${shortId(id)})`}`
  const which = commits.length === 0 ? '' : ` to ${oneLine(commits.join(', '))}`
  const text = `${what}${which}: ${parts.length === 0 ? many(0, 'host') : parts.join(', ')} in ${duration(report.durationMs)}`
  if (outcome === 'failed') return paint.red(text)
  if (outcome === 'interrupted') return paint.yellow(`interrupted: ${text}; run it again to finish`)
  const isDone = outcome === 'unchanged' && hosts.every((host) => host.outcome === 'unchanged')
  return isDone ? `${paint.green('nothing to do')}: ${text}` : text
}

/** Names the way back from a deploy that has failed on its way: without --app, a rollback changes the other apps too. */
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

function nextLines({ id, hosts }: RolloutReport, { paint, stackOptions }: SummaryOptions): string[] {
  // A host that could not be reached has sent nothing to its log.
  const first = hosts.find(({ failure, phase, failedIn = phase }) => failure && failedIn !== 'connect')?.host
  if (id === null || first === undefined) return []
  const name = oneLine(first)
  return [paint.dim(`complete log of ${name}: converge stack log ${shortId(id)} ${name}${plain(stackOptions)}`)]
}
