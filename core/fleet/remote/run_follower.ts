/** Follows a run on a host to its end, across lost connections and silence. */
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import { waitForEnd, withDeadline } from './answer_deadline.ts'
import type { RunEventStream } from './event_stream.ts'
import type { HostConnection } from './host_connection.ts'
import { retryPauseMs } from './reconnect.ts'
import { lostHost, takenHost } from './run_failures.ts'
import { followScript, runStateScript } from './scripts.ts'
import { SilenceWatch } from './silence_watch.ts'
import type { RemoteProcess } from './ssh_transport.ts'

export interface FollowOptions {
  /** Directory of the runs on the host. */
  readonly runs: string
  readonly run: string
  /** How long to retry a lost connection. Seconds. */
  readonly patience: number
  readonly connection: (state: 'lost' | 'back', detail: string) => void
}

/** The most attempts in a row to follow a run without a further event. */
const maxStuckAttempts = 3

export class RunFollower {
  /** The time until which the host may stay unreachable; null while it answers. Milliseconds. */
  private unreachableUntil: number | null = null
  private stuck = { received: -1, count: 0 }

  constructor(
    private readonly connection: HostConnection,
    private readonly events: RunEventStream,
    private readonly options: FollowOptions,
  ) {}

  /**
   * Follows a run until it ends.
   * @param started the process of the start script
   * @returns the missing items of the host, `silent` where the run was not started, null at its end
   * @throws HOST_LOST where the host stays unreachable, HOST_TAKEN where another rollout has it
   */
  async follow(started: RemoteProcess): Promise<null | 'silent' | string[]> {
    const { events } = this
    let following = started
    for (;;) {
      try {
        const missing = await this.readEvents(following)
        if (missing !== undefined) return missing
        if (events.status !== undefined || !events.isStarted) return events.isStarted ? null : 'silent'
        // The end of the stream without an exit status: the run died, or the connection did.
        const { code } = await waitForEnd(following, this.connection.limits)
        if (code === 0 || code === 4) return null
        // A script that a signal ended may be started again; a script that fails would fail every time.
        const cause = code === null ? 'CONNECTION_LOST' : 'HOST_LOST'
        throw new ConvergeError(`the script that follows the run ended with status ${code}`, { code: cause })
      } catch (thrown) {
        const error = asConvergeError(thrown)
        if (!events.isStarted || !isConnectionLoss(error)) throw error
        if (error.code === 'EVENTS_MISSING' && this.isStuck()) throw lostHost(this.connection.name, error)
        if (error.code === 'HOST_SILENT') this.connection.reset()
        this.options.connection('lost', error.message)
        following = await this.reconnect(error)
        this.options.connection('back', '')
      }
    }
  }

  /** Decides whether several attempts in a row led to no further event. */
  private isStuck(): boolean {
    const { received } = this.events
    this.stuck = received === this.stuck.received ? { received, count: this.stuck.count + 1 } : { received, count: 1 }
    return this.stuck.count >= maxStuckAttempts
  }

  private readEvents(process: RemoteProcess): Promise<string[] | undefined> {
    const { events, connection } = this
    return withDeadline(connection.limits.first, (extend) => {
      const watch = new SilenceWatch(connection.limits.quiet, events, () => this.queryRunState())
      const reading = events.readStream(process, () => {
        extend(null)
        this.unreachableUntil = null
        watch.onAnswer()
      })
      return Promise.race([reading, watch.failed])
        .catch((error: unknown) => {
          // Ignore the rest of this stream: the next one continues after the last complete event.
          events.restart()
          reading.catch(() => undefined)
          process.close()
          throw error
        })
        .finally(() => watch.stop())
    })
  }

  /**
   * Returns the state of the run's processes and the size of its events, as runStateScript prints them.
   * @throws HOST_SILENT, CONNECTION_LOST
   */
  private async queryRunState(): Promise<string> {
    const { runs, run } = this.options
    try {
      return await this.connection.runForOutput(runStateScript, [runs, run])
    } catch (thrown) {
      const error = asConvergeError(thrown)
      // A connection on which commands get no answer is useless.
      if (error.code === 'HOST_SILENT') this.connection.reset()
      if (isConnectionLoss(error)) throw error
      // A host that refuses another command, as with MaxSessions, is not silent.
      return ''
    }
  }

  private async reconnect(lost: ConvergeError): Promise<RemoteProcess> {
    const { runs, run, patience } = this.options
    this.unreachableUntil ??= Date.now() + patience * 1000
    let last = lost
    while (Date.now() < this.unreachableUntil && !this.connection.closed) {
      await new Promise((resolve) => setTimeout(resolve, retryPauseMs))
      try {
        this.events.restart()
        return (await this.connection.runScript(followScript, [runs, run, String(this.events.bytes)])).process
      } catch (thrown) {
        last = asConvergeError(thrown)
        if (last.code === 'HOST_SILENT') this.connection.reset()
        if (last.code === 'HOST_TAKEN') throw takenHost(last)
        if (!isConnectionLoss(last)) throw last
      }
    }
    throw lostHost(this.connection.name, last)
  }
}

function isConnectionLoss({ code }: ConvergeError): boolean {
  return ['CONNECT_FAILED', 'CONNECTION_LOST', 'HOST_SILENT', 'EVENTS_MISSING'].includes(code)
}
