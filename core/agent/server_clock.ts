/** Estimates the time of the server of the bus, whatever happens to the clock of the host. */

interface Readings {
  readonly server: number
  readonly wall: number
  readonly monotonic: number
}

export class ServerClock {
  private last: Readings | null = null

  /** @param server time of the server. Milliseconds since 1970 */
  set(server: number): void {
    this.last = { server, wall: Date.now(), monotonic: performance.now() }
  }

  /**
   * Returns the later of two estimates. Milliseconds since 1970. The monotonic clock stands still while the host is
   * suspended, and the other one may be set back: with the earlier estimate, an expired command would look new.
   */
  now(): number {
    const { last } = this
    if (last === null) return Date.now()
    const elapsed = Math.max(Date.now() - last.wall, performance.now() - last.monotonic)
    return last.server + elapsed
  }
}
