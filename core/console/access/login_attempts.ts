/**
 * Keeps the logins that have begun at the provider, each bound to its browser by the key in a cookie. They are in memory:
 * after a restart of the console, the person must begin the login again.
 */
import { digestOf, randomKey } from './random_keys.ts'

/** The values that the answer of the provider must match. */
export interface LoginAttempt {
  readonly state: string
  readonly nonce: string
  /** The secret of PKCE. */
  readonly verifier: string
  readonly redirectUri: string
}

const lifetimeMs = 10 * 60 * 1000
export const attemptSeconds = lifetimeMs / 1000
/** More attempts remove the oldest ones, so that nobody can fill the memory. */
const maxAttempts = 10_000
/** Attempts of one address: more remove its own oldest ones, not those of others. */
const maxOfAddress = 1000

interface Entry {
  readonly expires: number
  /** From where it was begun. */
  readonly address: string
  /** Null once the provider has answered. */
  readonly attempt: LoginAttempt | null
  readonly failure: string | null
}

export class LoginAttempts {
  private readonly entries = new Map<string, Entry>()

  constructor(private readonly now: () => Date) {}

  /** Stores an attempt, and returns the value of the cookie. */
  begin(attempt: LoginAttempt, address: string): string {
    return this.add({ attempt, address, failure: null })
  }

  /** Removes and returns an attempt. */
  take(key: string): LoginAttempt | undefined {
    return this.remove(key)?.attempt ?? undefined
  }

  /** Stores why a login failed, for the login page, and returns the value of the cookie. */
  fail(failure: string, address: string): string {
    return this.add({ attempt: null, address, failure })
  }

  /** Removes and returns the reason of a failure. An attempt without an answer of the provider stays. */
  takeFailure(key: string): string | undefined {
    if (this.entries.get(digestOf(key))?.failure === null) return undefined
    return this.remove(key)?.failure ?? undefined
  }

  private add(entry: Omit<Entry, 'expires'>): string {
    const { key, digest } = randomKey('login')
    const now = this.now().getTime()
    for (const [oldest, { expires }] of this.entries) {
      if (expires > now && this.entries.size < maxAttempts) break
      this.entries.delete(oldest)
    }
    const own = [...this.entries].filter(([, { address }]) => address === entry.address)
    for (const [oldest] of own.slice(0, Math.max(0, own.length - maxOfAddress + 1))) this.entries.delete(oldest)
    this.entries.set(digest, { ...entry, expires: now + lifetimeMs })
    return key
  }

  private remove(key: string): Entry | undefined {
    const digest = digestOf(key)
    const entry = this.entries.get(digest)
    this.entries.delete(digest)
    return entry !== undefined && entry.expires > this.now().getTime() ? entry : undefined
  }
}
