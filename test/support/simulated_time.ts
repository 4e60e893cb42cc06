/**
 * Simulates several hosts that work at the same time with a shared clock, on which each message to another host takes
 * time.
 */
import type { ExchangeOptions } from '../../core/host/types.ts'
import { VirtualHost, type VirtualOptions } from '../../core/host/virtual.ts'
import type { Duration } from '../../core/model/units.ts'

interface Event {
  /** Seconds on the clock. */
  readonly at: number
  readonly happen: () => void
}

export class Simulation {
  clock = 1_700_000_000
  private readonly events: Event[] = []
  private readonly hosts: VirtualHost[] = []

  /**
   * @param latency seconds that a message takes
   * @param watch called after each event
   */
  constructor(
    readonly latency: () => number,
    private readonly watch: () => void = () => undefined,
  ) {}

  host(options: VirtualOptions): VirtualHost {
    const host = new SimulatedHost(this, options)
    this.hosts.push(host)
    return host
  }

  after(seconds: number): Promise<void> {
    return new Promise((happen) => this.events.push({ at: this.clock + seconds, happen }))
  }

  /**
   * Runs until all works have ended.
   * @returns the error of each, or null
   */
  async run(works: readonly Promise<unknown>[]): Promise<(Error | null)[]> {
    let ended = false
    const outcomes = Promise.all(
      works.map((work) =>
        work.then(
          () => null,
          (error: Error) => error,
        ),
      ),
    )
    void outcomes.then(() => (ended = true))
    for (;;) {
      // Waits for the consequences of the last event, until all works wait for the clock.
      await new Promise((resolve) => setImmediate(resolve))
      if (ended) return outcomes
      const next = this.events.reduce<Event | undefined>((a, b) => (a && a.at <= b.at ? a : b), undefined)
      if (next === undefined) throw new Error('all hosts wait, and no event is left')
      this.events.splice(this.events.indexOf(next), 1)
      this.clock = next.at
      for (const host of this.hosts) host.clock = this.clock
      next.happen()
      this.watch()
    }
  }
}

class SimulatedHost extends VirtualHost {
  constructor(
    private readonly simulation: Simulation,
    options: VirtualOptions,
  ) {
    super(options)
    this.clock = simulation.clock
  }

  override sleep(time: Duration): Promise<void> {
    return this.simulation.after(time.ms / 1000)
  }

  override querySocket(options: ExchangeOptions): Promise<string> {
    return this.withLatency(() => super.querySocket(options))
  }

  override sendToSocket(options: ExchangeOptions): Promise<string> {
    return this.withLatency(() => super.sendToSocket(options))
  }

  private async withLatency(send: () => Promise<string>): Promise<string> {
    await this.simulation.after(this.simulation.latency())
    const answer = await send()
    await this.simulation.after(this.simulation.latency())
    return answer
  }
}
