/** Announces what a rollout will do: the changes of releases, the duration, and restarts that visitors notice. */

import { estimateDuration } from '../planning/estimate.ts'
import { changesOfDeploy, emitReleaseChanges, type HostReleaseChange, isChange } from '../planning/release_changes.ts'
import type { DeployCommits } from './commits.ts'
import { hostOrder } from './host_order.ts'
import type { HostInspection } from './inspection.ts'
import type { RolloutPorts } from './ports.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost, RolloutRequest } from './request.ts'
import { includesApp } from './request.ts'

/** Events that stop programs and start them again. */
const restartingEvents: readonly string[] = ['restart', 'rebuild', 'deploy']

export class Announcement {
  constructor(
    private readonly request: RolloutRequest,
    private readonly ports: RolloutPorts,
    private readonly progress: RolloutProgress,
    private readonly commits: DeployCommits,
    private readonly inspection: HostInspection,
  ) {}

  /**
   * Reports a setup or a deploy, once the commits are known.
   * @param inTurn hosts that restart something, and take turns
   */
  async announceDeploy(members: readonly RolloutHost[], inTurn: ReadonlySet<string>): Promise<void> {
    const commitOf = (app: string) =>
      includesApp(this.request, app) ? (this.commits.byApp[app]?.commit ?? null) : null
    const moves = members.flatMap((member) => changesOfDeploy(member, this.progress.live(member.name), commitOf))
    await emitReleaseChanges(moves, 'switch', this.ports)
    const changing = moves.filter(isChange)
    const changes = changing.length > 0
    const { batches } = hostOrder(members, this.request, this.ports, this.commits, { inTurn })
    this.announceDuration(members, changes || inTurn.size > 0, changing, batches.length)
    const { action, restartsInTurn } = this.request
    if (restartsInTurn)
      this.warnOfRestarts(
        members.filter(({ name }) => inTurn.has(name)),
        inTurn,
      )
    else if (changes || action !== 'setup') this.warnOfRestarts(members)
  }

  /** Reports the changes of some apps whose commits became known late. */
  async announceMoves(members: readonly RolloutHost[], apps: readonly string[]): Promise<void> {
    const commitOf = (app: string) => (apps.includes(app) ? (this.commits.byApp[app]?.commit ?? null) : null)
    const moves = members.flatMap((member) => changesOfDeploy(member, this.progress.live(member.name), commitOf))
    await emitReleaseChanges(moves, 'switch', this.ports)
  }

  async announceRollback(moves: readonly HostReleaseChange[], members: readonly RolloutHost[]): Promise<void> {
    await emitReleaseChanges(moves, 'rollback', this.ports)
    if (this.request.action === 'plan') return
    this.announceDuration(members, true, moves.filter(isChange))
    this.warnOfRestarts(members)
  }

  /** Reports the hosts that missed a deployment, and get the commits of the stack by a configure. */
  async announceCatchUp(members: readonly RolloutHost[]): Promise<void> {
    const now = await this.inspection.currentReleases(members)
    const commitOf = (app: string) => this.ports.known.apps[app]?.commit ?? null
    const moves = members.flatMap((member) => changesOfDeploy(member, now.get(member.name) ?? [], commitOf))
    await emitReleaseChanges(moves, 'configure', this.ports)
  }

  warnOfRun(events: readonly string[], members: readonly RolloutHost[]): void {
    if (events.some((event) => restartingEvents.includes(event))) this.warnOfRestarts(members)
  }

  /**
   * @param changes whether something will change, as far as that is known
   * @param moves changes of releases
   */
  announceDuration(
    members: readonly RolloutHost[],
    changes: boolean,
    moves: readonly HostReleaseChange[],
    batches = this.batchesOf(members).length,
  ): void {
    const { action, parallel } = this.request
    const earlier = this.ports.earlier?.()
    if (earlier === undefined || members.length === 0) return
    const apps = moves.map(({ app }) => app)
    const estimate = estimateDuration(earlier, { action, changes, apps, hosts: members.length, batches, parallel })
    const { durationMs, runs } = estimate ?? { durationMs: null, runs: 0 }
    this.ports.emit({ event: 'estimate', durationMs, runs, batches })
  }

  private warnOfRestarts(members: readonly RolloutHost[], inTurn?: ReadonlySet<string>): void {
    const { batches } = hostOrder(
      members,
      this.request,
      this.ports,
      this.commits,
      inTurn === undefined ? {} : { inTurn },
    )
    const strategy = inTurn === undefined ? this.request.strategy : 'rolling'
    const warning = simultaneousRestartWarning(batches, this.servingHosts(), { strategy })
    if (warning !== null) this.progress.addWarning(warning)
  }

  private servingHosts(): ReadonlyMap<string, ReadonlySet<string>> {
    const serving = new Map<string, Set<string>>()
    for (const { name, apps } of this.ports.members)
      for (const app of apps)
        if (this.ports.known.online.has(name) && includesApp(this.request, app))
          serving.set(app, (serving.get(app) ?? new Set()).add(name))
    return serving
  }

  private batchesOf(members: readonly RolloutHost[]): readonly (readonly RolloutHost[])[] {
    return hostOrder(members, this.request, this.ports, this.commits).batches
  }
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
  serving: ReadonlyMap<string, ReadonlySet<string>>,
  { strategy }: Pick<RolloutRequest, 'strategy'>,
): string | null {
  const found = [...serving].flatMap(([app, hosts]) =>
    batches.flatMap((batch) => {
      const names = batch.flatMap(({ name }) => (hosts.has(name) ? name : []))
      const isNoticed = names.length > 1 && (strategy === 'parallel' || names.length === hosts.size)
      return isNoticed ? [{ app, names }] : []
    }),
  )
  if (found.length === 0) return null
  const what = found.map(
    ({ app, names }) => `${app} on ${names.length > maxNames ? `${names.length} hosts` : names.join(', ')}`,
  )
  const [cause, instead] =
    strategy === 'parallel'
      ? ['--strategy parallel', '--strategy rolling restarts one batch after the other']
      : ['this --batch', 'a smaller --batch leaves hosts that answer']
  return `${cause} restarts ${what.join(', ')} at the same time: visitors get errors until the app answers again; ${instead}`
}
