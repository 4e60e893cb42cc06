/** Runs configure: at once on hosts that restart nothing, then in batches. Hosts get the deployments that they missed. */
import { shortId } from '../records/deployment_number.ts'
import type { CurrentRelease } from '../types.ts'
import type { HostPrediction } from './hosts/restart_batches.ts'
import type { PhaseTools } from './phase_tools.ts'
import type { RolloutContext } from './state/context.ts'
import type { RolloutHost } from './state/request.ts'
import { hostNames } from './state/request.ts'

/** Events that a host runs after it missed a deployment. */
export const catchUpEvents = ['setup', 'deploy', 'configure']
const phase = 'configure'

export class ConfigurePhase {
  /** Hosts that had missed an earlier deployment, and now have it. */
  readonly caughtUp: string[] = []
  /** Current releases of the hosts that change something, as far as they answered. */
  private releases: ReadonlyMap<string, readonly CurrentRelease[]> = new Map()

  constructor(
    private readonly context: RolloutContext,
    private readonly tools: PhaseTools,
  ) {}

  /**
   * Runs configure on the hosts.
   * @param settled hosts that this rollout has set up: they have nothing to restart
   */
  async run(hosts: readonly RolloutHost[], settled: readonly RolloutHost[] = []): Promise<void> {
    const { due, changing } = await this.predict(hosts.filter((host) => !settled.includes(host)))
    const restarting = due.map(({ host }) => host)
    this.tools.restarts.announce(phase, due)
    this.tools.announcement.warnOfLastHosts(restarting)
    const others = hosts.filter((host) => !restarting.includes(host))
    // A host that changes something may build a release, and one that builds a release restarts its programs.
    this.releases = await this.tools.inspection.currentReleases(changing)
    await this.tools.announcement.announceCatchUp(
      restarting.filter(({ name }) => this.context.ports.recorded.behind.has(name)),
      this.releases,
    )
    if (this.isConfigure) {
      const batches = Math.max(1, this.tools.restarts.batches(restarting).length)
      this.tools.announcement.announceDuration(hosts, restarting.length > 0, {
        batches,
        restarting: hostNames(restarting),
      })
    }
    const hasAnswered = await this.answersBefore(hosts, changing)
    const before = this.countChanges(hosts)
    let isChecked = false
    await this.tools.inspection.recordChanges(changing, this.releases, async () => {
      await this.tools.runner.runPhase(phase, others, (host) => this.configure(host, settled.includes(host)))
      const onRemaining = (remaining: readonly RolloutHost[]) => this.skipRemaining(remaining)
      const run = (host: RolloutHost) => this.configure(host)
      isChecked = await this.tools.restarts.runInBatches(phase, restarting, run, { hasAnswered, onRemaining })
    })
    if (!isChecked)
      await this.checkAtEnd(hosts, { answered: hasAnswered, hasChanged: this.countChanges(hosts) > before })
  }

  private get isConfigure(): boolean {
    return this.context.request.action === 'configure'
  }

  /** Decides whether the site answered before. If nothing will change, it is not checked. */
  private async answersBefore(hosts: readonly RolloutHost[], changing: readonly RolloutHost[]): Promise<boolean> {
    if (this.context.abort.isAborted) return false
    if (this.tools.gate.hasPassed) return this.tools.gate.isInService(hosts)
    if (changing.length === 0) return false
    return this.tools.gate.passesBeforeSwitch(hosts, this.isConfigure ? undefined : 'it is not repeated')
  }

  /**
   * Checks the site when all hosts are done. A configure must not end well with a broken site, even if it changed
   * nothing. After another action the site may be broken on purpose, unless it answered before.
   */
  private async checkAtEnd(
    hosts: readonly RolloutHost[],
    { answered, hasChanged }: { readonly answered: boolean; readonly hasChanged: boolean },
  ): Promise<void> {
    const hasRelease = [...this.releases.values()].flat().some(({ release }) => release !== null)
    const isDue = this.isConfigure
      ? this.tools.gate.isInService(hosts) || (hasChanged && hasRelease)
      : answered && hasChanged
    if (isDue && !this.context.abort.isAborted) await this.tools.gate.check()
  }

  /** Counts what the runs on these hosts have changed so far. */
  private countChanges(hosts: readonly RolloutHost[]): number {
    return hosts.reduce((sum, { name }) => sum + (this.context.progress.find(name)?.counts.changed ?? 0), 0)
  }

