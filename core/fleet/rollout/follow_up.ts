/** Runs follow-up events on hosts after a deploy or rollback of an app on other hosts, once all have switched. */
import { means } from './aftermath.ts'
import { liveOf } from './answers.ts'
import type { Board } from './board.ts'
import type { Brake } from './brake.ts'
import type { Commits } from './commits.ts'
import type { Crew } from './crew.ts'
import type { Member, Ports, RolloutRequest } from './request.ts'

/** By app, as hosts get it in `converge.deployed`. */
export type Deployed = Readonly<Record<string, { readonly commit: string | null; readonly deployment: string | null }>>

const phase = 'follow-up'

export class FollowUps {
  constructor(
    private readonly request: RolloutRequest,
    private readonly ports: Pick<Ports, 'id'>,
    private readonly board: Board,
    private readonly brake: Brake,
    private readonly commits: Commits,
    private readonly crew: Crew,
  ) {}

  /**
   * @param taking hosts that were deployed to or rolled back
   * @param others hosts that are online and can be reached
   * @param caughtUp names of hosts that got a deployment which they had missed
   */
  async run(taking: readonly Member[], others: readonly Member[], caughtUp: readonly string[]): Promise<void> {
    // While a site is half switched, fresh pages do not help, and the follow-ups would add requests.
    const wentBack = taking.some(({ name }) => this.board.of(name).outcome === 'rolled back')
    if (this.brake.isOn && !wentBack) return
    const deployed = this.deployedBy(
      taking,
      [...taking, ...others].filter(({ name }) => caughtUp.includes(name)),
    )
    const able = [...taking.filter(({ name }) => this.board.well(name)), ...others]
    const due = able.filter((member) => eventsOf(member, deployed).length > 0)
    for (const { name } of due) this.board.add(name, true)
    const run = (member: Member) => this.crew.run(member, phase, eventsOf(member, deployed), { deployed })
    // Hosts that rolled back after a failure have switched as well.
    await this.crew.together(phase, due, run, { isOver: () => this.brake.isInterrupted })
  }

  /**
   * Finds the apps that were deployed. A deploy without a switch may complete one that was killed before its
   * follow-ups, so its commits count too.
   */
  private deployedBy(taking: readonly Member[], caughtUp: readonly Member[]): Deployed {
    const { id } = this.ports
    const found: Record<string, Deployed[string]> = {}
    if (!this.brake.isOn)
      for (const [app, { commit }] of Object.entries(this.commits.found)) found[app] = { commit, deployment: null }
    const switched = [...taking.flatMap((member) => this.switchedOn(member)), ...caughtUp.flatMap(({ apps }) => apps)]
    for (const app of switched) found[app] = { commit: found[app]?.commit ?? null, deployment: id }
    return found
  }

  private switchedOn({ name, apps }: Member): string[] {
    const { switched, before, live } = this.board.of(name)
    const releases = liveOf(before)
    const isOther = (app: string) => {
      const [old, now] = [releases, live].map((all) => all.find((one) => one.app === app)?.release ?? null)
      return now !== null && now !== old
    }
    return apps.filter((app) => means(this.request, app) && (switched || isOther(app)))
  }
}

function eventsOf({ followUps = [] }: Member, deployed: Deployed): string[] {
  return followUps.flatMap(({ app, event }) => (Object.hasOwn(deployed, app) ? [event] : []))
}
