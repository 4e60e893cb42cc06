/** Runs follow-up events on hosts after a deploy or rollback of an app on other hosts, once all have switched. */
import { currentReleases } from '../host_answers.ts'
import type { HostRunner } from './hosts/host_runner.ts'
import type { RolloutContext } from './state/context.ts'
import type { DeployedApps } from './state/deploy_commits.ts'
import type { RolloutHost } from './state/request.ts'
import { includesApp } from './state/request.ts'

const phase = 'follow-up'

export class FollowUpPhase {
  constructor(
    private readonly context: RolloutContext,
    private readonly runner: HostRunner,
  ) {}

  /**
   * @param participants hosts that were deployed to or rolled back
   * @param bystanders hosts that are online and can be reached
   * @param caughtUp names of hosts that got a deployment which they had missed
   */
  async run(
    participants: readonly RolloutHost[],
    bystanders: readonly RolloutHost[],
    caughtUp: readonly string[],
  ): Promise<void> {
    // While a site is half switched, fresh pages do not help, and the follow-ups would add requests.
    const hasRolledBack = participants.some(({ name }) => this.context.progress.get(name).outcome === 'rolled back')
    if (this.context.abort.isAborted && !hasRolledBack) return
    const deployed = this.findDeployedApps(
      participants,
      [...participants, ...bystanders].filter(({ name }) => caughtUp.includes(name)),
    )
    const reachable = [...participants, ...bystanders].filter(({ name }) => this.context.progress.isReachable(name))
    const due = reachable.filter((host) => followUpEvents(host, deployed).length > 0)
    for (const { name } of due) this.context.progress.addBystander(name)
    const run = (host: RolloutHost) =>
      this.runner.run(host, phase, { kind: 'events', events: followUpEvents(host, deployed) }, { deployed })
    // Hosts that rolled back after a failure have switched as well.
    await this.runner.runPhase(phase, due, run, { isOver: () => this.context.abort.isInterrupted })
  }

  /**
   * Finds the apps that were deployed. A deploy without a switch may complete one that was killed before its
   * follow-ups, so its commits count too.
   */
  private findDeployedApps(participants: readonly RolloutHost[], caughtUp: readonly RolloutHost[]): DeployedApps {
    const { deploymentId, recorded } = this.context.ports
    const deployed: Record<string, DeployedApps[string]> = {}
    if (!this.context.abort.isAborted)
      for (const [app, { commit }] of Object.entries(this.context.commits.byApp))
        deployed[app] = { commit, deployment: null }
    const missing = caughtUp.flatMap(({ name, apps }) => recorded.missedApps?.get(name) ?? apps)
    const switched = [...participants.flatMap((host) => this.switchedApps(host)), ...missing]
    for (const app of switched) deployed[app] = { commit: deployed[app]?.commit ?? null, deployment: deploymentId }
    return deployed
  }

  private switchedApps({ name, apps }: RolloutHost): string[] {
    const { hasSwitched, releasesBefore, currentReleases: current } = this.context.progress.get(name)
    const releases = currentReleases(releasesBefore)
    const isOther = (app: string) => {
      const [oldRelease, newRelease] = [releases, current].map(
        (all) => all.find((one) => one.app === app)?.release ?? null,
      )
      return newRelease !== null && newRelease !== oldRelease
    }
    return apps.filter((app) => includesApp(this.context.request, app) && (hasSwitched || isOther(app)))
  }
}

function followUpEvents({ followUps = [] }: RolloutHost, deployed: DeployedApps): string[] {
  return followUps.flatMap(({ app, event }) => (Object.hasOwn(deployed, app) ? [event] : []))
}
