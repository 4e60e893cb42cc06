/** Routes of logins and sessions: log in and out, accept an invitation, change the own password and second factor. */
import * as z from 'zod'
import type { Accounts } from '../access/accounts.ts'
import type { Audit } from '../access/audit.ts'
import { type Level, levels } from '../access/levels.ts'
import type { Attempt, LimitKey, LoginLimit } from '../access/login_limit.ts'
import { accountNamePattern } from '../access/provider_accounts.ts'
import type { SecondFactors } from '../access/second_factor.ts'
import type { Actor, Sessions } from '../access/sessions.ts'
import { Problem } from './problem.ts'
import { accountOf, type Route, type RouteRequest, route } from './route.ts'

export interface SessionServices {
  readonly accounts: Accounts
  readonly sessions: Sessions
  readonly factors: SecondFactors
  readonly limit: LoginLimit
  readonly audit: Audit
  /** Names of all stacks. */
  readonly stacks: readonly string[]
}

export const accountName = z.string().regex(accountNamePattern, 'expected letters, digits and . _ @ -, at most 64')
export const newPassword = z.string().min(12, 'expected at least 12 characters').max(1000)

type SessionRequest = Pick<RouteRequest<Record<never, never>, Record<never, never>, unknown>, 'actor' | 'address'>

const accountKey = (value: string): LimitKey => ({ kind: 'account', value })
const addressKey = (value: string): LimitKey => ({ kind: 'address', value })

const sessionAnswer = z.object({
  account: z.string(),
  isAdmin: z.boolean(),
  /** Whether a login requires a code. */
  secondFactor: z.boolean(),
  /** Whether it logs in by a provider, and so without a password of its own. */
  isExternal: z.boolean(),
  /** By stack, without those that it may not see. */
  levels: z.record(z.string(), z.enum(levels)),
})

const codeSchema = z.string().max(64)
const passwordSchema = z.string().max(1000)

function wrongCode(): Problem {
  return new Problem(403, 'WRONG_CODE', 'the code is wrong, or was used before', {
    hint: 'enter the code that your device shows, and check that its clock is right',
  })
}

