/** Slows down attempts to guess passwords: a limit of failed logins for each account and each address. */

const windowMs = 15 * 60 * 1000
/** Failures in this time: several people may share an address, and an attacker may use several. */
const maxFailures = { account: 10, address: 50 } as const
/** Keys that are remembered; the oldest is forgotten first, so that an attacker cannot fill the memory. */
const maxKeys = 10_000

export interface LimitKey {
  readonly kind: keyof typeof maxFailures
  readonly value: string
}

export class LoginLimit {
  private readonly failures = new Map<string, number[]>()

  constructor(private readonly now: () => Date) {}

  /** Returns the seconds until the next attempt; 0 if it may be made now. */
  secondsToWait(...keys: readonly LimitKey[]): number {
    const oldest = keys.map((key) => {
      const max = maxFailures[key.kind]
      const recent = this.recent(nameOf(key))
      return recent.length < max ? 0 : (recent.at(-max) ?? 0) + windowMs - this.now().getTime()
    })
    return Math.ceil(Math.max(0, ...oldest) / 1000)
  }

  addFailure(...keys: readonly LimitKey[]): void {
    for (const key of keys) {
      const name = nameOf(key)
      const recent = [...this.recent(name), this.now().getTime()].slice(-maxFailures[key.kind])
      this.failures.delete(name)
      this.failures.set(name, recent)
      const first = this.failures.keys().next().value
      if (this.failures.size > maxKeys && first !== undefined) this.failures.delete(first)
    }
  }

  /** Forgets the failures of an account that has logged in. */
  forget(key: LimitKey): void {
    this.failures.delete(nameOf(key))
  }

  private recent(name: string): number[] {
    const since = this.now().getTime() - windowMs
    return (this.failures.get(name) ?? []).filter((time) => time > since)
  }
}

function nameOf({ kind, value }: LimitKey): string {
  return `${kind} ${value.toLowerCase()}`
}
