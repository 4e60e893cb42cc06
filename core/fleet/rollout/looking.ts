/** Asks hosts for their releases and their status. */
import { asConvergeError } from '../../model/errors.ts'
import type { LiveRelease } from '../types.ts'
import { liveOf, releasesIn } from './answers.ts'
import type { Board } from './board.ts'
import type { Brake } from './brake.ts'
import type { Crew } from './crew.ts'
import type { Member } from './request.ts'

export class Looking {
  constructor(
    private readonly board: Board,
    private readonly brake: Brake,
    private readonly crew: Crew,
  ) {}

  /** Asks each host for its releases before any switch; a host that does not answer has failed. */
  async before(members: readonly Member[]): Promise<void> {
    await this.crew.each(deploying(members), async (member) => {
      try {
        const releases = releasesIn(await this.crew.ask(member, 'releases'))
        Object.assign(this.board.of(member.name), { before: releases, live: liveOf(releases) })
      } catch (thrown) {
        this.board.fail(member.name, 'look', asConvergeError(thrown))
      }
    })
    this.brake.countFailures()
  }

  /** Asks for the current releases after the switch, on those hosts that may have switched. */
  async after(members: readonly Member[]): Promise<void> {
    const touched = deploying(members).filter(({ name }) => {
      const { connected, phase } = this.board.of(name)
      return connected && (phase === 'switch' || phase === 'rollback')
    })
    // The releases from before the switch are out of date.
    for (const { name } of touched) this.board.of(name).live = []
    const look = async (member: Member) => {
      try {
        this.board.of(member.name).live = liveOf(releasesIn(await this.crew.ask(member, 'releases')))
      } catch (thrown) {
        // The failure of a host is recorded already; this one is only a warning.
        this.board.warn(asConvergeError(thrown), member.name)
      }
    }
    await this.crew.each(touched, look, () => this.brake.isLeft)
  }

  /** Returns the current releases; a host that does not answer is left out. */
  async now(members: readonly Member[]): Promise<ReadonlyMap<string, readonly LiveRelease[]>> {
    const live = new Map<string, readonly LiveRelease[]>()
    const look = async (member: Member) => {
      const releases = await this.crew.ask(member, 'releases').then(releasesIn, () => null)
      if (releases !== null) live.set(member.name, liveOf(releases))
    }
    await this.crew.each(members, look, () => this.brake.isInterrupted)
    return live
  }

  async status(members: readonly Member[], behind: ReadonlyMap<string, string>): Promise<void> {
    await this.crew.each(members, async (member) => {
      const begun = this.board.begin(member.name, 'status')
      try {
        const status = await this.crew.ask(member, 'status')
        this.board.of(member.name).outcome = 'unchanged'
        this.board.done(member.name, 'status', begun, { status, behind: behind.get(member.name) })
      } catch (thrown) {
        this.board.fail(member.name, 'status', asConvergeError(thrown), begun)
      }
    })
  }
}

function deploying(members: readonly Member[]): Member[] {
  return members.filter(({ apps }) => apps.length > 0)
}
