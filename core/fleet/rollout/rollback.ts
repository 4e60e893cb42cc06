/** Rolls hosts back: all of them to one commit by request, or those that have switched after a failure. */
import type { HostCommand, RollbackTo } from '../host_client.ts'
import { splitIntoBatches } from '../planning/batches.ts'
import { changesBetween, changesTo, emitReleaseChanges, type HostReleaseChange } from '../planning/release_changes.ts'
import { planRollback, toCurrentReleases } from '../planning/rollback_targets.ts'
import type { CurrentRelease } from '../types.ts'
import type { PhaseTools } from './phase_tools.ts'
import type { RolloutContext } from './state/context.ts'
import type { RolloutHost } from './state/request.ts'
import { includesApp } from './state/request.ts'

interface RollbackPlan {
  readonly hosts: readonly RolloutHost[]
  readonly commandFor: (host: RolloutHost) => HostCommand
}

export class Rollback {
  constructor(
    private readonly context: RolloutContext,
    private readonly tools: PhaseTools,
  ) {}

  /**
   * Computes how each host rolls back, so that all run one commit of each app: the requested one, or the one before its
   * last change.
   * @returns the hosts to roll back, and the command for each
   */
  async plan(stackHosts: readonly RolloutHost[]): Promise<RollbackPlan> {
    const { progress, request } = this.context
    await this.tools.inspection.recordReleasesBefore(stackHosts)
    if (this.context.abort.isAborted) return { hosts: [], commandFor: () => rollbackCommand(null) }
    const usable = stackHosts.filter(({ name }) => progress.isUsable(name))
    const returning = usable.map(({ name }) => ({ name, releases: progress.get(name).releasesBefore }))
    const targets = new Map<string, RollbackTo>()
    const moves: HostReleaseChange[] = []
    for (const [name, result] of planRollback(returning, (app) => includesApp(request, app), request.rollbackTo))
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
    this.context.abort.checkFailures()
    const hosts = usable.filter(({ name }) => targets.has(name))
    if (!this.context.abort.isAborted) await this.tools.announcement.announceRollback(moves, hosts)
    return { hosts, commandFor: ({ name }) => rollbackCommand(targets.get(name) ?? null) }
  }

  /** Rolls back the hosts that have switched, after a failure, if the operator requested that. */
  async rollBackAfterFailure(hosts: readonly RolloutHost[]): Promise<void> {
    if (this.context.abort.reason === undefined || !this.context.request.rollbackOnFailure) return
    const releasesBefore = ({ name }: RolloutHost) =>
      toCurrentReleases(this.context.progress.get(name).releasesBefore, (app) => includesApp(this.context.request, app))
    const switched = hosts.filter(
      (host) => this.context.progress.get(host.name).hasSwitched && releasesBefore(host) !== null,
    )
    await emitReleaseChanges(await this.changesOfRollback(switched), 'rollback', this.context.ports)
    const run = (host: RolloutHost) => this.tools.runner.run(host, 'rollback', rollbackCommand(releasesBefore(host)))
    const isOver = () => this.context.abort.isInterrupted
    // These hosts serve the site until then: a deploy in batches is rolled back in batches.
    const { strategy, batchSize: size } = this.context.request
    // Visitors get the failed release until then: a pause does not hold it back.
    for (const batch of splitIntoBatches(switched, { strategy, size, first: new Set(), reverse: false }))
      if (!isOver()) await this.tools.runner.runPhase('rollback', batch, run, { isOver, isPausable: false })
  }

  private async changesOfRollback(hosts: readonly RolloutHost[]): Promise<HostReleaseChange[]> {
    const current = await this.tools.inspection.currentReleases(hosts)
    return hosts.flatMap(({ name }) => {
      const progress = this.context.progress.get(name)
      const before = progress.currentReleases.filter(({ app }) => includesApp(this.context.request, app))
      progress.changes = changesBetween(current.get(name) ?? this.expectedReleases(before), before)
      return progress.changes.map((move) => ({ host: name, ...move }))
    })
  }

  /** Returns the releases that a host without an answer was supposed to switch to. */
  private expectedReleases(before: readonly CurrentRelease[]): CurrentRelease[] {
    return before.map(({ app }) => ({ app, release: null, commit: this.context.commits.byApp[app]?.commit ?? null }))
  }
}

function rollbackCommand(to: RollbackTo): HostCommand {
  return { kind: 'rollback', to }
}
