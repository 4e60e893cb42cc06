/** Limits the progress lines of a step: a build prints thousands, and the screen and JSON readers need the last one. */

/** Milliseconds between two lines. */
const pause = 1000

export class StepDetail {
  private timer: NodeJS.Timeout | undefined
  private latest: string | undefined

  /** @param emit called with the first line at once, then with the latest one, at most once in each interval */
  constructor(private readonly emit: (line: string) => void) {}

  add(line: string): void {
    this.latest = line
    if (this.timer === undefined) this.pass()
  }

  /** Ends the step: a line that waits is dropped. */
  end(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.latest = undefined
  }

  private pass(): void {
    this.timer = undefined
    if (this.latest === undefined) return
    this.emit(this.latest)
    this.latest = undefined
    this.timer = setTimeout(() => this.pass(), pause)
    this.timer.unref()
  }
}
