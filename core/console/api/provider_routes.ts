/** Routes to log in by OpenID Connect. */
import * as z from 'zod'
import type { Audit } from '../access/audit.ts'
import type { LoginAttempts } from '../access/login_attempts.ts'
import type { LimitKey, LoginLimit } from '../access/login_limit.ts'
import { LoginFailure, type Provider } from '../access/provider.ts'
import type { ProviderAccounts } from '../access/provider_accounts.ts'
import type { Sessions } from '../access/sessions.ts'
import { Problem } from './problem.ts'
import { type Route, route } from './route.ts'

export interface ProviderServices {
  /** Null without a login by OpenID Connect. */
  readonly provider: Provider | null
  readonly attempts: LoginAttempts
  readonly providerAccounts: ProviderAccounts
  readonly sessions: Sessions
  readonly limit: LoginLimit
  readonly audit: Audit
  /** Whether accounts with passwords may log in. */
  readonly localAccounts: boolean
  /** Address under which browsers reach the console; null: that of each request. */
  readonly origin: string | null
  /** Prints a line of the log. */
  readonly print: (line: string) => void
}

/** Path to which the provider sends the browser. */
export const callbackPath = '/login/callback'

const via = 'OpenID Connect'
const limitKey = (value: string): LimitKey => ({ kind: 'provider address', value })
const notBegun = 'this browser has not begun this login, or more than ten minutes ago: log in again'

export function providerRoutes(services: ProviderServices): readonly Route[] {
  const { provider, attempts, sessions, audit, localAccounts } = services
  const requireProvider = () => {
    if (provider !== null) return provider
    throw new Problem(404, 'NO_PROVIDER', 'this console has no login by OpenID Connect', {
      hint: 'name a provider in the file of --settings',
    })
  }
  const refuseTooMany = (address: string) => {
    const seconds = services.limit.secondsToWait(limitKey(address))
    if (seconds > 0)
      throw new Problem(429, 'TOO_MANY_LOGINS', 'too many failed logins', { hint: `try again in ${seconds} s` })
  }
  const recordFailure = (reason: string, address: string) => {
    services.print(`login by OpenID Connect from ${address} failed: ${reason}`)
    audit.add({ actor: '', via, address, action: 'login failed', stack: null, detail: { reason } })
  }
  return [
    route({
      method: 'get',
      path: '/api/login',
      access: 'public',
      summary: 'Show the ways to log in, and why the last login of this browser failed',
      answer: z.object({
        /** Whether accounts with passwords may log in. */
        password: z.boolean(),
        provider: z.object({ label: z.string() }).nullable(),
        failure: z.string().nullable(),
      }),
      handle: ({ loginKey, setLoginKey }) => {
        const failure = loginKey === undefined ? undefined : attempts.takeFailure(loginKey)
        if (failure !== undefined) setLoginKey(null)
        const label = provider?.settings.label
        return { password: localAccounts, provider: label === undefined ? null : { label }, failure: failure ?? null }
      },
    }),
    route({
      method: 'post',
      path: '/api/login/provider',
      access: 'public',
      summary: 'Begin a login by OpenID Connect: returns the address at the provider',
      answer: z.object({ url: z.string() }),
      handle: async ({ header, setLoginKey, address }) => {
        const loginProvider = requireProvider()
        refuseTooMany(address)
        const origin = services.origin ?? `http://${header('host')}`
        try {
          const { url, attempt } = await loginProvider.begin(`${origin}${callbackPath}`)
          setLoginKey(attempts.begin(attempt, address))
          return { url }
        } catch (thrown) {
          if (!(thrown instanceof LoginFailure)) throw thrown
          recordFailure(thrown.message, address)
          throw new Problem(502, 'LOGIN_FAILED', thrown.message)
        }
      },
    }),
    route({
      method: 'get',
      path: callbackPath,
      access: 'public',
      summary: 'End a login by OpenID Connect; the provider sends the browser here',
      takesAnyQuery: true,
      answer: z.unknown(),
      status: 302,
      handle: async ({ search, loginKey, session, address, setLoginKey, setSession, redirect }) => {
        const loginProvider = requireProvider()
        refuseTooMany(address)
        const attempt = loginKey === undefined ? undefined : attempts.take(loginKey)
        // Any other site can send a browser here: this says nothing about who tries to log in.
        if (attempt === undefined || new URLSearchParams(search).get('state') !== attempt.state) {
          setLoginKey(attempts.fail(notBegun, address))
          return redirect('/')
        }
        try {
          const person = await loginProvider.finish(attempt, search)
          const { name, permissions } = services.providerAccounts.logIn(person, loginProvider.settings)
          // A session from before the login might be known to somebody else.
          if (session !== undefined) sessions.end(session)
          setLoginKey(null)
          setSession(sessions.begin(name))
          audit.add({ actor: name, via, address, action: 'login', stack: null, detail: { ...permissions } })
        } catch (thrown) {
          if (!(thrown instanceof LoginFailure)) throw thrown
          if (thrown.isSuspicious) services.limit.addAttempt(limitKey(address))
          recordFailure(thrown.message, address)
          setLoginKey(attempts.fail(thrown.message, address))
        }
        // An address from the request could lead to another site. The page knows where the reader was.
        return redirect('/')
      },
    }),
  ]
}
