/** Connects to the hosts of a rollout: those that take part, and those that must learn of the change. */
import { asConvergeError } from '../../model/errors.ts'
import type { Action, Tell } from '../types.ts'
import { namesOf } from './aftermath.ts'
import type { Board } from './board.ts'
import type { Brake } from './brake.ts'
import type { Crew } from './crew.ts'
import { isDown } from './fleet_host.ts'
import type { Member, RolloutRequest } from './request.ts'

/** Actions after which the other hosts must adapt: the set of online hosts or the code changes. */
const withNews: readonly Action[] = ['setup', 'deploy', 'undeploy', 'shutdown']
/** Read-only actions. They do not lock the host, because another rollout may be running on it. */
const looking: readonly Action[] = ['plan', 'status']
const few = 5

export class Connecting {
  constructor(
    private readonly request: RolloutRequest,
    private readonly board: Board,
    private readonly brake: Brake,
    private readonly crew: Crew,
    private readonly tell: Tell,
  ) {}

  /** @returns names of those of `others` that could not be reached */
  async connect(taking: readonly Member[], others: readonly Member[]): Promise<ReadonlySet<string>> {
    const { action } = this.request
    const missed = new Set<string>()
    const followers = action === 'rollback' ? others.filter(({ followUps = [] }) => followUps.length > 0) : []
    const news = withNews.includes(action) ? others : followers
    const isOver = () => this.brake.isInterrupted
    this.tell({ event: 'phase', phase: 'connect', hosts: namesOf(taking) })
    await Promise.all([
      this.crew.each(taking, (member) => this.one(member), isOver),
      this.crew.each(news, (member) => this.other(member, missed), isOver),
    ])
    if (action !== 'status' && !this.brake.isInterrupted) this.whoIsMissing(taking)
    return missed
  }

  private async one({ name, host }: Member): Promise<void> {
    const { action, down } = this.request
    const begun = this.board.begin(name, 'connect')
    try {
      await host.connect(!looking.includes(action))
      this.board.of(name).connected = true
    } catch (thrown) {
      const error = asConvergeError(thrown)
      if (!isDown(error) || (down === 'fail' && action !== 'status'))
        return this.board.fail(name, 'connect', error, begun)
      this.board.skip(name, 'connect', error.message, begun)
    }
  }

  private async other({ name, host }: Member, missed: Set<string>): Promise<void> {
    const { action } = this.request
    try {
      await host.connect(true)
    } catch (thrown) {
      missed.add(name)
      const hint = 'run converge stack configure once it can be reached'
      this.board.warn(asConvergeError(thrown), name, `it misses this ${action} (${hint})`)
    }
  }

  private whoIsMissing(taking: readonly Member[]): void {
    const { board, brake } = this
    if (taking.every(({ name }) => !board.of(name).connected)) return brake.stop('no host can be used')
    const failed = taking.filter(({ name }) => board.hasFailed(name))
    if (failed.length === 0) return
    const down = failed.every(({ name }) =>
      ['CONNECT_FAILED', 'HOST_SILENT'].includes(board.of(name).failure?.code ?? ''),
    )
    const hint = 'add --down skip to continue without them'
    // With more hosts, the summary names each one and the reason.
    const who = failed.length > few ? `${failed.length} hosts` : namesOf(failed).join(', ')
    brake.stop(`${who} cannot be used; nothing was begun${down ? `; ${hint}` : ''}`)
  }
}