  /** Predicts what `run` would do, with the deployments that hosts missed. */
  async plan(hosts: readonly RolloutHost[]): Promise<void> {
    const outdated = hosts.filter(({ name }) => this.context.ports.recorded.behind.has(name))
    this.releases = await this.tools.inspection.currentReleases(outdated)
    await this.tools.announcement.announceCatchUp(outdated, this.releases)
    await this.tools.runner.runPhase('plan', hosts, (host) => {
      const missing = this.context.ports.recorded.behind.get(host.name)
      if (missing === undefined)
        return this.tools.runner.run(host, 'plan', { kind: 'events', events: [phase] }, { isDryRun: true })
      return this.catchUp(host, missing, 'plan')
    })
  }

  /**
   * Reports the hosts that missed a deployment, for the plan of a deploy: it updates them, and configures the others.
   * @param participants hosts that the plan is for
   */
  async announceMissingDeployments(
    participants: readonly RolloutHost[],
    bystanders: readonly RolloutHost[],
  ): Promise<void> {
    const { behind } = this.context.ports.recorded
    for (const host of [...participants, ...bystanders]) {
      const missing = behind.get(host.name)
      if (missing === undefined) continue
      this.context.progress.addWarning(
        `the host missed ${this.describeMissingDeployment(host, missing)}; stack deploy updates it`,
        host.name,
      )
    }
    const outdated = participants.filter(({ name, apps }) => behind.has(name) && apps.length > 0)
    const releases = await this.tools.inspection.currentReleases(outdated)
    await this.tools.announcement.announceUpdates(
      outdated,
      releases,
      await this.tools.inspection.requestedCommits(outdated),
    )
  }

  /** Runs configure on a host; a host that missed a deployment gets that first. */
  private async configure(host: RolloutHost, isSettled = false): Promise<void> {
    const missedDeployment = isSettled ? undefined : this.context.ports.recorded.behind.get(host.name)
    if (missedDeployment === undefined) return this.tools.runner.run(host, phase, { kind: 'events', events: [phase] })
    await this.catchUp(host, missedDeployment, phase)
    if (this.context.progress.succeeded(host.name)) this.caughtUp.push(host.name)
  }

  private async catchUp(host: RolloutHost, deployment: string, phase: 'plan' | 'configure'): Promise<void> {
    const isDryRun = phase === 'plan'
    const description = this.describeMissingDeployment(host, deployment)
    this.context.progress.addWarning(
      isDryRun
        ? `the host missed ${description}, which stack configure deploys`
        : `the host missed ${description}, and gets it now`,
      host.name,
    )
    const apps = this.context.ports.recorded.missedApps?.get(host.name) ?? host.apps
    const missing = { apps, currentReleases: this.releases.get(host.name) ?? [] }
    const command = { kind: 'events', events: catchUpEvents, migrate: false } as const
    await this.tools.runner.run(host, phase, command, { isDryRun, missing })
  }

  /** Describes a missed deployment; names its apps if they are recorded, and are not all apps of the host. */
  private describeMissingDeployment({ name, apps }: RolloutHost, deployment: string): string {
    const missing = this.context.ports.recorded.missedApps?.get(name) ?? []
    const isPart = missing.length > 0 && !apps.every((app) => missing.includes(app))
    return `deployment ${shortId(deployment)}${isPart ? ` of ${missing.join(', ')}` : ''}`
  }

  private skipRemaining(hosts: readonly RolloutHost[]): void {
    const reason = 'not restarted, because another host failed'
    for (const { name } of hosts) this.context.progress.skipHost(name, phase, reason)
    const names = hostNames(hosts)
    this.context.progress.addWarning(
      `${names.join(', ')} ${names.length === 1 ? 'was' : 'were'} ${reason}; repair it, then run converge stack configure`,
    )
  }

  /** Finds the hosts that change or restart something; a host that missed a deployment counts, whatever that changes. */
  private async predict(hosts: readonly RolloutHost[]): Promise<{
    readonly due: readonly HostPrediction[]
    readonly changing: readonly RolloutHost[]
  }> {
    const { behind } = this.context.ports.recorded
    const predicted = await this.tools.restarts.predict(
      hosts.filter(({ name }) => !behind.has(name)),
      phase,
    )
    const predictionByHost = new Map(predicted.restarting.map((prediction) => [prediction.host, prediction]))
    const due = hosts.flatMap((host) => {
      const missing = behind.get(host.name)
      if (missing !== undefined)
        return [{ host, details: [`all of ${this.describeMissingDeployment(host, missing)}, which it missed`] }]
      return predictionByHost.get(host) ?? []
    })
    return { due, changing: [...new Set([...due.map(({ host }) => host), ...predicted.changing])] }
  }
}
