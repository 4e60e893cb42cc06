/** Routes to list, make, switch and remove the schedules of a stack. */
import * as z from 'zod'
import type { Audit } from '../access/audit.ts'
import { oneLine, requestSchema } from '../deployments/states.ts'
import type { Schedules } from '../schedules/schedules.ts'
import { nextTimes, scheduleProblem } from '../schedules/times.ts'
import { Problem } from './problem.ts'
import { accountOf, idSchema, type Route, route } from './route.ts'

export interface ScheduleServices {
  readonly schedules: Schedules
  readonly audit: Audit
  readonly now: () => Date
}

const scheduleAnswer = z.object({
  id: z.number(),
  stack: z.string(),
  name: z.string(),
  account: z.string(),
  when: z.string(),
  zone: z.string(),
  request: z.looseObject({}),
  enabled: z.boolean(),
  next: z.string().nullable(),
  last: z.string().nullable(),
  created: z.string(),
})
const stackPath = { stack: z.string() }
const schedulePath = { ...stackPath, schedule: idSchema }
const time = { when: oneLine(100).min(1), zone: oneLine(100).min(1).default('UTC') }

export function scheduleRoutes({ schedules, audit, now }: ScheduleServices): readonly Route[] {
  const record = (
    request: Parameters<typeof accountOf>[0] & { readonly address: string },
    action: string,
    stack: string,
    detail: Readonly<Record<string, unknown>>,
  ) => {
    const { account, via } = accountOf(request)
    audit.add({ actor: account, via, address: request.address, action, stack, detail })
  }
  const existing = (stack: string, id: number) => {
    const found = schedules.find(stack, id)
    if (found === undefined) throw new Problem(404, 'NOT_FOUND', `${stack} has no schedule ${id}`)
    return found
  }
  const validTime = ({ when, zone }: { readonly when: string; readonly zone: string }, part: string) => {
    const problem = scheduleProblem(when, zone, now())
    if (problem === null) return
    throw new Problem(400, 'INVALID_REQUEST', problem, { fields: [{ path: part, message: problem }] })
  }
  return [
    route({
      method: 'get',
      path: '/api/stacks/{stack}/schedules',
      access: 'show',
      summary: 'List the schedules of a stack',
      params: stackPath,
      answer: z.array(scheduleAnswer),
      handle: ({ params }) => schedules.list(params.stack).map((one) => ({ ...one, request: { ...one.request } })),
    }),
    route({
      method: 'get',
      path: '/api/stacks/{stack}/schedule-times',
      access: 'show',
      summary: 'Compute the next five times at which a schedule would be due',
      params: stackPath,
      query: time,
      answer: z.object({ times: z.array(z.string()) }),
      handle: ({ query }) => {
        validTime(query, 'query.when')
        return { times: nextTimes(query.when, query.zone, now(), 5).map((next) => next.toISOString()) }
      },
    }),
    route({
      method: 'post',
      path: '/api/stacks/{stack}/schedules',
      access: 'manage',
      summary: 'Make a schedule that deploys by a cron expression of five fields, or once at a time',
      params: stackPath,
      body: z.strictObject({ name: oneLine(200).min(1), ...time, request: requestSchema.prefault({}) }),
      status: 201,
      answer: scheduleAnswer,
      handle: (request) => {
        const { params, body } = request
        validTime(body, 'body.when')
        if (body.request.customJson !== undefined)
          throw new Problem(400, 'INVALID_REQUEST', 'a schedule takes no custom JSON', {
            hint: 'set the attributes in the stack file',
          })
        const made = schedules.create({ ...body, stack: params.stack, account: accountOf(request).account })
        record(request, 'schedule created', params.stack, { id: made.id, ...body })
        return { ...made, request: { ...made.request } }
      },
    }),
    route({
      method: 'patch',
      path: '/api/stacks/{stack}/schedules/{schedule}',
      access: 'manage',
      summary: 'Switch a schedule on or off',
      params: schedulePath,
      body: z.strictObject({ enabled: z.boolean() }),
      answer: scheduleAnswer,
      handle: (request) => {
        const { stack, schedule } = request.params
        const { enabled } = request.body
        const changed = schedules.enable(existing(stack, schedule), enabled)
        record(request, enabled ? 'schedule enabled' : 'schedule disabled', stack, { id: schedule })
        return { ...changed, request: { ...changed.request } }
      },
    }),
    route({
      method: 'delete',
      path: '/api/stacks/{stack}/schedules/{schedule}',
      access: 'manage',
      summary: 'Remove a schedule',
      params: schedulePath,
      answer: z.object({}),
      handle: (request) => {
        const { stack, schedule } = request.params
        const { name } = existing(stack, schedule)
        schedules.remove(stack, schedule)
        record(request, 'schedule removed', stack, { id: schedule, name })
        return {}
      },
    }),
  ]
}
