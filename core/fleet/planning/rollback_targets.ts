/** Computes the release that each host rolls back to: one commit of each app for all hosts, as with a deploy. */
import { ConvergeError } from '../../model/errors.ts'
import type { AppReleases } from '../host_answers.ts'
import type { RollbackTo } from '../host_client.ts'

/** A host to roll back, with the releases that it reports. */
export interface RollbackHost {
  readonly name: string
  readonly releases: readonly AppReleases[]
}

/** The id of the release that each app rolls back to. */
export type Targets = ReadonlyMap<string, string>

/** How a host rolls back: to these releases, or it is skipped, stays unchanged, or fails. */
export type HostRollback =
  | { readonly to: RollbackTo; readonly targets: Targets }
  | { readonly skipped: string }
  | { readonly unchanged: string }
  | { readonly error: ConvergeError }

/**
 * Computes how each host rolls back.
 * @param includesApp decides whether to roll an app back
 * @param to a commit or the id of a release, or the beginning of one; null for the commit before the last change of an
 * app
 */
export function planRollback(
  hosts: readonly RollbackHost[],
  includesApp: (app: string) => boolean,
  to: string | null,
): ReadonlyMap<string, HostRollback> {
  const targets = new Map<string, RollbackTarget>()
  for (const app of new Set(hosts.flatMap(({ releases }) => releases.map(({ name }) => name))))
    targets.set(
      app,
      targetBeforeLastChange(hosts.flatMap(({ releases }) => releases.filter(({ name }) => name === app))),
    )
  // An app without an earlier release does not prevent the rollback of the others.
  const hasEarlierReleases = hosts.some(({ releases }) =>
    releases.some((app) => includesApp(app.name) && currentOf(app) !== undefined && hasEarlierRelease(app, targets)),
  )
  return new Map(
    hosts.map((host) => [host.name, planHostRollback(host, includesApp, to, { targets, hasEarlierReleases })]),
  )
}

function hasEarlierRelease(app: AppReleases, targets: ReadonlyMap<string, RollbackTarget>): boolean {
  return (targets.get(app.name)?.commit ?? null) !== null || releaseBefore(app) !== undefined
}

interface StackRollback {
  readonly targets: ReadonlyMap<string, RollbackTarget>
  /** Whether at least one app has an earlier release. */
  readonly hasEarlierReleases: boolean
}

function planHostRollback(
  { releases }: RollbackHost,
  includesApp: (app: string) => boolean,
  to: string | null,
  { targets: appTargets, hasEarlierReleases: othersRollBack }: StackRollback,
): HostRollback {
  const included = releases.filter(({ name }) => includesApp(name))
  // The host reports no release of a requested app. The recipe of such an app knows its target; the reported apps stay.
  if (included.length === 0) {
    return { to: releases.length > 0 ? toCurrentReleases(releases, () => true) : to, targets: new Map() }
  }
  const current = included.filter((app) => currentOf(app) !== undefined)
  if (current.length === 0) return { unchanged: 'no app has a current release to roll back' }
  const targets = new Map<string, string>()
  const withoutRelease: string[] = []
  const unchanged: string[] = []
  for (const app of current) {
    const appTarget = appTargets.get(app.name)
    const request = to ?? appTarget?.commit ?? null
    const isUnchanged = to === null && appTarget !== undefined && !appTarget.changed.has(app)
    const release =
      request === null
        ? releaseBefore(app)?.id
        : isUnchanged
          ? unchangedRelease(app, request)
          : findRelease(app, request)
    if (release !== undefined) targets.set(app.name, release)
    else if (isUnchanged && request !== null)
      withoutRelease.push(`${app.name} has no release of ${request.slice(0, 12)} on the host`)
    else if (request === null && othersRollBack)
      unchanged.push(`${app.name} stays unchanged: it has no earlier release`)
    // The host reports this failure itself, with the releases that it has.
    else if (request === null && releases.length === 1) return { to: null, targets }
    else return { error: noSuchRelease(app.name, request) }
  }
  if (targets.size > 0) return { to: rollbackTo(releases, targets), targets }
  return withoutRelease.length === 0
    ? { unchanged: unchanged.join('; ') }
    : { skipped: [...withoutRelease, ...unchanged].join('; ') }
}

/**
 * Returns what a host rolls back to; null without a target.
 * @param targets id of a release, by app; the other apps of the host stay unchanged
 */
function rollbackTo(releases: readonly AppReleases[], targets: Targets): RollbackTo {
  const [only] = targets.values()
  if (only === undefined) return null
  return releases.length === 1 ? only : targets
}

/** Returns the current releases, to roll back to them after a later switch; other apps stay unchanged. */
export function toCurrentReleases(releases: readonly AppReleases[], includesApp: (app: string) => boolean): RollbackTo {
  return rollbackTo(releases, currentReleaseIds(releases, includesApp))
}

