/** Implements a time limit that pauses while the operator answers a question. */

export class Deadline {
  private timer: NodeJS.Timeout | undefined
  private startedAt = 0
  private pauses = 0
  private isOver = false
  private leftMs: number
  private readonly onPassed: () => void

  /**
   * @param left milliseconds
   * @param passed called when the time is over
   */
  constructor(left: number, passed: () => void) {
    this.leftMs = left
    this.onPassed = passed
    this.start()
  }

  /** Runs an action, whose time does not count. */
  async whilePaused<T>(act: () => Promise<T>): Promise<T> {
    if (this.pauses++ === 0) this.halt()
    try {
      return await act()
    } finally {
      if (--this.pauses === 0 && !this.isOver) this.start()
    }
  }

  /** Stops the limit for good. */
  stop(): void {
    this.isOver = true
    this.halt()
  }

  private halt(): void {
    clearTimeout(this.timer)
    this.leftMs -= performance.now() - this.startedAt
  }

  private start(): void {
    this.startedAt = performance.now()
    this.timer = setTimeout(this.onPassed, Math.max(0, this.leftMs))
  }
}
