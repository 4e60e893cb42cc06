/** Whether anything further is begun: it stops by itself where too much has failed, and where its operator wants no more. */
import type { Board } from './board.ts'
import { amountOf } from './plan.ts'
import type { Interruption, Member, RolloutRequest } from './request.ts'

export class Brake {
  private reason: string | undefined
  /** Whether the reason is the number of failures, which may grow while others are waited for. */
  private counts = false

  constructor(
    private readonly request: Pick<RolloutRequest, 'action' | 'maxFailures'>,
    private readonly board: Board,
    private readonly taking: readonly Member[],
    private readonly interruption: () => Interruption,
  ) {}

  /** Why it stopped by itself. */
  get why(): string | undefined {
    return this.reason
  }

  get isOn(): boolean {
    return this.reason !== undefined || this.isInterrupted
  }

  get isInterrupted(): boolean {
    return this.interruption() !== 'none'
  }

  /** The hosts are left to themselves: nobody is at the other end any more. */
  get isLeft(): boolean {
    return this.interruption() === 'leave'
  }

  stop(why: string): void {
    this.reason ??= why
  }

  /** Stops where more have failed than may. What was interrupted has failed as well, and is no reason of its own. */
  countFailures(): void {
    const { action, maxFailures } = this.request
    if (action === 'plan' || action === 'status' || this.isInterrupted) return
    const failed = this.taking.filter(({ name }) => this.board.hasFailed(name)).length
    const most = amountOf(maxFailures, this.taking.length, 0)
    if (failed <= most || (this.reason !== undefined && !this.counts)) return
    this.counts = true
    this.reason = `${failed === 1 ? 'one host' : `${failed} hosts`} failed, and --max-failures is ${most}`
  }
}
