/** Rolls hosts back: all of them to one commit by request, or those that have switched after a failure. */
import type { LiveRelease } from '../types.ts'
import { means } from './aftermath.ts'
import { optionsForNow, waysBack } from './back.ts'
import type { Board } from './board.ts'
import type { Brake } from './brake.ts'
import type { Commits } from './commits.ts'
import type { Crew } from './crew.ts'
import type { Forecast } from './forecast.ts'
import type { Looking } from './looking.ts'
import { type HostMove, movesBetween, movesTo, tellMoves } from './moves.ts'
import { batchesOf } from './plan.ts'
import type { Member, Ports, RolloutRequest } from './request.ts'

interface WaysBack {
  readonly going: readonly Member[]
  readonly optionsFor: (member: Member) => readonly string[]
}

export class Rollback {
  constructor(
    private readonly request: RolloutRequest,
    private readonly ports: Ports,
    private readonly board: Board,
    private readonly brake: Brake,
    private readonly crew: Crew,
    private readonly looking: Looking,
    private readonly commits: Commits,
    private readonly forecast: Forecast,
  ) {}

  /**
   * Computes how each host rolls back, so that all run one commit of each app: the requested one, or the one before its
   * last change.
   * @returns the hosts to roll back, and the options of the command for each
   */
  async requested(members: readonly Member[]): Promise<WaysBack> {
    const { board, request } = this
    await this.looking.before(members)
    if (this.brake.isOn) return { going: [], optionsFor: () => [] }
    const able = members.filter(({ name }) => board.well(name))
    const returning = able.map(({ name }) => ({ name, releases: board.of(name).before }))
    const options = new Map<string, readonly string[]>()
    const moves: HostMove[] = []
    for (const [name, way] of waysBack(returning, (app) => means(request, app), request.to))
      if ('options' in way) {
        options.set(name, way.options)
        for (const move of movesTo(board.of(name).before, way.targets)) moves.push({ host: name, ...move })
      } else if ('error' in way) board.fail(name, 'look', way.error)
      else if ('unchanged' in way) {
        board.of(name).outcome = 'unchanged'
        board.say(way.unchanged, name)
      } else {
        board.skip(name, 'look', way.skipped)
        board.say(`${way.skipped}; it is skipped, and brought up to date by the next run`, name)
      }
    this.brake.countFailures()
    const going = able.filter(({ name }) => options.has(name))
    if (!this.brake.isOn) await this.forecast.ofRollback(moves, going)
    return { going, optionsFor: ({ name }) => options.get(name) ?? [] }
  }

  /** Rolls back the hosts that have switched, after a failure, if the operator requested that. */
  async afterFailure(members: readonly Member[]): Promise<void> {
    if (this.brake.why === undefined || !this.request.rollbackOnFailure) return
    const optionsOf = ({ name }: Member) => optionsForNow(this.board.of(name).before, (app) => means(this.request, app))
    const back = members.filter((member) => this.board.of(member.name).switched && optionsOf(member).length > 0)
    await tellMoves(await this.movesBack(back), 'rollback', this.ports)
    const run = (member: Member) => this.crew.run(member, 'rollback', ['rollback'], { options: optionsOf(member) })
    const isOver = () => this.brake.isInterrupted
    // These hosts serve the site until then: a deploy in batches is rolled back in batches.
    const { strategy, batch: size } = this.request
    for (const batch of batchesOf(back, { strategy, size, first: new Set(), reverse: false }))
      if (!isOver()) await this.crew.together('rollback', batch, run, { isOver })
  }

  private async movesBack(members: readonly Member[]): Promise<HostMove[]> {
    const now = await this.looking.now(members)
    return members.flatMap(({ name }) => {
      const progress = this.board.of(name)
      const before = progress.live.filter(({ app }) => means(this.request, app))
      progress.moves = movesBetween(now.get(name) ?? this.expected(before), before)
      return progress.moves.map((move) => ({ host: name, ...move }))
    })
  }

  /** Returns the releases that a host without an answer was to switch to. */
  private expected(before: readonly LiveRelease[]): LiveRelease[] {
    return before.map(({ app }) => ({ app, release: null, commit: this.commits.found[app]?.commit ?? null }))
  }
}
