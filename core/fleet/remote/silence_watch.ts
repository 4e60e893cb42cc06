/** Asks a host about its run after a silence: a stopped run sends nothing, and neither does a long build. */
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import type { RunEventStream } from './event_stream.ts'
import { stoppedRun } from './run_failures.ts'

/** Number of checks in a row that find a run stopped before it counts as lost. */
const maxStoppedChecks = 3

export class SilenceWatch {
  /** Never resolves; rejects with the reason to stop waiting for the stream. */
  readonly failed: Promise<never>
  private fail: (error: ConvergeError) => void = () => undefined
  private timer: NodeJS.Timeout | undefined
  private stoppedChecks = 0
  private isStopped = false

  /**
   * @param seconds without any output
   * @param queryState gets the output of runStateScript; empty where the host does not answer
   */
  constructor(
    private readonly seconds: number,
    private readonly events: RunEventStream,
    private readonly queryState: () => Promise<string>,
  ) {
    this.failed = new Promise((_, reject) => {
      this.fail = reject
    })
  }

  /** Restarts the wait, because output has arrived. */
  onAnswer(): void {
    this.stoppedChecks = 0
    this.wait()
  }

  stop(): void {
    this.isStopped = true
    clearTimeout(this.timer)
  }

  private wait(): void {
    clearTimeout(this.timer)
    if (!this.isStopped) this.timer = setTimeout(() => void this.check(), this.seconds * 1000)
  }

  private async check(): Promise<void> {
    const before = this.events.received
    try {
      const [, state = '', pid = '', size = ''] = /^(\w+) (\d+) (\d+)$/m.exec(await this.queryState()) ?? []
      if (this.isStopped || this.events.received !== before) return this.wait()
      // The script that follows the run has stopped or hangs.
      if (state === 'ended' || Number(size) > before) throw staleStream()
      this.stoppedChecks = state === 'stopped' || state === 'disk' ? this.stoppedChecks + 1 : 0
      if (this.stoppedChecks >= maxStoppedChecks) throw stoppedRun(state, pid, this.seconds * this.stoppedChecks)
      this.wait()
    } catch (thrown) {
      this.fail(asConvergeError(thrown))
    }
  }
}

const staleStream = () => new ConvergeError('the host does not send the events of the run', { code: 'EVENTS_MISSING' })
