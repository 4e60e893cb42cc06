/** Runs configure after the hosts of a stack changed: in batches where something restarts, at once elsewhere. */
import { namesOf } from './aftermath.ts'
import type { Board } from './board.ts'
import type { Crew } from './crew.ts'
import type { Forecast } from './forecast.ts'
import type { Member, Ports, RolloutRequest } from './request.ts'
import type { Due, Restarts } from './restarts.ts'

/** Events that a host runs after it missed a deployment. */
export const defaultEvents = ['setup', 'deploy', 'configure']
const phase = 'configure'

export class Configuring {
  /** Hosts that had missed an earlier deployment, and now have it. */
  readonly caughtUp: string[] = []

  constructor(
    private readonly request: RolloutRequest,
    private readonly ports: Ports,
    private readonly board: Board,
    private readonly crew: Crew,
    private readonly restarts: Restarts,
    private readonly forecast: Forecast,
  ) {}

  /** @param settled hosts whose run ended moments ago: they have nothing to restart */
  async all(members: readonly Member[], settled: readonly Member[] = []): Promise<void> {
    const due = await this.dueOn(members.filter((member) => !settled.includes(member)))
    const restarting = due.map(({ member }) => member)
    this.restarts.announce(phase, due)
    const others = members.filter((member) => !restarting.includes(member))
    await this.forecast.ofCatchUp(restarting.filter(({ name }) => this.ports.known.behind.has(name)))
    if (this.request.action === 'configure') {
      const batches = Math.max(1, this.restarts.batches(restarting).length)
      this.forecast.tellDuration(members, restarting.length > 0, [], batches)
    }
    await this.crew.together(phase, others, (member) => this.configure(member, settled.includes(member)))
    await this.restarts.inTurn(
      phase,
      restarting,
      (member) => this.configure(member),
      (left) => this.leave(left),
    )
  }

  /** Runs configure on a host; a host that missed a deployment gets that first. */
  private async configure(member: Member, isSettled = false): Promise<void> {
    const late = isSettled ? undefined : this.ports.known.behind.get(member.name)
    if (late === undefined) return this.crew.run(member, phase, [phase])
    this.board.say(`it missed deployment ${late}, and gets that now`, member.name)
    await this.crew.run(member, phase, defaultEvents, { options: ['--no-migrate'] })
    if (this.board.succeeded(member.name)) this.caughtUp.push(member.name)
  }

  private leave(members: readonly Member[]): void {
    const reason = 'not restarted, since another host failed'
    for (const { name } of members) this.board.skip(name, phase, reason)
    const names = namesOf(members)
    this.board.say(
      `${names.join(', ')} ${names.length === 1 ? 'was' : 'were'} ${reason}; repair it, then run converge stack configure`,
    )
  }

  /** Finds the hosts that restart something; a host that missed a deployment counts, whatever that changes. */
  private async dueOn(members: readonly Member[]): Promise<readonly Due[]> {
    const { behind } = this.ports.known
    const asked = members.filter(({ name }) => !behind.has(name))
    const due = new Map((await this.restarts.dueOn(asked, phase)).map((one) => [one.member, one]))
    return members.flatMap((member) => {
      const missed = behind.get(member.name)
      if (missed !== undefined) return [{ member, what: [`all of deployment ${missed}, which it missed`] }]
      return due.get(member) ?? []
    })
  }
}
