/** Announces what a rollout will do: the changes of releases, the duration, and restarts that visitors notice. */
import { omitUndefined } from '../../model/omit_undefined.ts'
import { estimateDuration } from '../planning/estimate.ts'
import { changesOfDeploy, emitReleaseChanges, type HostReleaseChange, isChange } from '../planning/release_changes.ts'
import type { CurrentRelease } from '../types.ts'
import { hostOrder } from './hosts/host_order.ts'
import type { RolloutContext } from './state/context.ts'
import type { RolloutHost, RolloutRequest } from './state/request.ts'
import { hostNames, includesApp } from './state/request.ts'

/** Events that stop programs and start them again. */
const restartingEvents: readonly string[] = ['restart', 'rebuild', 'deploy']
/** Events that restart programs whose input has changed, or stop them. */
const changingEvents: readonly string[] = [
  ...restartingEvents,
  'setup',
  'configure',
  'rollback',
  'shutdown',
  'undeploy',
]

export class Announcement {
  /** Names of the hosts that a warning has named as the last one of an app. */
  private readonly warned = new Set<string>()
  private announcedDeploy: AnnouncedDeploy | undefined

  constructor(private readonly context: RolloutContext) {}

  /**
   * Reports a setup or a deploy, once the commits are known.
   * @param inTurn hosts that restart something, and take turns
   */
  async announceDeploy(hosts: readonly RolloutHost[], inTurn: ReadonlySet<string>): Promise<void> {
    const commitOf = (app: string) =>
      includesApp(this.context.request, app) ? (this.context.commits.byApp[app]?.commit ?? null) : null
    const moves = hosts.flatMap((host) =>
      changesOfDeploy(host, this.context.progress.currentReleasesOf(host.name), commitOf),
    )
    await emitReleaseChanges(moves, 'switch', this.context.ports)
    const changing = moves.filter(isChange)
    const changes = changing.length > 0
    const { batches } = hostOrder(hosts, this.context, { inTurn })
    this.announcedDeploy = { hosts, moves, batches: batches.length }
    this.announceDuration(hosts, changes || inTurn.size > 0, { moves: changing, batches: batches.length })
    const { action, restartsInTurn } = this.context.request
    if (restartsInTurn)
      this.warnOfRestarts(
        hosts.filter(({ name }) => inTurn.has(name)),
        inTurn,
      )
    else if (changes || action !== 'setup')
      this.warnOfRestarts(hosts, undefined, new Set(changing.map(({ host }) => host)))
  }

  /**
   * Corrects the estimate after the build. Only the build shows that a host whose commit stays gets another release,
   * because attributes have changed.
   * @param built names of the hosts whose build changed something
   */
  announceRebuilds(built: ReadonlySet<string>): void {
    if (this.announcedDeploy === undefined) return
    const { hosts, moves, batches } = this.announcedDeploy
    const changing = moves.filter(isChange)
    const expected = new Set(changing.map(({ host }) => host))
    const rebuilt = [...new Set(moves.map(({ host }) => host))].filter((name) => built.has(name) && !expected.has(name))
    if (rebuilt.length === 0) return
    const rebuiltMoves = moves.filter(({ host }) => rebuilt.includes(host))
    this.announceDuration(hosts, true, { moves: [...changing, ...rebuiltMoves], batches, rebuilt })
  }

  /** Reports the changes of some apps whose commits became known late. */
  async announceMoves(hosts: readonly RolloutHost[], apps: readonly string[]): Promise<void> {
    const commitOf = (app: string) => (apps.includes(app) ? (this.context.commits.byApp[app]?.commit ?? null) : null)
    const moves = hosts.flatMap((host) =>
      changesOfDeploy(host, this.context.progress.currentReleasesOf(host.name), commitOf),
    )
    await emitReleaseChanges(moves, 'switch', this.context.ports)
  }

  async announceRollback(moves: readonly HostReleaseChange[], hosts: readonly RolloutHost[]): Promise<void> {
    await emitReleaseChanges(moves, 'rollback', this.context.ports)
    if (this.context.request.action === 'plan') return
    this.announceDuration(hosts, true, { moves: moves.filter(isChange) })
    this.warnOfRestarts(hosts)
  }

