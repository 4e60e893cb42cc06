/** Decides when a rollout aborts: too many failures, or an interrupt by the operator. */
import type { Board } from './board.ts'
import { amountOf } from './plan.ts'
import type { Interruption, Member, RolloutRequest } from './request.ts'

export class Brake {
  private reason: string | undefined
  /** Whether the reason is the number of failures, which may grow while other hosts finish. */
  private counts = false

  constructor(
    private readonly request: Pick<RolloutRequest, 'action' | 'maxFailures'>,
    private readonly board: Board,
    private readonly taking: readonly Member[],
    private readonly interruption: () => Interruption,
  ) {}

  /** The reason for an abort, other than an interrupt. */
  get why(): string | undefined {
    return this.reason
  }

  get isOn(): boolean {
    return this.reason !== undefined || this.isInterrupted
  }

  get isInterrupted(): boolean {
    return this.interruption() !== 'none'
  }

  /** Whether the operator has quit: the connections to the hosts are closed. */
  get isLeft(): boolean {
    return this.interruption() === 'leave'
  }

  stop(why: string): void {
    this.reason ??= why
  }

  /** Aborts when more hosts failed than --max-failures allows; failures after an interrupt do not count. */
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
