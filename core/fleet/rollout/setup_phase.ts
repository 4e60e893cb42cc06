/** Runs the events of setup: at once on new hosts, in batches on hosts in service that restart something. */

import type { RolloutAbort } from './abort.ts'
import type { HostRunner } from './host_runner.ts'
import type { HostInspection } from './inspection.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost, RolloutPorts, RolloutRequest } from './request.ts'
import { type HostWithRestarts, packageWarning, type RestartBatches } from './restart_batches.ts'

export class SetupPhase {
  constructor(
    private readonly request: RolloutRequest,
    private readonly ports: Pick<RolloutPorts, 'known'>,
    private readonly progress: RolloutProgress,
    private readonly abort: RolloutAbort,
    private readonly runner: HostRunner,
    private readonly inspection: HostInspection,
    private readonly restarts: RestartBatches,
  ) {}

  /** Runs setup on all hosts at once, except those that are in service and restart something. */
  async run(members: readonly RolloutHost[]): Promise<void> {
    const phase = 'setup'
    const { strategy, restartsInTurn } = this.request
    const isParallel = strategy === 'parallel' && !restartsInTurn
    const asked = isParallel || this.abort.isAborted ? [] : await this.hostsInService(members)
    const { restarting, packaging } = await this.restarts.predict(asked, phase)
    this.restarts.announce(phase, restarting)
    const membersOf = (due: readonly HostWithRestarts[]) => due.map(({ member }) => member)
    // With batches requested, package changes are done in batches as well.
    const waiting = new Set([...membersOf(restarting), ...(restartsInTurn ? [] : membersOf(packaging))])
    const warning = packageWarning(packaging.filter(({ member }) => !waiting.has(member)))
    if (warning !== null) this.progress.addWarning(warning)
    const run = (member: RolloutHost) => this.runner.runEvents(member, phase, [phase])
    const [inTurn, others] = [true, false].map((isWaiting) =>
      members.filter((member) => waiting.has(member) === isWaiting),
    ) as [RolloutHost[], RolloutHost[]]
    await this.runner.runPhase(phase, others, run)
    await this.restarts.runInBatches(phase, inTurn, run)
  }

  /** Returns the names of the hosts in service on which the deploy of a setup restarts something. */
  async restartsOfDeploy(members: readonly RolloutHost[]): Promise<ReadonlySet<string>> {
    if (this.abort.isAborted) return new Set()
    const due = await this.restarts.findRestarts(await this.hostsInService(members), 'deploy')
    this.restarts.announce('switch', due)
    return new Set(due.map(({ member }) => member.name))
  }

  /**
   * Finds the hosts that visitors already reach; a restart interrupts nothing on a new host. A host with a current
   * release is in service even without a record here, as in a fresh clone of the repository of the stack file.
   */
  private async hostsInService(members: readonly RolloutHost[]): Promise<RolloutHost[]> {
    const { online } = this.ports.known
    const unknown = members.filter(({ name, apps }) => !online.has(name) && apps.length > 0)
    const releases = await this.inspection.currentReleases(unknown)
    const isServing = ({ name }: RolloutHost) => releases.get(name)?.some(({ release }) => release !== null) === true
    return members.filter((member) => online.has(member.name) || isServing(member))
  }
}