  /**
   * Reports the hosts that missed a deployment, and get the commits of the stack by a configure.
   * @param releases current releases, by host
   */
  async announceCatchUp(
    hosts: readonly RolloutHost[],
    releases: ReadonlyMap<string, readonly CurrentRelease[]>,
  ): Promise<void> {
    const { apps, missedApps } = this.context.ports.recorded
    const moves = hosts.flatMap((host) => {
      const missing = missedApps?.get(host.name) ?? host.apps
      const commitOf = (app: string) => (missing.includes(app) ? (apps[app]?.commit ?? null) : null)
      return changesOfDeploy(host, releases.get(host.name) ?? [], commitOf)
    })
    await emitReleaseChanges(moves, 'configure', this.context.ports)
  }

  /**
   * Reports what a planned deploy changes on hosts that missed a deployment.
   * @param releases current releases, by host
   * @param commits by host and app
   */
  async announceUpdates(
    hosts: readonly RolloutHost[],
    releases: ReadonlyMap<string, readonly CurrentRelease[]>,
    commits: ReadonlyMap<string, ReadonlyMap<string, string>>,
  ): Promise<void> {
    const moves = hosts.flatMap((host) => {
      const commitOf = (app: string) =>
        includesApp(this.context.request, app) ? (commits.get(host.name)?.get(app) ?? null) : null
      return changesOfDeploy(host, releases.get(host.name) ?? [], commitOf)
    })
    await emitReleaseChanges(moves, 'switch', this.context.ports)
  }

  warnOfRun(events: readonly string[], hosts: readonly RolloutHost[]): void {
    if (events.some((event) => restartingEvents.includes(event))) this.warnOfRestarts(hosts)
  }

  /** @param hosts hosts that the events change */
  warnOfPlan(events: readonly string[], hosts: readonly RolloutHost[]): void {
    if (events.some((event) => changingEvents.includes(event))) this.warnOfLastHosts(hosts, { events })
  }

  /**
   * @param changes whether something will change, as far as that is known
   */
  announceDuration(
    hosts: readonly RolloutHost[],
    changes: boolean,
    { moves = [], batches = this.batchesOf(hosts).length, restarting, rebuilt }: DurationOptions,
  ): void {
    const { action, parallel } = this.context.request
    const earlier = this.context.ports.earlierRollouts?.()
    if (earlier === undefined || hosts.length === 0) return
    const apps = moves.map(({ app }) => app)
    const planned = { action, changes, apps, restarting, hosts: hosts.length, batches, parallel }
    const estimate = estimateDuration(earlier, planned)
    const { durationMs, runs } = estimate ?? { durationMs: null, runs: 0 }
    this.context.ports.emit({ event: 'estimate', durationMs, runs, batches, ...omitUndefined({ rebuilt }) })
  }

  /** @param switching the hosts that get another release, where that is known; default: all */
  private warnOfRestarts(
    hosts: readonly RolloutHost[],
    inTurn?: ReadonlySet<string>,
    switching?: ReadonlySet<string>,
  ): void {
    const { batches } = hostOrder(hosts, this.context, omitUndefined({ inTurn }))
    const strategy = inTurn === undefined ? this.context.request.strategy : 'rolling'
    const isRequested = (app: string) => includesApp(this.context.request, app)
    const warning = simultaneousRestartWarning(batches, this.servingHosts(isRequested).up, { strategy })
    if (warning !== null) this.context.progress.addWarning(warning)
    const restarting = batches.flat().filter(({ name }) => switching === undefined || switching.has(name))
    this.warnOfLastHosts(restarting, { isRestarted: isRequested })
  }

  /**
   * Warns of apps that only one host serves, because their other hosts cannot be reached; once for each host.
   * @param hosts hosts that restart or stop something
   */
  warnOfLastHosts(
    hosts: readonly RolloutHost[],
    { isRestarted = () => true, events = [this.context.request.action] }: LastHostOptions = {},
  ): void {
    const unwarned = hosts.filter(({ name }) => !this.warned.has(name))
    const { up, down } = this.servingHosts(isRestarted)
    const stops = events.includes('shutdown') || events.includes('undeploy')
    const warning = lastHostWarning(hostNames(unwarned), up, down, stops ? 'once it is stopped' : 'while it restarts')
    if (warning === null) return
    for (const { name } of unwarned) this.warned.add(name)
    this.context.progress.addWarning(warning)
  }

