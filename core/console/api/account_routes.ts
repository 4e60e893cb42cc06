/** Routes to manage accounts, their levels, tokens, and the audit. */
import * as z from 'zod'
import type { Accounts } from '../access/accounts.ts'
import type { Audit, AuditEntry } from '../access/audit.ts'
import { includesLevel, levels } from '../access/levels.ts'
import type { SecondFactors } from '../access/second_factor.ts'
import type { Actor, Sessions } from '../access/sessions.ts'
import { oneLine } from '../deployments/states.ts'
import { Problem } from './problem.ts'
import { accountOf, idSchema, type Route, route } from './route.ts'
import { accountName } from './session_routes.ts'

export interface AccountServices {
  readonly accounts: Accounts
  readonly sessions: Sessions
  readonly factors: SecondFactors
  readonly audit: Audit
  /** Names of all stacks. */
  readonly stacks: readonly string[]
  readonly now: () => Date
}

const level = z.enum(levels)
const account = z.object({
  name: z.string(),
  isAdmin: z.boolean(),
  created: z.string(),
  secondFactor: z.boolean(),
  /** Whether it logs in by a provider: its levels follow its groups there. */
  isExternal: z.boolean(),
  levels: z.record(z.string(), level),
})
const token = z.object({
  id: z.number(),
  name: z.string(),
  account: z.string(),
  stack: z.string(),
  level,
  created: z.string(),
  expires: z.string(),
  lastUsed: z.string().nullable(),
})
const auditEntry = z.object({
  id: z.number(),
  time: z.string(),
  actor: z.string(),
  via: z.string(),
  address: z.string(),
  action: z.string(),
  stack: z.string().nullable(),
  detail: z.record(z.string(), z.unknown()),
})
const dayMs = 24 * 60 * 60 * 1000

