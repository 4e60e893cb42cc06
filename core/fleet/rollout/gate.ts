/** Checks the health of the site before the first switch and after each batch. */
import { asConvergeError } from '../../model/errors.ts'
import type { Board } from './board.ts'
import type { Brake } from './brake.ts'
import type { Health } from './health.ts'
import type { HealthWatch, Ports } from './request.ts'

/** Seconds: the time for a check of whether the site answers now. */
const aMoment = 3

export class Gate {
  constructor(
    private readonly ports: Pick<Ports, 'health' | 'tell' | 'onInterrupt'>,
    private readonly board: Board,
    private readonly brake: Brake,
  ) {}

  /** @param wasThere whether the site existed before: a new site need not answer */
  async answersBefore(wasThere: boolean): Promise<boolean> {
    const health = await this.ask(aMoment)
    if (health === null) return false
    const { ok, what, detail } = health
    if (!ok && wasThere)
      this.board.say(
        `the site did not answer before this: ${what}: ${detail}; it is asked again when all hosts are done`,
      )
    return ok
  }

  /** Aborts the rollout where the health check fails. */
  async pass(): Promise<void> {
    const health = await this.ask()
    if (health === null) return
    const { ok, what, detail } = health
    this.ports.tell({ event: 'health', what, ok, detail })
    if (!ok) this.brake.stop(`the site does not answer as it should: ${what}: ${detail}`)
  }

  /** Runs the health check; null where the stack defines none, or the operator interrupts. */
  private async ask(mostSeconds?: number): Promise<Health | null> {
    const { health, onInterrupt, tell } = this.ports
    if (health === null || this.brake.isInterrupted) return null
    const given = new AbortController()
    const watch: HealthWatch = {
      given: given.signal,
      onWait: (waiting) => {
        if (!given.signal.aborted) tell({ event: 'waiting', ...waiting })
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
      return { ok: false, what: 'it cannot be asked', detail: asConvergeError(thrown).message }
    } finally {
      leave()
    }
  }
}
