/** Decides when a rollout aborts: after too many failures, for a reason of one of its phases, or after an interrupt. */
import { resolveHostCount } from '../../planning/host_count.ts'
import type { Interruption } from './ports.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost, RolloutRequest } from './request.ts'

export class RolloutAbort {
  private abortReason: string | undefined
  /** Whether the reason is the number of failures, which may grow while other hosts finish. */
  private isByFailures = false

  constructor(
    private readonly request: Pick<RolloutRequest, 'action' | 'maxFailures'>,
    private readonly progress: RolloutProgress,
    private readonly participants: readonly RolloutHost[],
    private readonly interruption: () => Interruption,
  ) {}

  /** The reason for an abort, other than an interrupt. */
  get reason(): string | undefined {
    return this.abortReason
  }

  get isAborted(): boolean {
    return this.abortReason !== undefined || this.isInterrupted
  }

  get isInterrupted(): boolean {
    return this.interruption() !== 'none'
  }

  /** Whether the operator has quit: the connections to the hosts are closed. */
  get hasOperatorQuit(): boolean {
    return this.interruption() === 'leave'
  }

  trigger(reason: string): void {
    this.abortReason ??= reason
  }

  /** Aborts when more hosts failed than --max-failures allows; failures after an interrupt do not count. */
  checkFailures(): void {
    const { action, maxFailures } = this.request
    if (action === 'plan' || action === 'status' || this.isInterrupted) return
    const failed = this.participants.filter(({ name }) => this.progress.hasFailed(name)).length
    const allowed = resolveHostCount(maxFailures, this.participants.length, 0)
    if (failed <= allowed || (this.abortReason !== undefined && !this.isByFailures)) return
    this.isByFailures = true
    this.abortReason = `${failed === 1 ? 'one host' : `${failed} hosts`} failed, and --max-failures is ${allowed}`
  }
}