export function sessionRoutes({
  accounts,
  sessions,
  factors,
  limit,
  audit,
  stacks,
}: SessionServices): readonly Route[] {
  const describeActor = (actor: Actor) => {
    const allLevels = stacks.map((stack): [string, Level] => [stack, actor.levelOf(stack)])
    const levels = Object.fromEntries(allLevels.filter(([, level]) => level !== 'deny'))
    const secondFactor = factors.isEnabled(actor.account)
    const isExternal = accounts.find(actor.account)?.isExternal ?? false
    return { account: actor.account, isAdmin: actor.isAdmin, secondFactor, isExternal, levels }
  }
  const beginSession = (name: string, setSession: (value: string) => void) => {
    const key = sessions.begin(name)
    setSession(key)
    const actor = sessions.actorOfSession(key)
    if (actor === undefined) throw new Error(`no session of ${name}`)
    return describeActor(actor)
  }
  /** Counts an attempt as failed until it is withdrawn. @throws Problem if there were too many failures */
  const beginAttempt = (message: string, ...keys: readonly LimitKey[]): Attempt => {
    const seconds = limit.secondsToWait(...keys)
    if (seconds > 0) throw new Problem(429, 'TOO_MANY_LOGINS', message, { hint: `try again in ${seconds} s` })
    return limit.addAttempt(...keys)
  }
  const accountOfSession = (request: SessionRequest): string => {
    const { account, via } = accountOf(request)
    if (via === 'session') return account
    throw new Problem(403, 'FORBIDDEN', 'a token cannot change how an account logs in')
  }
  /**
   * Requires the password of the account of a session again, and a code of its second factor if one is passed.
   * @returns the name of the account
   */
  const requirePassword = async (request: SessionRequest, password: string, code?: string): Promise<string> => {
    const account = accountOfSession(request)
    if (accounts.find(account)?.isExternal)
      throw new Problem(409, 'NO_PASSWORD', `${account} has no password here: it logs in by OpenID Connect`, {
        hint: 'change the password and the second factor at the provider',
      })
    const attempt = beginAttempt('too many failed logins', accountKey(account))
    if ((await accounts.authenticate(account, password)) === undefined)
      throw new Problem(403, 'WRONG_LOGIN', 'the present password is wrong')
    if (code !== undefined && !factors.check(account, code)) throw wrongCode()
    attempt.withdraw()
    return account
  }
  const record = (request: SessionRequest, actor: string, action: string, via = 'session') =>
    audit.add({ actor, via, address: request.address, action, stack: null, detail: {} })
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
      body: z.strictObject({ name: z.string().max(64), password: passwordSchema, code: codeSchema.optional() }),
      answer: sessionAnswer,
      handle: async (request) => {
        const { body, address, session, setSession } = request
        const { name, password } = body
        const keys = [accountKey(name), addressKey(address)]
        const attempt = beginAttempt('too many failed logins', ...keys)
        const account = await accounts.authenticate(name, password)
        if (account === undefined) {
          record(request, name, 'login failed')
          throw new Problem(401, 'WRONG_LOGIN', 'the name or the password is wrong')
        }
        if (factors.isEnabled(account.name)) {
          if (body.code === undefined) {
            attempt.withdraw()
            throw new Problem(401, 'CODE_REQUIRED', 'this account requires a code of its second factor', {
              hint: 'enter the code that your device shows, or one of the codes for a lost device',
            })
          }
          if (!factors.check(account.name, body.code)) {
            record(request, account.name, 'login failed: wrong code')
            throw new Problem(401, 'WRONG_CODE', 'the code is wrong, or was used before', {
              hint: 'wait for the next code of your device, and check that its clock is right',
            })
          }
        }
        attempt.withdraw()
        limit.clear(accountKey(name))
        // A session from before the login might be known to somebody else.
        if (session !== undefined) sessions.end(session)
        record(request, account.name, 'login')
        return beginSession(account.name, setSession)
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
      handle: async (request) => {
        const { invitation, name, password } = request.body
        const attempt = beginAttempt('too many attempts', addressKey(request.address))
        const account = await accounts.accept(invitation, name, password)
        if (account === 'invitation')
          throw new Problem(404, 'NO_INVITATION', 'the link has expired, or was used before', {
            hint: 'ask an administrator for a new link; without any account, run converge console invite',
          })
        attempt.withdraw()
        if (account === 'name') throw new Problem(409, 'NAME_TAKEN', `there is an account ${name}`)
        record(request, name, 'account created', 'invitation')
        return beginSession(account.name, request.setSession)
      },
    }),
    route({
      method: 'put',
      path: '/api/session/password',
      access: 'account',
      summary: 'Change your own password; all your sessions end, and a new one begins',
      body: z.strictObject({ password: passwordSchema, newPassword }),
      answer: sessionAnswer,
      handle: async (request) => {
        const account = await requirePassword(request, request.body.password)
        await accounts.setPassword(account, request.body.newPassword)
        record(request, account, 'password changed')
        return beginSession(account, request.setSession)
      },
    }),
    route({
      method: 'post',
      path: '/api/session/second-factor',
      access: 'account',
      summary: 'Begin to set up a second factor; it counts once a code of it has arrived',
      body: z.strictObject({ password: passwordSchema }),
      answer: z.object({ secret: z.string(), uri: z.string() }),
      handle: async (request) => {
        const enrolment = factors.enrol(await requirePassword(request, request.body.password))
        if (enrolment !== undefined) return { ...enrolment }
        throw new Problem(409, 'HAS_SECOND_FACTOR', 'the account has a second factor', { hint: 'remove it first' })
      },
    }),
    route({
      method: 'put',
      path: '/api/session/second-factor',
      access: 'account',
      summary: 'Enable the second factor with a code of it; returns codes for a lost device, once',
      body: z.strictObject({ code: codeSchema }),
      answer: z.object({ recoveryCodes: z.array(z.string()) }),
      handle: (request) => {
        const account = accountOfSession(request)
        const attempt = beginAttempt('too many failed logins', accountKey(account))
        const codes = factors.confirm(account, request.body.code)
        if (codes === undefined) throw wrongCode()
        attempt.withdraw()
        record(request, account, 'second factor enabled')
        return { recoveryCodes: [...codes] }
      },
    }),
    route({
      method: 'delete',
      path: '/api/session/second-factor',
      access: 'account',
      summary: 'Remove your second factor',
      body: z.strictObject({ password: passwordSchema, code: codeSchema }),
      answer: z.object({}),
      handle: async (request) => {
        const account = await requirePassword(request, request.body.password, request.body.code)
        factors.remove(account)
        record(request, account, 'second factor removed')
        return {}
      },
    }),
  ]
}
