/** Implements a time limit that pauses while the operator answers a question. */

export class Deadline {
  private timer: NodeJS.Timeout | undefined
  private since = 0
  private paused = 0
  private over = false
  private left: number
  private readonly passed: () => void

  /**
   * @param left milliseconds
   * @param passed called when the time is over
   */
  constructor(left: number, passed: () => void) {
    this.left = left
    this.passed = passed
    this.start()
  }

  /** Does not count the time of an action. */
  async whilePaused<T>(act: () => Promise<T>): Promise<T> {
    if (this.paused++ === 0) this.halt()
    try {
      return await act()
    } finally {
      if (--this.paused === 0 && !this.over) this.start()
    }
  }

  /** Stops the limit for good. */
  stop(): void {
    this.over = true
    this.halt()
  }

  private halt(): void {
    clearTimeout(this.timer)
    this.left -= performance.now() - this.since
  }

  private start(): void {
    this.since = performance.now()
    this.timer = setTimeout(this.passed, Math.max(0, this.left))
  }
}
