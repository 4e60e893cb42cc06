/** Measures the time that a wait has left. */
import type { Host } from '../../core/host/types.ts'
import { type Duration, milliseconds } from '../../core/model/units.ts'

const shortPause = milliseconds(200)

/** A time limit that ends by the clock or by the time slept: the host's clock may stand still or jump. */
export class Deadline {
  private slept = 0
  private readonly began = performance.now()

  constructor(
    private readonly host: Host,
    readonly limit: Duration,
  ) {}

  get left(): number {
    return this.limit.ms - Math.max(this.slept, performance.now() - this.began)
  }

  get passed(): number {
    return this.limit.ms - this.left
  }

  /** Sleeps briefly; returns false after the time limit. */
  async pause(time = shortPause): Promise<boolean> {
    if (this.left <= 0) return false
    await this.host.sleep(time)
    this.slept += time.ms
    return true
  }
}
