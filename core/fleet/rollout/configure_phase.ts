/** Runs configure after the hosts of a stack changed: in batches where something restarts, at once elsewhere. */

import type { Announcement } from './announcement.ts'
import type { HostRunner } from './host_runner.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost, RolloutPorts, RolloutRequest } from './request.ts'
import type { HostWithRestarts, RestartBatches } from './restart_batches.ts'
import { hostNames } from './result.ts'

/** Events that a host runs after it missed a deployment. */
export const catchUpEvents = ['setup', 'deploy', 'configure']
const phase = 'configure'

export class ConfigurePhase {
  /** Hosts that had missed an earlier deployment, and now have it. */
  readonly caughtUp: string[] = []

  constructor(
    private readonly request: RolloutRequest,
    private readonly ports: RolloutPorts,
    private readonly progress: RolloutProgress,
    private readonly runner: HostRunner,
    private readonly restarts: RestartBatches,
    private readonly announcement: Announcement,
  ) {}

  /** @param settled hosts whose run ended moments ago: they have nothing to restart */
  async run(members: readonly RolloutHost[], settled: readonly RolloutHost[] = []): Promise<void> {
    const due = await this.hostsWithRestarts(members.filter((member) => !settled.includes(member)))
    const restarting = due.map(({ member }) => member)
    this.restarts.announce(phase, due)
    const others = members.filter((member) => !restarting.includes(member))
    await this.announcement.announceCatchUp(restarting.filter(({ name }) => this.ports.known.behind.has(name)))
    if (this.request.action === 'configure') {
      const batches = Math.max(1, this.restarts.batches(restarting).length)
      this.announcement.announceDuration(members, restarting.length > 0, [], batches)
    }
    await this.runner.runPhase(phase, others, (member) => this.configure(member, settled.includes(member)))
    await this.restarts.runInBatches(
      phase,
      restarting,
      (member) => this.configure(member),
      (left) => this.skipRemaining(left),
    )
  }

  /** Runs configure on a host; a host that missed a deployment gets that first. */
  private async configure(member: RolloutHost, isSettled = false): Promise<void> {
    const late = isSettled ? undefined : this.ports.known.behind.get(member.name)
    if (late === undefined) return this.runner.runEvents(member, phase, [phase])
    this.progress.addWarning(`it missed deployment ${late}, and gets that now`, member.name)
    await this.runner.runEvents(member, phase, catchUpEvents, { options: ['--no-migrate'] })
    if (this.progress.succeeded(member.name)) this.caughtUp.push(member.name)
  }

  private skipRemaining(members: readonly RolloutHost[]): void {
    const reason = 'not restarted, since another host failed'
    for (const { name } of members) this.progress.skipHost(name, phase, reason)
    const names = hostNames(members)
    this.progress.addWarning(
      `${names.join(', ')} ${names.length === 1 ? 'was' : 'were'} ${reason}; repair it, then run converge stack configure`,
    )
  }

  /** Finds the hosts that restart something; a host that missed a deployment counts, whatever that changes. */
  private async hostsWithRestarts(members: readonly RolloutHost[]): Promise<readonly HostWithRestarts[]> {
    const { behind } = this.ports.known
    const asked = members.filter(({ name }) => !behind.has(name))
    const due = new Map((await this.restarts.findRestarts(asked, phase)).map((one) => [one.member, one]))
    return members.flatMap((member) => {
      const missed = behind.get(member.name)
      if (missed !== undefined) return [{ member, what: [`all of deployment ${missed}, which it missed`] }]
      return due.get(member) ?? []
    })
  }
}
