/** Slows down attempts to guess passwords: a limit of failed logins for each account and each address. */

const windowMs = 15 * 60 * 1000
/**
 * Failures within `windowMs`. The limit of an address is higher because several people may share one. Logins by a provider
 * have a limit of their own: their failures must not lock out people with passwords.
 */
const maxFailures = { account: 10, address: 50, 'provider address': 50 } as const
/** Keys that are remembered; the oldest is forgotten first, so that an attacker cannot fill the memory. */
const maxKeys = 10_000

export interface LimitKey {
  readonly kind: keyof typeof maxFailures
  readonly value: string
}

/** An attempt that counts as a failure until it is withdrawn. */
export interface Attempt {
  /** Ends the count of this attempt, because it has not failed. */
  withdraw(): void
}

export class LoginLimit {
  /** By name of the key, the times of its failures, oldest first. */
  private readonly failures = new Map<string, number[]>()

  constructor(private readonly now: () => Date) {}

  /** Returns the seconds until the next attempt; 0 if it may be made now. */
  secondsToWait(...keys: readonly LimitKey[]): number {
    const waits = keys.map((key) => {
      const max = maxFailures[key.kind]
      const recent = this.recent(nameOf(key))
      return recent.length < max ? 0 : (recent.at(-max) ?? 0) + windowMs - this.now().getTime()
    })
    return Math.ceil(Math.max(0, ...waits) / 1000)
  }

  /** Counts an attempt as a failure, from before its check: parallel attempts must not get past the limit. */
  addAttempt(...keys: readonly LimitKey[]): Attempt {
    const time = this.now().getTime()
    for (const key of keys) {
      const name = nameOf(key)
      const recent = [...this.recent(name), time].slice(-maxFailures[key.kind])
      this.failures.delete(name)
      this.failures.set(name, recent)
      const first = this.failures.keys().next().value
      if (this.failures.size > maxKeys && first !== undefined) this.failures.delete(first)
    }
    const withdraw = () => {
      for (const key of keys) this.remove(nameOf(key), time)
    }
    return { withdraw }
  }

  /** Forgets the failures of an account that has logged in. */
  clear(key: LimitKey): void {
    this.failures.delete(nameOf(key))
  }

  private remove(name: string, time: number): void {
    const times = this.failures.get(name) ?? []
    const index = times.indexOf(time)
    if (index === -1) return
    if (times.length === 1) this.failures.delete(name)
    else
      this.failures.set(
        name,
        times.filter((_, at) => at !== index),
      )
  }

  private recent(name: string): number[] {
    const since = this.now().getTime() - windowMs
    return (this.failures.get(name) ?? []).filter((time) => time > since)
  }
}

function nameOf({ kind, value }: LimitKey): string {
  return `${kind} ${value.toLowerCase()}`
}
