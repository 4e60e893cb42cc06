/** Slows down attempts to guess passwords: a limit of failed logins for each account and each address. */

const windowMs = 15 * 60 * 1000
const maxFailures = 10
/** Keys that are remembered; the oldest is forgotten first, so that an attacker cannot fill the memory. */
const maxKeys = 10_000

export class LoginLimit {
  private readonly failures = new Map<string, number[]>()

  constructor(private readonly now: () => Date) {}

  /** Returns the seconds until the next attempt; 0 if it may be made now. */
  secondsToWait(...keys: readonly string[]): number {
    const oldest = keys.map((key) => {
      const recent = this.recent(key)
      return recent.length < maxFailures ? 0 : (recent.at(-maxFailures) ?? 0) + windowMs - this.now().getTime()
    })
    return Math.ceil(Math.max(0, ...oldest) / 1000)
  }

  addFailure(...keys: readonly string[]): void {
    for (const key of keys) {
      const recent = [...this.recent(key), this.now().getTime()].slice(-maxFailures)
      this.failures.delete(key)
      this.failures.set(key, recent)
      const first = this.failures.keys().next().value
      if (this.failures.size > maxKeys && first !== undefined) this.failures.delete(first)
    }
  }

  forget(key: string): void {
    this.failures.delete(key)
  }

  private recent(key: string): number[] {
    const since = this.now().getTime() - windowMs
    return (this.failures.get(key) ?? []).filter((time) => time > since)
  }
}
