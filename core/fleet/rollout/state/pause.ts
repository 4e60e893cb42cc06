/** Makes the hosts of a rollout wait while an operator has paused it. */
import { asConvergeError } from '../../../model/errors.ts'
import type { EmitEvent, RolloutPause } from '../../types.ts'

/** Milliseconds between two checks of whether the rollout is paused. */
const interval = 300

export class PauseGate {
  private isPaused = false
  private hasWarned = false

  /** @param readPause returns who has paused the rollout; null if it is not paused */
  constructor(
    private readonly readPause: () => RolloutPause | null,
    private readonly emit: EmitEvent,
  ) {}

  /**
   * Reports from now on when the rollout is paused or continued, also while its hosts work.
   * @returns a function that ends this
   */
  watch(): () => void {
    const timer = setInterval(() => this.update(), interval)
    timer.unref()
    return () => clearInterval(timer)
  }

  /**
   * Resolves when the rollout is not paused.
   * @param isOver ends the wait early
   */
  async pass(isOver: () => boolean): Promise<void> {
    this.update()
    while (this.isPaused && !isOver()) {
      await new Promise((resolve) => setTimeout(resolve, interval))
      this.update()
    }
  }

  private update(): void {
    let pause: RolloutPause | null
    try {
      pause = this.readPause()
    } catch (thrown) {
      // The rollout stays as it was: hosts are at work.
      if (!this.hasWarned)
        this.emit({
          event: 'warning',
          message: `cannot read whether the rollout is paused: ${asConvergeError(thrown).message}`,
        })
      this.hasWarned = true
      return
    }
    if ((pause !== null) === this.isPaused) return
    this.isPaused = pause !== null
    this.emit(pause === null ? { event: 'continued' } : { event: 'paused', ...pause })
  }
}
