/** Routes to plan, start, follow and end deployments. */
import * as z from 'zod'
import type { Audit } from '../access/audit.ts'
import { compareDeployments } from '../deployments/comparison.ts'
import { deploymentReport } from '../deployments/deployment_report.ts'
import type { Runner } from '../deployments/runner.ts'
import { states } from '../deployments/state_names.ts'
import { type ConsoleDeployment, requestSchema } from '../deployments/states.ts'
import type { DeploymentStore } from '../deployments/store.ts'
import type { StackCommand } from '../stack/stack_command.ts'
import type { StackReader } from '../stack/stack_reader.ts'
import { answerOf, comparisonAnswer, deploymentAnswer, withoutPlan } from './deployment_answer.ts'
import { eventStream } from './event_stream.ts'
import { Problem } from './problem.ts'
import { accountOf, idSchema, type Route, route, type StackSources, sourceOf } from './route.ts'

export interface DeploymentServices {
  readonly store: DeploymentStore
  readonly runner: Runner
  readonly audit: Audit
  readonly stacks: StackSources
  readonly command: StackCommand
  readonly reader: StackReader
}

const deploymentPath = { deployment: idSchema }

export function deploymentRoutes({
  store,
  runner,
  audit,
  stacks,
  command,
  reader,
}: DeploymentServices): readonly Route[] {
  const record = (
    request: Parameters<typeof accountOf>[0] & { readonly address: string },
    action: string,
    { id, stack, plan }: ConsoleDeployment,
    detail: object = {},
  ) => {
    const { account, via } = accountOf(request)
    const entry = { deployment: id, ...(plan && { plan: plan.digest }), ...detail }
    audit.add({ actor: account, via, address: request.address, action, stack, detail: entry })
  }
  const changed = (result: ConsoleDeployment | string) => {
    if (typeof result === 'string') throw new Problem(409, 'WRONG_STATE', result)
    return result
  }
  return [
    route({
      method: 'get',
      path: '/api/stacks/{stack}/deployments',
      access: 'show',
      summary: 'List the deployments of the console for a stack, newest first, without their plans',
      params: { stack: z.string() },
      query: {
        before: idSchema.optional(),
        limit: z.coerce.number().int().min(1).max(200).default(50),
        state: z.enum(states).optional(),
      },
      answer: z.array(deploymentAnswer),
      handle: ({ params, query: { limit, ...filter } }) => store.list(params.stack, limit, filter).map(withoutPlan),
    }),
    route({
      method: 'post',
      path: '/api/stacks/{stack}/deployments',
      access: 'deploy',
      summary: 'Plan a deployment. It then waits for a confirmation, unless it is automatic',
      params: { stack: z.string() },
      body: requestSchema,
      status: 201,
      answer: deploymentAnswer,
      handle: async (request) => {
        const { params, body } = request
        const { account } = accountOf(request)
        const source = sourceOf(stacks, params.stack)
        const marks = body.customJson === undefined ? null : await reader.secretMarks(source)
        const deployment = store.create(params.stack, body, account, marks)
        record(request, 'deployment requested', deployment, { request: deployment.request })
        return answerOf(deployment)
      },
    }),
    route({
      method: 'get',
      path: '/api/deployments/{deployment}',
      access: 'show',
      summary: 'Show a deployment with its plan',
      params: deploymentPath,
      answer: deploymentAnswer,
      handle: ({ params }) => answerOf(store.get(params.deployment)),
    }),
    route({
      method: 'get',
      path: '/api/stacks/{stack}/comparison',
      access: 'show',
      summary: 'Compare two deployments of a stack: requests, commits, outcomes of hosts, and plans',
      params: { stack: z.string() },
      query: { from: idSchema, to: idSchema },
      answer: comparisonAnswer,
      handle: async ({ params, query }) => {
        const compared = (id: number) => {
          const deployment = store.find(id)
          if (deployment?.stack !== params.stack)
            throw new Problem(404, 'NOT_FOUND', `${params.stack} has no deployment ${id}`)
          return { deployment, events: runner.rolloutEvents(id) }
        }
        const [from, to] = [compared(query.from), compared(query.to)]
        const comparison = (await compareDeployments(from, to)) as z.output<typeof comparisonAnswer>
        return { ...comparison, from: withoutPlan(from.deployment), to: withoutPlan(to.deployment) }
      },
    }),
    route({
      method: 'get',
      path: '/api/deployments/{deployment}/report',
      access: 'show',
      summary: 'Render a deployment as an HTML page that opens without the console',
      params: deploymentPath,
      answer: z.unknown(),
      contentType: 'text/html',
      handle: async ({ params: { deployment: id } }) =>
        new Response(await deploymentReport(store.get(id), runner.rolloutEvents(id)), {
          headers: {
            'Content-Type': 'text/html; charset=utf-8',
            'Content-Disposition': `inline; filename="deployment-${id}.html"`,
            'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
          },
        }),
    }),
    route({
      method: 'post',
      path: '/api/deployments/{deployment}/confirm',
      access: 'deploy',
      summary: 'Confirm the plan: the run refuses if the plan has changed since',
      params: deploymentPath,
      body: z.strictObject({ digest: z.string().regex(/^[0-9a-f]{64}$/, 'expected the digest of the plan') }),
      answer: deploymentAnswer,
      handle: (request) => {
        const { account } = accountOf(request)
        const confirmed = changed(runner.confirm(request.params.deployment, request.body.digest, account))
        record(request, 'plan confirmed', confirmed)
        return answerOf(confirmed)
      },
    }),
    route({
      method: 'post',
      path: '/api/deployments/{deployment}/approve',
      access: 'deploy',
      summary: 'Approve a confirmed deployment as a second person',
      params: deploymentPath,
      answer: deploymentAnswer,
      handle: (request) => {
        const approved = changed(runner.approve(request.params.deployment, accountOf(request).account))
        record(request, 'approved', approved)
        return answerOf(approved)
      },
    }),
    route({
      method: 'post',
      path: '/api/deployments/{deployment}/cancel',
      access: 'deploy',
      summary: 'Cancel a deployment; one that runs is aborted: no further host starts',
      params: deploymentPath,
      answer: deploymentAnswer,
      handle: (request) => {
        const cancelled = changed(runner.cancel(request.params.deployment, accountOf(request).account))
        record(request, cancelled.state === 'cancelled' ? 'cancelled' : 'aborted', cancelled)
        return answerOf(cancelled)
      },
    }),
    ...(['pause', 'continue'] as const).map((action) =>
      route({
        method: 'post',
        path: `/api/deployments/{deployment}/${action}`,
        access: 'deploy',
        summary:
          action === 'pause'
            ? 'Pause a rollout that runs: no further host starts, and running hosts complete their phase'
            : 'Continue a paused rollout',
        params: deploymentPath,
        answer: deploymentAnswer,
        handle: async (request) => {
          const deployment = store.get(request.params.deployment)
          const { account } = accountOf(request)
          if (deployment.state !== 'running' || deployment.record === null)
            throw new Problem(409, 'WRONG_STATE', `the rollout of deployment ${deployment.id} does not run`)
          const by = action === 'pause' ? [`--by=${account}, console`] : []
          await command(sourceOf(stacks, deployment.stack), [action, deployment.record, ...by, '--json-output'])
          runner.setPaused(deployment.id, action === 'pause')
          record(request, action === 'pause' ? 'paused' : 'continued', deployment)
          return answerOf(store.get(deployment.id))
        },
      }),
    ),
    route({
      method: 'get',
      path: '/api/deployments/{deployment}/events',
      access: 'show',
      summary:
        'Follow the events of a rollout (server-sent events); the header Last-Event-ID continues after a byte offset. With grouped=true a message has several events, each on a line',
      params: deploymentPath,
      query: {
        from: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
        grouped: z.enum(['true', 'false']).default('false'),
      },
      answer: z.unknown(),
      contentType: 'text/event-stream',
      handle: ({ params, query, header, isPermitted }) => {
        const last = header('last-event-id')
        const from = last !== undefined && /^\d{1,15}$/.test(last) ? Number(last) : (query.from ?? 0)
        const isGrouped = query.grouped === 'true'
        return eventStream({ store, runner, id: params.deployment, from, isGrouped, isPermitted })
      },
    }),
  ]
}