function currentReleaseIds(releases: readonly AppReleases[], includesApp: (app: string) => boolean): Targets {
  return new Map(
    releases.flatMap((app) => {
      const id = currentOf(app)?.id
      return id !== undefined && includesApp(app.name) ? [[app.name, id] as const] : []
    }),
  )
}

interface RollbackTarget {
  readonly commit: string | null
  /** Hosts that took part in the last change; the others run the commit before it, or an older one. */
  readonly changed: ReadonlySet<AppReleases>
}

/**
 * Finds the commit that most hosts ran before the last change of an app. A tie goes to the commit that most hosts have,
 * then to the commit of the first host. So a host on which alone a release was tried rolls back to the commit of the
 * others, whether that trial was the last change or an earlier one.
 * @param hosts each the releases of one app, oldest first
 */
export function targetBeforeLastChange(hosts: readonly AppReleases[]): RollbackTarget {
  const newest = newestCommits(hosts)
  const changed = new Set(hosts.filter((host) => newest.has(currentOf(host)?.commit ?? '')))
  const votes = hosts.flatMap((host) => {
    const commit = (changed.has(host) ? releaseBefore(host) : currentOf(host))?.commit
    return commit !== undefined && isCommit(commit) ? [commit] : []
  })
  const hostsWith = (commit: string) =>
    hosts.filter(({ releases }) => releases.some((one) => one.commit === commit && one.complete)).length
  const weight = (commit: string) =>
    votes.filter((one) => one === commit).length * (hosts.length + 1) + hostsWith(commit)
  const [commit = null] = [...new Set(votes)].sort((a, b) => weight(b) - weight(a))
  return { commit, changed }
}

/** Returns the current commits of all hosts that no host had before another one of them. */
function newestCommits(hosts: readonly AppReleases[]): ReadonlySet<string> {
  const all = new Set(hosts.flatMap((host) => currentOf(host)?.commit ?? []))
  const older = new Set<string>()
  for (const host of hosts) {
    const current = currentOf(host)
    if (current === undefined) continue
    const currentIndex = host.releases.indexOf(current)
    for (const [index, { commit, complete }] of host.releases.entries())
      if (complete && commit !== current.commit && all.has(commit))
        older.add(index < currentIndex ? commit : current.commit)
  }
  const newest = [...all].filter((commit) => !older.has(commit))
  // Hosts that switched back and forth make each commit older than another one.
  return newest.length === 0 ? all : new Set(newest)
}

/**
 * Finds a release of a host by its id or its commit, or the beginning of one of them. Of several releases of one commit
 * it returns the newest before the current one, else the newest. It returns the current one where no other matches.
 */
function findRelease(app: AppReleases, request: string): string | undefined {
  const { releases } = app
  const matches = releases.filter(
    ({ id, commit, complete, current }) =>
      (complete || current) && (id.startsWith(request) || commit.startsWith(request)),
  )
  const others = matches.filter(({ current }) => !current)
  const currentRelease = currentOf(app)
  const before =
    currentRelease === undefined ? [] : others.filter((one) => releases.indexOf(one) < releases.indexOf(currentRelease))
  return (before.at(-1) ?? others.at(-1) ?? matches.at(-1))?.id
}

/** Finds the release for a host without a part in the last change: the current one, where it has the commit. */
function unchangedRelease(app: AppReleases, request: string): string | undefined {
  const current = currentOf(app)
  return current?.commit === request ? current.id : findRelease(app, request)
}

function currentOf({ releases }: AppReleases): AppReleases['releases'][number] | undefined {
  return releases.find(({ current }) => current)
}

function releaseBefore({ releases }: AppReleases): AppReleases['releases'][number] | undefined {
  // By number only where the host does not report which release was current before.
  if (releases.some(({ previous }) => previous !== undefined)) return releases.find(({ previous }) => previous)
  const currentIndex = releases.findIndex(({ current }) => current)
  return releases.slice(0, Math.max(0, currentIndex)).findLast(({ complete }) => complete)
}

/** Decides whether a text is a commit: a name that another tool gave a release cannot be compared between hosts. */
function isCommit(text: string): boolean {
  return /^[0-9a-f]{7,}$/i.test(text)
}

function noSuchRelease(app: string, request: string | null): ConvergeError {
  const description = request === null ? 'before the current one' : `of ${request.slice(0, 12)}`
  return new ConvergeError(`${app} has no release ${description} to roll back to`, {
    code: 'NO_SUCH_RELEASE',
    hint: `name a commit or the id of a release with --to, or leave hosts or apps out with --limit '!HOST' or --app; converge stack log shows the releases of each host`,
  })
}
