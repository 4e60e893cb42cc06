/** Decides when a rollout aborts: too many failures, a failed health check, or an interrupt by the operator. */

import { asConvergeError } from '../../model/errors.ts'
import type { Health } from '../health/health_check.ts'
import { resolveHostCount } from '../planning/batches.ts'
import type { OnlineHosts } from './online_hosts.ts'
import type { HealthWatch, Interruption, RolloutPorts } from './ports.ts'
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
    const most = resolveHostCount(maxFailures, this.participants.length, 0)
    if (failed <= most || (this.abortReason !== undefined && !this.isByFailures)) return
    this.isByFailures = true
    this.abortReason = `${failed === 1 ? 'one host' : `${failed} hosts`} failed, and --max-failures is ${most}`
  }
}

/** Seconds: the time for a check of whether the site answers now. */
const quickCheckSeconds = 3

export class HealthGate {
  constructor(
    private readonly ports: Pick<RolloutPorts, 'health' | 'emit' | 'onInterrupt'>,
    private readonly progress: RolloutProgress,
    private readonly abort: RolloutAbort,
    private readonly onlineHosts: Pick<OnlineHosts, 'servedSiteOf'>,
  ) {}

  /**
   * Decides whether the site answered before these hosts change. A site that was not in service yet is not asked: any
   * answer would be that of another program.
   */
  async passesBefore(members: readonly RolloutHost[]): Promise<boolean> {
    if (!this.onlineHosts.servedSiteOf(members)) return false
    const health = await this.runCheck(quickCheckSeconds)
    if (health === null) return false
    const { ok, what, detail } = health
    if (!ok)
      this.progress.addWarning(
        `the health check failed before the first switch: ${what}: ${detail}; it is repeated when all hosts are done`,
      )
    return ok
  }

  /** Aborts the rollout where the health check fails. */
  async check(): Promise<void> {
    const health = await this.runCheck()
    if (health === null) return
    const { ok, what, detail } = health
    this.ports.emit({ event: 'health', what, ok, detail })
    if (!ok) this.abort.trigger(`the health check failed: ${what}: ${detail}`)
  }

  /** Runs the health check; null where the stack defines none, or the operator interrupts. */
  private async runCheck(mostSeconds?: number): Promise<Health | null> {
    const { health, onInterrupt, emit } = this.ports
    if (health === null || this.abort.isInterrupted) return null
    const given = new AbortController()
    const watch: HealthWatch = {
      signal: given.signal,
      onWait: (waiting) => {
        if (!given.signal.aborted) emit({ event: 'waiting', ...waiting })
      },
    }
    let leave: () => void = () => undefined
    const up = new Promise<null>((resolve) => {
      leave = onInterrupt(() => {
        given.abort()
        resolve(null)
      })
    })
    try {
      return await Promise.race([health(mostSeconds, watch), up])
    } catch (thrown) {
      // A check that cannot run is a failed check.
      return { ok: false, what: 'the check cannot run', detail: asConvergeError(thrown).message }
    } finally {
      leave()
    }
  }
}
