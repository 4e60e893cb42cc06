/** Reports in advance what a rollout does: the releases, the duration, and whether visitors notice. */
import { means } from './aftermath.ts'
import type { Board } from './board.ts'
import type { Commits } from './commits.ts'
import { estimateOf } from './estimate.ts'
import type { Looking } from './looking.ts'
import { type HostMove, isChange, movesOfDeploy, tellMoves } from './moves.ts'
import { orderOf } from './order.ts'
import type { Member, Ports, RolloutRequest } from './request.ts'
import { simultaneousRestarts } from './simultaneous.ts'

/** Events that stop programs and start them again. */
const restarting: readonly string[] = ['restart', 'rebuild', 'deploy']

export class Forecast {
  constructor(
    private readonly request: RolloutRequest,
    private readonly ports: Ports,
    private readonly board: Board,
    private readonly commits: Commits,
    private readonly looking: Looking,
  ) {}

  /**
   * Reports a setup or a deploy, once the commits are known.
   * @param inTurn hosts that restart something, and take turns
   */
  async ofDeploy(members: readonly Member[], inTurn: ReadonlySet<string>): Promise<void> {
    const commitOf = (app: string) => (means(this.request, app) ? (this.commits.found[app]?.commit ?? null) : null)
    const moves = members.flatMap((member) => movesOfDeploy(member, this.board.live(member.name), commitOf))
    await tellMoves(moves, 'switch', this.ports)
    const changing = moves.filter(isChange)
    const changes = changing.length > 0
    const { batches } = orderOf(members, this.request, this.ports, this.commits, { inTurn })
    this.tellDuration(members, changes || inTurn.size > 0, changing, batches.length)
    const { action, restartsInTurn } = this.request
    if (restartsInTurn)
      this.warnOfRestarts(
        members.filter(({ name }) => inTurn.has(name)),
        inTurn,
      )
    else if (changes || action !== 'setup') this.warnOfRestarts(members)
  }

  async ofRollback(moves: readonly HostMove[], members: readonly Member[]): Promise<void> {
    await tellMoves(moves, 'rollback', this.ports)
    if (this.request.action === 'plan') return
    this.tellDuration(members, true, moves.filter(isChange))
    this.warnOfRestarts(members)
  }

  /** Reports the hosts that missed a deployment, and get the commits of the stack by a configure. */
  async ofCatchUp(members: readonly Member[]): Promise<void> {
    const now = await this.looking.now(members)
    const commitOf = (app: string) => this.ports.known.apps[app]?.commit ?? null
    const moves = members.flatMap((member) => movesOfDeploy(member, now.get(member.name) ?? [], commitOf))
    await tellMoves(moves, 'configure', this.ports)
  }

  ofRun(events: readonly string[], members: readonly Member[]): void {
    if (events.some((event) => restarting.includes(event))) this.warnOfRestarts(members)
  }

  /**
   * @param changes whether something will change, as far as that is known
   * @param moves changes of releases
   */
  tellDuration(
    members: readonly Member[],
    changes: boolean,
    moves: readonly HostMove[],
    batches = this.batchesOf(members).length,
  ): void {
    const { action, parallel } = this.request
    const earlier = this.ports.earlier?.()
    if (earlier === undefined || members.length === 0) return
    const apps = moves.map(({ app }) => app)
    const estimate = estimateOf(earlier, { action, changes, apps, hosts: members.length, batches, parallel })
    const { durationMs, runs } = estimate ?? { durationMs: null, runs: 0 }
    this.ports.tell({ event: 'estimate', durationMs, runs, batches })
  }

  private warnOfRestarts(members: readonly Member[], inTurn?: ReadonlySet<string>): void {
    const { batches } = orderOf(members, this.request, this.ports, this.commits, inTurn === undefined ? {} : { inTurn })
    const strategy = inTurn === undefined ? this.request.strategy : 'rolling'
    const warning = simultaneousRestarts(batches, this.serving(), { strategy })
    if (warning !== null) this.board.say(warning)
  }

  private serving(): ReadonlyMap<string, ReadonlySet<string>> {
    const serving = new Map<string, Set<string>>()
    for (const { name, apps } of this.ports.members)
      for (const app of apps)
        if (this.ports.known.online.has(name) && means(this.request, app))
          serving.set(app, (serving.get(app) ?? new Set()).add(name))
    return serving
  }

  private batchesOf(members: readonly Member[]): readonly (readonly Member[])[] {
    return orderOf(members, this.request, this.ports, this.commits).batches
  }
}
