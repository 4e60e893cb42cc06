/** Runs the events of setup: at once on new hosts, in batches on hosts in service that restart something. */
import type { Board } from './board.ts'
import type { Brake } from './brake.ts'
import type { Crew } from './crew.ts'
import type { Looking } from './looking.ts'
import type { Member, Ports, RolloutRequest } from './request.ts'
import { type Due, type Restarts, warningOfPackages } from './restarts.ts'

export class Preparing {
  constructor(
    private readonly request: RolloutRequest,
    private readonly ports: Pick<Ports, 'known'>,
    private readonly board: Board,
    private readonly brake: Brake,
    private readonly crew: Crew,
    private readonly looking: Looking,
    private readonly restarts: Restarts,
  ) {}

  /** Runs setup on all hosts at once, except those that are in service and restart something. */
  async setUp(members: readonly Member[]): Promise<void> {
    const phase = 'setup'
    const { strategy, restartsInTurn } = this.request
    const isParallel = strategy === 'parallel' && !restartsInTurn
    const asked = isParallel || this.brake.isOn ? [] : await this.inService(members)
    const { restarting, packaging } = await this.restarts.foresee(asked, phase)
    this.restarts.announce(phase, restarting)
    const membersOf = (due: readonly Due[]) => due.map(({ member }) => member)
    // With batches requested, package changes are done in batches as well.
    const waiting = new Set([...membersOf(restarting), ...(restartsInTurn ? [] : membersOf(packaging))])
    const warning = warningOfPackages(packaging.filter(({ member }) => !waiting.has(member)))
    if (warning !== null) this.board.say(warning)
    const run = (member: Member) => this.crew.run(member, phase, [phase])
    const [inTurn, others] = [true, false].map((isWaiting) =>
      members.filter((member) => waiting.has(member) === isWaiting),
    ) as [Member[], Member[]]
    await this.crew.together(phase, others, run)
    await this.restarts.inTurn(phase, inTurn, run)
  }

  /** Returns the names of the hosts in service on which the deploy of a setup restarts something. */
  async restartsOfDeploy(members: readonly Member[]): Promise<ReadonlySet<string>> {
    if (this.brake.isOn) return new Set()
    const due = await this.restarts.dueOn(await this.inService(members), 'deploy')
    this.restarts.announce('switch', due)
    return new Set(due.map(({ member }) => member.name))
  }

  /**
   * Finds the hosts that visitors already reach; a restart interrupts nothing on a new host. A host with a current
   * release is in service even without a record here, as in a fresh clone of the repository of the stack file.
   */
  private async inService(members: readonly Member[]): Promise<Member[]> {
    const { online } = this.ports.known
    const unknown = members.filter(({ name, apps }) => !online.has(name) && apps.length > 0)
    const releases = await this.looking.now(unknown)
    const isServing = ({ name }: Member) => releases.get(name)?.some(({ release }) => release !== null) === true
    return members.filter((member) => online.has(member.name) || isServing(member))
  }
}