export function accountRoutes(services: AccountServices): readonly Route[] {
  const { accounts, sessions, factors, audit, stacks, now } = services
  const find = (name: string) => {
    const found = accounts.find(name)
    if (found === undefined) throw new Problem(404, 'NOT_FOUND', `there is no account ${name}`)
    return found
  }
  const record = (
    request: { readonly actor: Actor | null; readonly address: string },
    entry: Pick<AuditEntry, 'action' | 'stack' | 'detail'>,
  ) => {
    const { account, via } = accountOf(request)
    audit.add({ actor: account, via, address: request.address, ...entry })
  }
  return [
    route({
      method: 'get',
      path: '/api/accounts',
      access: 'admin',
      summary: 'List accounts with their levels',
      answer: z.array(account),
      handle: () =>
        accounts
          .list()
          .map((one) => ({ ...one, secondFactor: factors.isEnabled(one.name), levels: accounts.levelsOf(one.name) })),
    }),
    route({
      method: 'post',
      path: '/api/invitations',
      access: 'admin',
      summary: 'Invite somebody: returns a key for one account, valid for a day',
      body: z.strictObject({ isAdmin: z.boolean().default(false), levels: z.record(z.string(), level).default({}) }),
      answer: z.object({ invitation: z.string() }),
      handle: (request) => {
        const { body } = request
        if (!accounts.permitsLocal)
          throw new Problem(409, 'NO_LOCAL_ACCOUNTS', 'accounts with passwords are switched off', {
            hint: 'add the person to a group at the provider',
          })
        const unknown = Object.keys(body.levels).filter((stack) => !stacks.includes(stack))
        if (unknown.length > 0) throw new Problem(404, 'NOT_FOUND', `there is no stack ${unknown.join(', ')}`)
        const invitation = accounts.invite(body)
        record(request, { action: 'invited', stack: null, detail: body })
        return { invitation }
      },
    }),
    route({
      method: 'put',
      path: '/api/accounts/{account}/levels/{stack}',
      access: 'admin',
      summary: 'Set what an account may do with a stack',
      params: { account: accountName, stack: z.string() },
      body: z.strictObject({ level }),
      answer: z.object({}),
      handle: (request) => {
        const { params, body } = request
        const { name, isExternal } = find(params.account)
        if (isExternal)
          throw new Problem(409, 'LEVELS_OF_GROUPS', `the levels of ${name} follow its groups at the provider`, {
            hint: 'change its groups there, or the levels of groups in the file of --settings',
          })
        if (!stacks.includes(params.stack)) throw new Problem(404, 'NOT_FOUND', `there is no stack ${params.stack}`)
        accounts.setLevel(name, params.stack, body.level)
        record(request, { action: 'level set', stack: params.stack, detail: { account: name, level: body.level } })
        return {}
      },
    }),
    route({
      method: 'delete',
      path: '/api/accounts/{account}',
      access: 'admin',
      summary: 'Remove an account with its sessions and tokens',
      params: { account: accountName },
      answer: z.object({}),
      handle: (request) => {
        const { name } = find(request.params.account)
        if (!accounts.remove(name))
          throw new Problem(409, 'LAST_ADMINISTRATOR', `${name} is the only administrator`, {
            hint: 'invite another administrator first',
          })
        record(request, { action: 'account removed', stack: null, detail: { account: name } })
        return {}
      },
    }),
    route({
      method: 'delete',
      path: '/api/accounts/{account}/second-factor',
      access: 'admin',
      summary: 'Remove the second factor of an account whose device and codes are lost',
      params: { account: accountName },
      answer: z.object({}),
      handle: (request) => {
        const { name } = find(request.params.account)
        if (!factors.remove(name)) throw new Problem(404, 'NOT_FOUND', `${name} has no second factor`)
        record(request, { action: 'second factor removed', stack: null, detail: { account: name } })
        return {}
      },
    }),
    route({
      method: 'get',
      path: '/api/stacks/{stack}/tokens',
      access: 'manage',
      summary: 'List the tokens of a stack',
      params: { stack: z.string() },
      answer: z.array(token),
      handle: ({ params }) => sessions.listTokens(params.stack),
    }),
    route({
      method: 'post',
      path: '/api/stacks/{stack}/tokens',
      access: 'manage',
      summary: 'Make a token for a pipeline; it is shown once',
      params: { stack: z.string() },
      body: z.strictObject({
        name: oneLine(100).min(1),
        level: z.enum(['show', 'deploy', 'manage']),
        days: z.number().int().min(1).max(366).default(90),
      }),
      answer: z.object({ id: z.number(), token: z.string() }),
      handle: (request) => {
        const { params, body } = request
        const maker = accountOf(request)
        if (!includesLevel(maker.levelOf(params.stack), body.level))
          throw new Problem(403, 'FORBIDDEN', 'a token cannot permit more than you may do')
        const expires = new Date(now().getTime() + body.days * dayMs).toISOString()
        const { name, level } = body
        const { id, key } = sessions.createToken({ name, level, expires, account: maker.account, stack: params.stack })
        record(request, { action: 'token created', stack: params.stack, detail: { id, name, level, expires } })
        return { id, token: key }
      },
    }),
    route({
      method: 'delete',
      path: '/api/stacks/{stack}/tokens/{token}',
      access: 'manage',
      summary: 'Revoke a token',
      params: { stack: z.string(), token: idSchema },
      answer: z.object({}),
      handle: (request) => {
        const { stack, token } = request.params
        if (!sessions.removeToken(stack, token)) throw new Problem(404, 'NOT_FOUND', `${stack} has no token ${token}`)
        record(request, { action: 'token revoked', stack, detail: { id: token } })
        return {}
      },
    }),
    route({
      method: 'get',
      path: '/api/audit',
      access: 'account',
      summary: 'List who did what, newest first: all for administrators, else of the stacks that you manage',
      query: { before: idSchema.optional(), limit: z.coerce.number().int().min(1).max(500).default(100) },
      answer: z.array(auditEntry),
      handle: (request) => {
        const { isAdmin, levelOf } = accountOf(request)
        const visible = isAdmin ? null : stacks.filter((stack) => levelOf(stack) === 'manage')
        return audit.list(visible, request.query.limit, request.query.before)
      },
    }),
  ]
}
