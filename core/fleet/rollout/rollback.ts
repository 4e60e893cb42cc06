/** Rolls hosts back: all of them to one commit by request, or those that have switched after a failure. */

import type { HostCommand, RollbackTo } from '../host_client.ts'
import { splitIntoBatches } from '../planning/batches.ts'
import { changesBetween, changesTo, emitReleaseChanges, type HostReleaseChange } from '../planning/release_changes.ts'
import { planRollback, toCurrentReleases } from '../planning/rollback_targets.ts'
import type { CurrentRelease } from '../types.ts'
import type { RolloutAbort } from './abort.ts'
import type { Announcement } from './announcement.ts'
import type { DeployCommits } from './commits.ts'
import type { HostRunner } from './host_runner.ts'
import type { HostInspection } from './inspection.ts'
import type { RolloutPorts } from './ports.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost, RolloutRequest } from './request.ts'
import { includesApp } from './request.ts'

interface RollbackPlan {
  readonly hosts: readonly RolloutHost[]
  readonly commandFor: (member: RolloutHost) => HostCommand
}

export class Rollback {
  constructor(
    private readonly request: RolloutRequest,
    private readonly ports: RolloutPorts,
    private readonly progress: RolloutProgress,
    private readonly abort: RolloutAbort,
    private readonly runner: HostRunner,
    private readonly inspection: HostInspection,
    private readonly commits: DeployCommits,
    private readonly announcement: Announcement,
  ) {}

  /**
   * Computes how each host rolls back, so that all run one commit of each app: the requested one, or the one before its
   * last change.
   * @returns the hosts to roll back, and the command for each
   */
  async plan(members: readonly RolloutHost[]): Promise<RollbackPlan> {
    const { progress, request } = this
    await this.inspection.recordReleasesBefore(members)
    if (this.abort.isAborted) return { hosts: [], commandFor: () => rollbackCommand(null) }
    const able = members.filter(({ name }) => progress.isUsable(name))
    const returning = able.map(({ name }) => ({ name, releases: progress.get(name).releasesBefore }))
    const targets = new Map<string, RollbackTo>()
    const moves: HostReleaseChange[] = []
    for (const [name, result] of planRollback(returning, (app) => includesApp(request, app), request.to))
      if ('targets' in result) {
        targets.set(name, result.to)
        for (const move of changesTo(progress.get(name).releasesBefore, result.targets))
          moves.push({ host: name, ...move })
      } else if ('error' in result) progress.failPhase(name, 'look', result.error)
      else if ('unchanged' in result) {
        progress.get(name).outcome = 'unchanged'
        progress.addWarning(result.unchanged, name)
      } else {
        progress.skipHost(name, 'look', result.skipped)
        progress.addWarning(`${result.skipped}; the host is skipped, and the next run updates it`, name)
      }
    this.abort.checkFailures()
    const hosts = able.filter(({ name }) => targets.has(name))
    if (!this.abort.isAborted) await this.announcement.announceRollback(moves, hosts)
    return { hosts, commandFor: ({ name }) => rollbackCommand(targets.get(name) ?? null) }
  }

  /** Rolls back the hosts that have switched, after a failure, if the operator requested that. */
  async rollBackAfterFailure(members: readonly RolloutHost[]): Promise<void> {
    if (this.abort.reason === undefined || !this.request.rollbackOnFailure) return
    const releasesBefore = ({ name }: RolloutHost) =>
      toCurrentReleases(this.progress.get(name).releasesBefore, (app) => includesApp(this.request, app))
    const back = members.filter(
      (member) => this.progress.get(member.name).hasSwitched && releasesBefore(member) !== null,
    )
    await emitReleaseChanges(await this.changesOfRollback(back), 'rollback', this.ports)
    const run = (member: RolloutHost) => this.runner.run(member, 'rollback', rollbackCommand(releasesBefore(member)))
    const isOver = () => this.abort.isInterrupted
    // These hosts serve the site until then: a deploy in batches is rolled back in batches.
    const { strategy, batch: size } = this.request
    for (const batch of splitIntoBatches(back, { strategy, size, first: new Set(), reverse: false }))
      if (!isOver()) await this.runner.runPhase('rollback', batch, run, { isOver })
  }

  private async changesOfRollback(members: readonly RolloutHost[]): Promise<HostReleaseChange[]> {
    const now = await this.inspection.currentReleases(members)
    return members.flatMap(({ name }) => {
      const progress = this.progress.get(name)
      const before = progress.currentReleases.filter(({ app }) => includesApp(this.request, app))
      progress.changes = changesBetween(now.get(name) ?? this.expectedReleases(before), before)
      return progress.changes.map((move) => ({ host: name, ...move }))
    })
  }

  /** Returns the releases that a host without an answer was to switch to. */
  private expectedReleases(before: readonly CurrentRelease[]): CurrentRelease[] {
    return before.map(({ app }) => ({ app, release: null, commit: this.commits.byApp[app]?.commit ?? null }))
  }
}

function rollbackCommand(to: RollbackTo): HostCommand {
  return { kind: 'rollback', to }
}
