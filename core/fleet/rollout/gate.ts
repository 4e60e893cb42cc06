/** Whether the site is well, asked before anything is switched, and after each batch. */
import { asConvergeError } from '../../model/errors.ts'
import type { Board } from './board.ts'
import type { Brake } from './brake.ts'
import type { Health } from './health.ts'
import type { HealthWatch, Ports } from './request.ts'

/** Seconds: whether the site answers now, and not whether it will. */
const aMoment = 3

export class Gate {
  constructor(
    private readonly ports: Pick<Ports, 'health' | 'tell' | 'onInterrupt'>,
    private readonly board: Board,
    private readonly brake: Brake,
  ) {}

  /** @param wasThere a site that was never there is not missed */
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

  /** Stops the rollout where the site is not well. */
  async pass(): Promise<void> {
    const health = await this.ask()
    if (health === null) return
    const { ok, what, detail } = health
    this.ports.tell({ event: 'health', what, ok, detail })
    if (!ok) this.brake.stop(`the site does not answer as it should: ${what}: ${detail}`)
  }

  /** Null where nothing says how to ask, and where the operator does not want to wait for the answer. */
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
      // Whatever keeps it from being asked: nobody can say that the site is well.
      return { ok: false, what: 'it cannot be asked', detail: asConvergeError(thrown).message }
    } finally {
      leave()
    }
  }
}
