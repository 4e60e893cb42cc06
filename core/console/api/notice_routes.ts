/** Routes to manage where the notices of a stack are sent. */
import * as z from 'zod'
import type { Audit } from '../access/audit.ts'
import { noticeStates } from '../deployments/state_names.ts'
import { oneLine, stackName } from '../deployments/states.ts'
import { type Target, type Targets, targetKinds } from '../notices/targets.ts'
import { Problem } from './problem.ts'
import { accountOf, idSchema, type Route, type RouteRequest, route } from './route.ts'

export interface NoticeServices {
  readonly targets: Targets
  readonly audit: Audit
  /** Whether the console has a mail server. */
  readonly hasMail: boolean
}

const maxTargets = 50
const name = oneLine(100).min(1)
const states = z.array(z.enum(noticeStates)).min(1).max(noticeStates.length)
/** Without an account in it, which would be a password in the list. */
const address = z
  .string()
  .max(2000)
  .regex(/^https?:\/\/[A-Za-z0-9.\-[\]:]+(\/[!-~]*)?$/, 'expected an address such as https://example.com/hook')
/** The address of an API: paths are appended to it. */
const gitAddress = address.regex(/^[^?#]*$/, 'expected an address without ? and #')
const recipient = z
  .string()
  .max(200)
  .regex(/^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+$/, 'expected an e-mail address')
const repository = z
  .string()
  .max(200)
  .regex(
    /^\.?[A-Za-z0-9_-][A-Za-z0-9_.-]*(\/\.?[A-Za-z0-9_-][A-Za-z0-9_.-]*)+$/,
    'expected a repository such as owner/name',
  )
const token = z
  .string()
  .max(500)
  .regex(/^[!-~]+$/, 'expected the token of the git server')

const commitStatus = { name, address: gitAddress, repository, token, app: stackName }
const body = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('webhook'), name, address, states }),
  z.strictObject({ kind: z.literal('chat'), name, address, states }),
  z.strictObject({ kind: z.literal('mail'), name, recipients: z.array(recipient).min(1).max(20), states }),
  z.strictObject({ kind: z.literal('github'), ...commitStatus }),
  z.strictObject({ kind: z.literal('gitlab'), ...commitStatus }),
  z.strictObject({ kind: z.literal('gitea'), ...commitStatus }),
])

const delivery = z.object({
  id: z.number(),
  deployment: z.number().nullable(),
  about: z.enum([...noticeStates, 'test']),
  state: z.enum(['pending', 'delivered', 'failed']),
  attempts: z.number(),
  created: z.string(),
  next: z.string(),
  ended: z.string().nullable(),
  error: z.string().nullable(),
})
const target = z.object({
  id: z.number(),
  kind: z.enum(targetKinds),
  name: z.string(),
  /** Without the path, which can be a secret. */
  address: z.string(),
  repository: z.string().nullable(),
  app: z.string().nullable(),
  states: z.array(z.enum(noticeStates)),
  account: z.string(),
  created: z.string(),
  /** The newest ones, the one that is sent next, and the last one that failed; the newest first. */
  deliveries: z.array(delivery),
})
const path = { stack: z.string(), notice: idSchema }

export function noticeRoutes({ targets, audit, hasMail }: NoticeServices): readonly Route[] {
  const find = (stack: string, id: number) => {
    const found = targets.find(stack, id)
    if (found === undefined) throw new Problem(404, 'NOT_FOUND', `${stack} has no notice ${id}`)
    return found
  }
  const record = (
    request: Pick<RouteRequest<Record<never, never>, Record<never, never>, unknown>, 'actor' | 'address'>,
    action: string,
    { stack, id, name, kind, address }: Pick<Target, 'stack' | 'id' | 'name' | 'kind' | 'address'>,
  ) => {
    const { account, via } = accountOf(request)
    const detail = { id, name, kind, address: shownAddress({ kind, address }) }
    audit.add({ actor: account, via, address: request.address, action, stack, detail })
  }
  const answer = (one: Target) => ({
    id: one.id,
    kind: one.kind,
    name: one.name,
    repository: one.repository,
    app: one.app,
    states: [...one.states],
    account: one.account,
    created: one.created,
    address: shownAddress(one),
    deliveries: targets.deliveries(one.id, 5).map(({ target: _, ...rest }) => rest),
  })
  return [
    route({
      method: 'get',
      path: '/api/stacks/{stack}/notices',
      access: 'manage',
      summary: 'List where the notices of a stack are sent, each with its last deliveries',
      params: { stack: z.string() },
      answer: z.object({ hasMail: z.boolean(), targets: z.array(target) }),
      handle: ({ params }) => ({ hasMail, targets: targets.list(params.stack).map(answer) }),
    }),
    route({
      method: 'post',
      path: '/api/stacks/{stack}/notices',
      access: 'manage',
      summary: 'Send the notices of a stack to one more address; the secret of a webhook is shown once',
      params: { stack: z.string() },
      body,
      answer: z.object({ id: z.number(), secret: z.string().nullable() }),
      handle: (request) => {
        const { stack } = request.params
        const given = request.body
        if (targets.list(stack).length >= maxTargets)
          throw new Problem(409, 'TOO_MANY_NOTICES', `${stack} has ${maxTargets} notices`, { hint: 'remove one first' })
        if (given.kind === 'mail' && !hasMail)
          throw new Problem(409, 'NO_MAIL_SERVER', 'the console has no mail server', {
            hint: 'name a mail server in the file of --settings',
          })
        if ('address' in given && !URL.canParse(given.address))
          throw new Problem(
            400,
            'INVALID_REQUEST',
            'body.address: expected an address such as https://example.com/hook',
          )
        const isGit = 'token' in given
        const made = {
          stack,
          kind: given.kind,
          name: given.name,
          account: accountOf(request).account,
          address: given.kind === 'mail' ? given.recipients.join(',') : given.address,
          repository: isGit ? given.repository : null,
          app: isGit ? given.app : null,
          states: isGit ? noticeStates : [...new Set(given.states)],
        }
        const { id, secret } = targets.create(made, isGit ? given.token : null)
        record(request, 'notice created', { ...made, id })
        return { id, secret }
      },
    }),
    route({
      method: 'delete',
      path: '/api/stacks/{stack}/notices/{notice}',
      access: 'manage',
      summary: 'Send no more notices to an address',
      params: path,
      answer: z.object({}),
      handle: (request) => {
        const found = find(request.params.stack, request.params.notice)
        targets.remove(found.stack, found.id)
        record(request, 'notice removed', found)
        return {}
      },
    }),
    route({
      method: 'post',
      path: '/api/stacks/{stack}/notices/{notice}/test',
      access: 'manage',
      summary: 'Send a test notice',
      params: path,
      answer: z.object({ delivery: z.number() }),
      handle: (request) => {
        const found = find(request.params.stack, request.params.notice)
        const [last] = targets.deliveries(found.id, 1)
        if (last?.about === 'test' && last.state === 'pending') {
          targets.retry(found.id)
          return { delivery: last.id }
        }
        record(request, 'notice tested', found)
        return { delivery: targets.addTest(found.id) }
      },
    }),
  ]
}

/** Returns what may be shown of an address: the path of a chat or a webhook can be its secret. */
function shownAddress({ kind, address }: Pick<Target, 'kind' | 'address'>): string {
  if (kind === 'mail') return address
  const { origin, pathname } = new URL(address)
  return kind === 'webhook' || kind === 'chat' ? (pathname === '/' ? origin : `${origin}/…`) : address
}
