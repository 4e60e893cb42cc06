/**
 * Counts how often a service ends during a wait for it: its manager may start it again, and then it is still starting.
 */
import type { ServiceStatus } from '../managers/types.ts'

/**
 * The limit of ends. A client that loses a race for a new database succeeds at its next start. A service that ends this
 * often has another problem.
 */
const maxExits = 5
/** In milliseconds: supervisord shows a program as exited for up to a second before it starts the program again. */
const stopLimitMs = 3000

export class ExitCounter {
  count = 0
  private pid = 0
  /** When the service was first seen down; null while it is up. */
  private downSince: number | null = null

  /**
   * Records a status.
   * @param now milliseconds
   * @returns whether the service has ended for good
   */
  hasEnded(status: ServiceStatus, now: number): boolean {
    const { state, pid } = status
    const isUp = state === 'running'
    const isAnother = this.pid !== 0 && pid !== 0 && pid !== this.pid
    if (this.downSince === null && (!isUp || isAnother)) this.count++
    if (isUp) {
      this.downSince = null
      if (pid !== 0) this.pid = pid
    } else this.downSince ??= now
    if (this.count >= maxExits || state === 'failed' || state === 'absent') return true
    return state === 'stopped' && this.downSince !== null && now - this.downSince >= stopLimitMs
  }

  get suffix(): string {
    return this.count > 1 ? `, ${this.count} times` : ''
  }
}