  /** Returns the hosts in service of each app: those that are up, and those that cannot be reached. */
  private servingHosts(includes: (app: string) => boolean): { readonly up: HostsByApp; readonly down: HostsByApp } {
    const [up, down] = [new Map<string, Set<string>>(), new Map<string, Set<string>>()]
    const isDown = (name: string) =>
      this.context.unreachable.has(name) || this.context.progress.find(name)?.outcome === 'skipped'
    for (const { name, apps } of this.context.ports.hosts)
      for (const app of apps)
        if (this.context.ports.recorded.online.has(name) && includes(app)) {
          const serving = isDown(name) ? down : up
          serving.set(app, (serving.get(app) ?? new Set()).add(name))
        }
    return { up, down }
  }

  private batchesOf(hosts: readonly RolloutHost[]): readonly (readonly RolloutHost[])[] {
    return hostOrder(hosts, this.context).batches
  }
}

interface AnnouncedDeploy {
  readonly hosts: readonly RolloutHost[]
  readonly moves: readonly HostReleaseChange[]
  readonly batches: number
}

interface DurationOptions {
  /** Changes of releases. */
  readonly moves?: readonly HostReleaseChange[]
  readonly batches?: number
  /** Names of the hosts that restart something, where a dry run has shown them. */
  readonly restarting?: readonly string[]
  readonly rebuilt?: readonly string[]
}

interface LastHostOptions {
  /** Decides whether an app restarts or stops; default: every app. */
  readonly isRestarted?: (app: string) => boolean
  /** Default: the action. */
  readonly events?: readonly string[]
}

type HostsByApp = ReadonlyMap<string, ReadonlySet<string>>

/**
 * Builds a warning about apps that only one host serves, because their other hosts cannot be reached.
 * @param restarting names of the hosts that restart or stop something
 * @param when visitors get errors
 * @returns null where no such host is among them
 */
export function lastHostWarning(
  restarting: readonly string[],
  up: HostsByApp,
  down: HostsByApp,
  when: string,
): string | null {
  const apps = [...down].flatMap(([app, missing]) => {
    const [last, ...others] = up.get(app) ?? []
    return last !== undefined && others.length === 0 && restarting.includes(last)
      ? [{ app, last, missing: [...missing] }]
      : []
  })
  if (apps.length === 0) return null
  const texts = apps.map(({ app, last, missing }) => {
    const names = missing.length > maxNames ? `${missing.length} hosts` : missing.join(', ')
    return `${last} is the only host of ${app} that is up (not reached: ${names})`
  })
  return `${texts.join('; ')}: visitors get errors ${when}; start another host first`
}

/** With more hosts, a message shows only their number. */
const maxNames = 5

/**
 * Builds a warning about simultaneous restarts.
 * @param batches of the rollout, one after the other
 * @param serving hosts of an app that visitors reach now
 * @returns a warning with an alternative; null where the batches leave each app a host that serves
 */
export function simultaneousRestartWarning(
  batches: readonly (readonly RolloutHost[])[],
  serving: HostsByApp,
  { strategy }: Pick<RolloutRequest, 'strategy'>,
): string | null {
  const restarts = [...serving].flatMap(([app, hosts]) =>
    batches.flatMap((batch) => {
      const names = batch.flatMap(({ name }) => (hosts.has(name) ? name : []))
      const isNoticed = names.length > 1 && (strategy === 'parallel' || names.length === hosts.size)
      return isNoticed ? [{ app, names }] : []
    }),
  )
  if (restarts.length === 0) return null
  const appTexts = restarts.map(
    ({ app, names }) => `${app} on ${names.length > maxNames ? `${names.length} hosts` : names.join(', ')}`,
  )
  const [cause, alternative] =
    strategy === 'parallel'
      ? ['--strategy parallel', '--strategy rolling restarts one batch after the other']
      : ['this --batch', 'a smaller --batch leaves hosts that answer']
  return `${cause} restarts ${appTexts.join(', ')} at the same time: visitors get errors until the app answers again; ${alternative}`
}
