/** Describes which releases hosts change from and to, and the commits between. */
import { duration, type Paint } from '../../report/describe.ts'
import type { CommitRange, FleetEvent, GroupedReleaseChange, HostReport, ReleaseName } from '../types.ts'
import { describeNames } from './host_name_list.ts'
import { many, oneLine, shortCommit } from './text.ts'

const verbs: Readonly<Record<string, string>> = { rollback: 'roll back', configure: 'catch up' }
/** Characters of the subject of a commit. */
const maxSubjectLength = 60

/** Describes the changes that a rollout is about to make. */
export function describeReleaseChanges({ phase, moves }: FleetEvent & { event: 'moves' }, paint: Paint): string {
  const verb = verbs[phase] ?? 'deploy'
  return moves.map((move) => line(move, `${verb} ${oneLine(move.app)}`, paint)).join('\n')
}

/** `commit site: c0ffeec0ffee (main)` */
export function describeCommit(
  { app, commit, revision, unconfirmed }: FleetEvent & { event: 'commit' },
  paint: Paint,
): string {
  const doubt = unconfirmed === undefined ? '' : ` ${paint.yellow('not confirmed by the repository')}`
  return `${paint.cyan('commit')} ${oneLine(app)}: ${shortCommit(commit)} ${paint.dim(`(${oneLine(revision)})`)}${doubt}`
}

export function describeEstimate(event: FleetEvent & { event: 'estimate' }, paint: Paint): string {
  const { durationMs, runs, batches, rebuilt } = event
  const head = paint.cyan(rebuilt === undefined ? 'estimated duration' : 'new estimate of the duration')
  const cause = rebuilt === undefined ? '' : `; the build changed hosts whose commit stays: ${describeNames(rebuilt)}`
  if (durationMs === null) return `${head}: unknown, no earlier run to estimate from${cause}`
  const how = paint.dim(`(${many(runs, 'earlier run')}, ${batches === 1 ? '1 batch' : `${batches} batches`})`)
  return `${head}: about ${duration(Math.max(1000, durationMs))} ${how}${cause}`
}

/** Describes the changes that a rollout made. */
export function releaseChangeLines(hosts: readonly HostReport[], action: string, paint: Paint): string[] {
  const groups = new Map<string, GroupedReleaseChange & { verb: string; hosts: string[] }>()
  for (const { host, outcome, moves = [] } of hosts)
    for (const { app, from, to } of moves) {
      const verb = outcome === 'rolled back' || action === 'rollback' ? 'rolled back' : 'switched'
      const key = JSON.stringify([verb, app, from?.release, from?.commit, to.release, to.commit])
      const group = groups.get(key) ?? { verb, app, from, to, hosts: [] }
      group.hosts.push(host)
      groups.set(key, group)
    }
  return [...groups.values()].map((move) => line(move, `${oneLine(move.app)} ${move.verb}`, paint))
}

function line({ from, to, hosts, commits }: GroupedReleaseChange, head: string, paint: Paint): string {
  const names = describeNames(hosts)
  if (from !== null && isSameRelease(from, to)) {
    // Only the build knows whether the configuration makes another release of the commit.
    const unless = to.release === null ? ', unless attributes have changed' : ''
    return `${paint.cyan(head)}: stays on ${describeRelease(from, paint)}${unless}: ${names}`
  }
  const before = from === null ? 'no release' : describeRelease(from, paint)
  const text = `${paint.cyan(head)}: from ${before} to ${describeRelease(to, paint)}: ${names}`
  return commits === undefined ? text : [text, ...rangeLines(commits, paint)].join('\n')
}

/** Decides whether the release stays: a deploy of the current commit creates no release. */
function isSameRelease(from: ReleaseName, to: ReleaseName): boolean {
  return to.release === null ? from.commit !== null && from.commit === to.commit : from.release === to.release
}

/** `000012-c0ffeec0 (c0ffeec0ffee "Fix the prices")` */
function describeRelease({ release, commit, subject }: ReleaseName, paint: Paint): string {
  const title = subject === undefined ? '' : ` ${paint.dim(JSON.stringify(shortenSubject(subject)))}`
  if (release === null) return commit === null ? 'an unknown release' : `${shortCommit(commit)}${title}`
  if (commit === null || commit === release) return `${oneLine(release)}${title}`
  return `${oneLine(release)} (${shortCommit(commit)}${title})`
}

function rangeLines({ added, removed, subjects }: CommitRange, paint: Paint): string[] {
  const counts = [
    ...(added > 0 ? [`${many(added, 'new commit')}`] : []),
    ...(removed > 0 ? [`without ${many(removed, 'commit')} of the current release`] : []),
  ]
  const shown = subjects.map((subject) => paint.dim(`    ${shortenSubject(subject)}`))
  const hidden = (added > 0 ? added : removed) - subjects.length
  const more = hidden > 0 ? [paint.dim(`    and ${hidden} more`)] : []
  return [`  ${counts.join(', ')}:`, ...shown, ...more]
}

function shortenSubject(subject: string): string {
  const text = oneLine(subject)
  return text.length > maxSubjectLength ? `${text.slice(0, maxSubjectLength - 1)}…` : text
}
