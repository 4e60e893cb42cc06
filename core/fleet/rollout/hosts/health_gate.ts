/** Checks the site before and between the batches of a rollout, and aborts the rollout where it does not answer. */
import { asConvergeError } from '../../../model/errors.ts'
import type { Health } from '../../health/health_check.ts'
import type { RolloutContext } from '../state/context.ts'
import type { HealthWatch } from '../state/ports.ts'
import type { RolloutHost } from '../state/request.ts'

/** Seconds: the time for a check of whether the site answers now. */
const quickCheckSeconds = 3

export class HealthGate {
  /** Whether the last check of this rollout succeeded; null before the first one. */
  private lastResult: boolean | null = null

  constructor(private readonly context: RolloutContext) {}

  /**
   * Checks whether the site answers before these hosts change, and warns if not. A site that was not in service yet is
   * not checked: any answer would be that of another program.
   * @param repetition clause for the warning: when a failed check is repeated
   */
  async passesBeforeSwitch(
    hosts: readonly RolloutHost[],
    repetition = 'it is repeated when all hosts are done',
  ): Promise<boolean> {
    if (!this.isInService(hosts)) return false
    const health = await this.runCheck(quickCheckSeconds)
    if (health === null) return false
    const { ok, what, detail } = health
    if (!ok)
      this.context.progress.addWarning(
        `the health check failed before the first switch: ${what}: ${detail}; ${repetition}`,
      )
    return ok
  }

  /** Whether the site answered the last time that this rollout checked it. */
  get hasPassed(): boolean {
    return this.lastResult === true
  }

  isInService(hosts: readonly RolloutHost[]): boolean {
    return this.context.onlineHosts.servedSiteOf(hosts)
  }

  /** Aborts the rollout where the health check fails. */
  async check(): Promise<void> {
    const health = await this.runCheck()
    if (health === null) return
    const { ok, what, detail } = health
    this.lastResult = ok
    this.context.ports.emit({ event: 'health', what, ok, detail })
    if (!ok) this.context.abort.trigger(`the health check failed: ${what}: ${detail}`)
  }

  /** Runs the health check; null where the stack defines none, or the operator interrupts. */
  private async runCheck(maxSeconds?: number): Promise<Health | null> {
    const { checkHealth, onInterrupt, emit } = this.context.ports
    if (checkHealth === null || this.context.abort.isInterrupted) return null
    const controller = new AbortController()
    const watch: HealthWatch = {
      signal: controller.signal,
      onWait: (waiting) => {
        if (!controller.signal.aborted) emit({ event: 'waiting', ...waiting })
      },
    }
    let removeListener: () => void = () => undefined
    const interrupted = new Promise<null>((resolve) => {
      removeListener = onInterrupt(() => {
        controller.abort()
        resolve(null)
      })
    })
    try {
      return await Promise.race([checkHealth(maxSeconds, watch), interrupted])
    } catch (thrown) {
      // A check that cannot run is a failed check.
      return { ok: false, what: 'the check cannot run', detail: asConvergeError(thrown).message }
    } finally {
      removeListener()
    }
  }
}
