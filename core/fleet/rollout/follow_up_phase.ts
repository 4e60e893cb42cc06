/** Runs follow-up events on hosts after a deploy or rollback of an app on other hosts, once all have switched. */

import { currentReleases } from '../host_answers.ts'
import type { RolloutAbort } from './abort.ts'
import type { DeployCommits } from './commits.ts'
import type { HostRunner } from './host_runner.ts'
import type { RolloutPorts } from './ports.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost, RolloutRequest } from './request.ts'
import { includesApp } from './request.ts'

/** By app, as hosts get it in `converge.deployed`. */
export type DeployedApps = Readonly<
  Record<string, { readonly commit: string | null; readonly deployment: string | null }>
>

const phase = 'follow-up'

export class FollowUpPhase {
  constructor(
    private readonly request: RolloutRequest,
    private readonly ports: Pick<RolloutPorts, 'id'>,
    private readonly progress: RolloutProgress,
    private readonly abort: RolloutAbort,
    private readonly commits: DeployCommits,
    private readonly runner: HostRunner,
  ) {}

  /**
   * @param taking hosts that were deployed to or rolled back
   * @param others hosts that are online and can be reached
   * @param caughtUp names of hosts that got a deployment which they had missed
   */
  async run(
    taking: readonly RolloutHost[],
    others: readonly RolloutHost[],
    caughtUp: readonly string[],
  ): Promise<void> {
    // While a site is half switched, fresh pages do not help, and the follow-ups would add requests.
    const wentBack = taking.some(({ name }) => this.progress.get(name).outcome === 'rolled back')
    if (this.abort.isAborted && !wentBack) return
    const deployed = this.findDeployedApps(
      taking,
      [...taking, ...others].filter(({ name }) => caughtUp.includes(name)),
    )
    const able = [...taking, ...others].filter(({ name }) => this.progress.isReachable(name))
    const due = able.filter((member) => followUpEvents(member, deployed).length > 0)
    for (const { name } of due) this.progress.addBystander(name)
    const run = (member: RolloutHost) =>
      this.runner.run(member, phase, { kind: 'events', events: followUpEvents(member, deployed) }, { deployed })
    // Hosts that rolled back after a failure have switched as well.
    await this.runner.runPhase(phase, due, run, { isOver: () => this.abort.isInterrupted })
  }

  /**
   * Finds the apps that were deployed. A deploy without a switch may complete one that was killed before its
   * follow-ups, so its commits count too.
   */
  private findDeployedApps(taking: readonly RolloutHost[], caughtUp: readonly RolloutHost[]): DeployedApps {
    const { id } = this.ports
    const found: Record<string, DeployedApps[string]> = {}
    if (!this.abort.isAborted)
      for (const [app, { commit }] of Object.entries(this.commits.byApp)) found[app] = { commit, deployment: null }
    const switched = [...taking.flatMap((member) => this.switchedApps(member)), ...caughtUp.flatMap(({ apps }) => apps)]
    for (const app of switched) found[app] = { commit: found[app]?.commit ?? null, deployment: id }
    return found
  }

  private switchedApps({ name, apps }: RolloutHost): string[] {
    const { hasSwitched, releasesBefore, currentReleases: live } = this.progress.get(name)
    const releases = currentReleases(releasesBefore)
    const isOther = (app: string) => {
      const [old, now] = [releases, live].map((all) => all.find((one) => one.app === app)?.release ?? null)
      return now !== null && now !== old
    }
    return apps.filter((app) => includesApp(this.request, app) && (hasSwitched || isOther(app)))
  }
}

function followUpEvents({ followUps = [] }: RolloutHost, deployed: DeployedApps): string[] {
  return followUps.flatMap(({ app, event }) => (Object.hasOwn(deployed, app) ? [event] : []))
}
