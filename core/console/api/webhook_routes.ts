/** Routes to manage webhooks, and the one that receives deliveries. */
import * as z from 'zod'
import type { Audit } from '../access/audit.ts'
import { includesLevel } from '../access/levels.ts'
import type { Sessions } from '../access/sessions.ts'
import { oneLine, requestSchema } from '../deployments/states.ts'
import type { DeploymentStore } from '../deployments/store.ts'
import { commitEvent, triggers } from '../webhooks/commit_event.ts'
import { checkSignature, senders } from '../webhooks/signature.ts'
import type { Webhooks } from '../webhooks/webhooks.ts'
import { Problem } from './problem.ts'
import { accountOf, type Route, route } from './route.ts'

export interface WebhookServices {
  readonly webhooks: Webhooks
  readonly sessions: Sessions
  readonly store: DeploymentStore
  readonly audit: Audit
  readonly now: () => Date
}

const lineSchema = oneLine(200).min(1)
const webhookAnswer = z.object({
  id: z.string(),
  stack: z.string(),
  name: z.string(),
  account: z.string(),
  sender: z.enum(senders),
  branch: z.string(),
  trigger: z.enum(triggers),
  request: z.looseObject({}),
  created: z.string(),
})
const hookPath = { webhook: z.string().regex(/^[0-9a-f]{24}$/, 'expected the id of a webhook') }

export function webhookRoutes(services: WebhookServices): readonly Route[] {
  const { webhooks, audit } = services
  return [
    route({
      method: 'get',
      path: '/api/stacks/{stack}/webhooks',
      access: 'manage',
      summary: 'List the webhooks of a stack',
      params: { stack: z.string() },
      answer: z.array(webhookAnswer),
      handle: ({ params }) => webhooks.list(params.stack).map((one) => ({ ...one, request: { ...one.request } })),
    }),
    route({
      method: 'post',
      path: '/api/stacks/{stack}/webhooks',
      access: 'manage',
      summary: 'Make a webhook that deploys a branch; its secret is shown once',
      params: { stack: z.string() },
      body: z.strictObject({
        name: lineSchema,
        sender: z.enum(senders),
        branch: lineSchema,
        trigger: z.enum(triggers).default('checks'),
        request: requestSchema.prefault({}),
      }),
      answer: z.object({ id: z.string(), path: z.string(), secret: z.string() }),
      handle: (request) => {
        const { params, body } = request
        const { account, via } = accountOf(request)
        if (body.request.action !== 'deploy' || body.request.revision !== undefined)
          throw new Problem(400, 'INVALID_REQUEST', 'a webhook deploys the commit that it is about', {
            hint: 'leave out "action" and "revision" of the request',
          })
        if (body.request.customJson !== undefined)
          throw new Problem(400, 'INVALID_REQUEST', 'a webhook takes no custom JSON', {
            hint: 'set the attributes in the stack file',
          })
        const { id, secret } = webhooks.create({ ...body, stack: params.stack, account })
        const { request: deployment, ...rest } = body
        const entry = { action: 'webhook created', stack: params.stack, detail: { id, ...rest, request: deployment } }
        audit.add({ actor: account, via, address: request.address, ...entry })
        return { id, path: `/hooks/${id}`, secret }
      },
    }),
    route({
      method: 'delete',
      path: '/api/stacks/{stack}/webhooks/{webhook}',
      access: 'manage',
      summary: 'Remove a webhook',
      params: { stack: z.string(), ...hookPath },
      answer: z.object({}),
      handle: (request) => {
        const { stack, webhook } = request.params
        if (!webhooks.remove(stack, webhook)) throw new Problem(404, 'NOT_FOUND', `${stack} has no webhook ${webhook}`)
        const { account, via } = accountOf(request)
        const entry = { action: 'webhook removed', stack, detail: { id: webhook } }
        audit.add({ actor: account, via, address: request.address, ...entry })
        return {}
      },
    }),
    route({
      method: 'post',
      path: '/hooks/{webhook}',
      access: 'signed',
      summary: 'Receive a delivery of GitHub, GitLab, or Standard Webhooks; its signature is checked',
      params: hookPath,
      answer: z.object({ result: z.string(), deployment: z.number().nullable() }),
      handle: async ({ params, address, header, bytes }) =>
        receive(services, params.webhook, address, header, await bytes()),
    }),
  ]
}

/** @throws Problem if the delivery is not from its sender, or has arrived before */
function receive(
  { webhooks, sessions, store, audit, now }: WebhookServices,
  id: string,
  address: string,
  header: (name: string) => string | undefined,
  body: Uint8Array,
): { readonly result: string; readonly deployment: number | null } {
  const found = webhooks.find(id)
  const signature = found && checkSignature(found.webhook.sender, found.secret, { header, body, now: now() })
  // An unknown webhook and a wrong signature are answered alike.
  if (found === undefined || typeof signature !== 'object')
    throw new Problem(401, 'WRONG_SIGNATURE', typeof signature === 'string' ? signature : 'the signature is wrong', {
      hint: 'compare the secret and the sender of the webhook with those of the console',
    })
  const { webhook } = found
  const ignored = (result: string) => ({ result, deployment: null })
  const event = commitEvent(webhook.sender, header, parse(body))
  if (event === null) return ignored('ignored: no commit of a branch, or its checks have not succeeded')
  if (event.branch !== webhook.branch) return ignored(`ignored: branch ${event.branch}`)
  if (event.trigger !== webhook.trigger) return ignored(`ignored: it waits for ${webhook.trigger}`)
  const level = sessions.actorOfAccount(webhook.account)?.levelOf(webhook.stack) ?? 'deny'
  if (!includesLevel(level, 'deploy'))
    throw new Problem(
      403,
      'FORBIDDEN',
      `${webhook.account}, who made the webhook, may not deploy ${webhook.stack} any more`,
    )
  if (!webhooks.recordDelivery(webhook.id, signature.id))
    throw new Problem(409, 'SEEN_DELIVERY', `the delivery ${signature.id} has arrived before`)
  const comment = webhook.request.comment || `webhook ${webhook.name}`
  const request = { ...webhook.request, revision: event.commit, automatic: true, comment }
  const deployment = store.create(webhook.stack, request, webhook.account)
  const detail = { deployment: deployment.id, branch: event.branch, commit: event.commit, delivery: signature.id }
  audit.add({
    actor: webhook.account,
    via: `webhook ${webhook.name}`,
    address,
    action: 'deployment requested',
    stack: webhook.stack,
    detail,
  })
  return { result: 'deployed', deployment: deployment.id }
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    throw new Problem(400, 'INVALID_JSON', 'the body is not valid JSON')
  }
}
