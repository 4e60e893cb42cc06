/** Routes to log in and out, and to accept an invitation. */
import * as z from 'zod'
import type { Accounts } from '../access/accounts.ts'
import type { Audit } from '../access/audit.ts'
import { type Level, levels } from '../access/levels.ts'
import type { LimitKey, LoginLimit } from '../access/login_limit.ts'
import type { Actor, Sessions } from '../access/sessions.ts'
import { Problem } from './problem.ts'
import { accountOf, type Route, route } from './route.ts'

export interface SessionServices {
  readonly accounts: Accounts
  readonly sessions: Sessions
  readonly limit: LoginLimit
  readonly audit: Audit
  /** Names of all stacks. */
  readonly stacks: readonly string[]
}

export const accountName = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9._@-]{0,63}$/, 'expected letters, digits and . _ @ -, at most 64')
export const newPassword = z.string().min(12, 'expected at least 12 characters').max(1000)

const accountKey = (value: string): LimitKey => ({ kind: 'account', value })
const addressKey = (value: string): LimitKey => ({ kind: 'address', value })

const sessionAnswer = z.object({
  account: z.string(),
  isAdmin: z.boolean(),
  /** By stack, without those that it may not see. */
  levels: z.record(z.string(), z.enum(levels)),
})

export function sessionRoutes({ accounts, sessions, limit, audit, stacks }: SessionServices): readonly Route[] {
  const describeActor = (actor: Actor) => {
    const known = stacks.map((stack): [string, Level] => [stack, actor.levelOf(stack)])
    const levels = Object.fromEntries(known.filter(([, level]) => level !== 'deny'))
    return { account: actor.account, isAdmin: actor.isAdmin, levels }
  }
  const begin = (name: string, setSession: (value: string) => void) => {
    const key = sessions.begin(name)
    setSession(key)
    const actor = sessions.actorOfSession(key)
    if (actor === undefined) throw new Error(`no session of ${name}`)
    return describeActor(actor)
  }
  return [
    route({
      method: 'get',
      path: '/api/session',
      access: 'account',
      summary: 'Show who is logged in',
      answer: sessionAnswer,
      handle: (request) => describeActor(accountOf(request)),
    }),
    route({
      method: 'post',
      path: '/api/session',
      access: 'public',
      summary: 'Log in',
      body: z.strictObject({ name: z.string().max(64), password: z.string().max(1000) }),
      answer: sessionAnswer,
      handle: async ({ body: { name, password }, address, session, setSession }) => {
        const keys = [accountKey(name), addressKey(address)]
        const seconds = limit.secondsToWait(...keys)
        if (seconds > 0)
          throw new Problem(429, 'TOO_MANY_LOGINS', 'too many failed logins', { hint: `try again in ${seconds} s` })
        // Counted before the slow check: parallel attempts must not get past the limit.
        limit.addFailure(...keys)
        const account = await accounts.authenticate(name, password)
        if (account === undefined) {
          audit.add({ actor: name, via: 'session', address, action: 'login failed', stack: null, detail: {} })
          throw new Problem(401, 'WRONG_LOGIN', 'the name or the password is wrong')
        }
        limit.forget(accountKey(name))
        // A session from before the login might be known to somebody else.
        if (session !== undefined) sessions.end(session)
        audit.add({ actor: account.name, via: 'session', address, action: 'login', stack: null, detail: {} })
        return begin(account.name, setSession)
      },
    }),
    route({
      method: 'delete',
      path: '/api/session',
      access: 'public',
      summary: 'Log out',
      answer: z.object({}),
      handle: ({ session, setSession }) => {
        if (session !== undefined) sessions.end(session)
        setSession(null)
        return {}
      },
    }),
    route({
      method: 'post',
      path: '/api/invitations/accept',
      access: 'public',
      summary: 'Make the account of an invitation, and log in',
      body: z.strictObject({ invitation: z.string().max(100), name: accountName, password: newPassword }),
      answer: sessionAnswer,
      handle: async ({ body: { invitation, name, password }, address, setSession }) => {
        const key = addressKey(address)
        const seconds = limit.secondsToWait(key)
        if (seconds > 0)
          throw new Problem(429, 'TOO_MANY_LOGINS', 'too many attempts', { hint: `try again in ${seconds} s` })
        const account = await accounts.accept(invitation, name, password)
        if (account === 'invitation') {
          limit.addFailure(key)
          throw new Problem(404, 'NO_INVITATION', 'the link has expired, or was used before', {
            hint: 'an administrator makes a new one; without any account: converge console invite',
          })
        }
        if (account === 'name') throw new Problem(409, 'NAME_TAKEN', `there is an account ${name}`)
        audit.add({ actor: name, via: 'invitation', address, action: 'account created', stack: null, detail: {} })
        return begin(account.name, setSession)
      },
    }),
    route({
      method: 'put',
      path: '/api/session/password',
      access: 'account',
      summary: 'Change your own password; all your sessions end, and a new one begins',
      body: z.strictObject({ password: z.string().max(1000), newPassword }),
      answer: sessionAnswer,
      handle: async (request) => {
        const { account, via } = accountOf(request)
        if (via !== 'session') throw new Problem(403, 'FORBIDDEN', 'a token cannot change a password')
        const keys = [accountKey(account)]
        const seconds = limit.secondsToWait(...keys)
        if (seconds > 0)
          throw new Problem(429, 'TOO_MANY_LOGINS', 'too many failed logins', { hint: `try again in ${seconds} s` })
        if ((await accounts.authenticate(account, request.body.password)) === undefined) {
          limit.addFailure(...keys)
          throw new Problem(403, 'WRONG_LOGIN', 'the present password is wrong')
        }
        await accounts.setPassword(account, request.body.newPassword)
        const { address } = request
        audit.add({ actor: account, via, address, action: 'password changed', stack: null, detail: {} })
        return begin(account, request.setSession)
      },
    }),
  ]
}
