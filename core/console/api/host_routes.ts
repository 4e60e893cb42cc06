/** Routes that show the hosts of a stack, and close or open its sites. */
import * as z from 'zod'
import { asConvergeError } from '../../model/errors.ts'
import type { Audit } from '../access/audit.ts'
import { oneLine, stackName } from '../deployments/states.ts'
import { stackStateSchema } from '../stack/host_state.ts'
import type { HostStates } from '../stack/host_states.ts'
import { switchMaintenance } from '../stack/maintenance.ts'
import type { StackCommand } from '../stack/stack_command.ts'
import type { StackReader } from '../stack/stack_reader.ts'
import { Problem } from './problem.ts'
import { accountOf, type Route, route, type StackSources, sourceOf } from './route.ts'

export interface HostServices {
  readonly stacks: StackSources
  readonly reader: StackReader
  readonly states: HostStates
  readonly command: StackCommand
  readonly audit: Audit
}

const stackPath = { stack: z.string() }

const attributeSchema = z.object({
  path: z.string(),
  /** As recipes see it; masked if it is secret. */
  value: z.unknown(),
  sensitive: z.boolean(),
  /** The layers that set it; the first one decides. */
  origins: z.array(z.object({ kind: z.string(), from: z.string(), value: z.unknown() })),
})

export function hostRoutes({ stacks, reader, states, command, audit }: HostServices): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/api/stacks/{stack}/state',
      access: 'show',
      summary:
        'Ask the hosts of a stack for their releases, services and last run; answers within 15 seconds are shared',
      params: stackPath,
      answer: stackStateSchema,
      handle: ({ params }) => states.statesOf(sourceOf(stacks, params.stack)),
    }),
    route({
      method: 'get',
      path: '/api/stacks/{stack}/hosts/{host}/attributes',
      access: 'show',
      summary:
        'List the attributes of a host that are set, with the layers that set them; or explain one, with its default',
      params: { ...stackPath, host: stackName },
      query: { key: stackName.optional() },
      answer: z.object({ attributes: z.array(attributeSchema) }),
      handle: async ({ params, query }) => {
        const source = sourceOf(stacks, params.stack)
        const { hosts } = await reader.show(source)
        if (!hosts.some(({ name }) => name === params.host))
          throw new Problem(404, 'NOT_FOUND', `${params.stack} has no host ${params.host}`)
        const explanations = await reader.attributes(source, params.host, query.key ?? null)
        const attributes = explanations.map(({ path, value, sensitive, origins }) => ({
          path,
          value,
          sensitive,
          origins: origins.map(({ kind, from, value }) => ({ kind, from, value })),
        }))
        return { attributes }
      },
    }),
    route({
      method: 'put',
      path: '/api/stacks/{stack}/maintenance',
      access: 'deploy',
      summary: 'Close the sites of a stack with a maintenance page, or open them; answers when all hosts are done',
      params: stackPath,
      body: z.strictObject({
        closed: z.boolean(),
        message: oneLine(500).min(1).optional(),
      }),
      answer: z.object({ hosts: z.array(z.object({ host: z.string(), failure: z.string().nullable() })) }),
      handle: async (request) => {
        const { stack } = request.params
        const { closed, message } = request.body
        const { account, via } = accountOf(request)
        const source = sourceOf(stacks, stack)
        const entry = { actor: account, via, address: request.address, stack }
        const record = (action: string, detail: Readonly<Record<string, unknown>>) =>
          audit.add({ ...entry, action: `${closed ? 'close' : 'open'} sites: ${action}`, detail })
        // Recorded before: if the console ends meanwhile, the hosts are switched nevertheless.
        record('requested', message === undefined ? {} : { message })
        try {
          const hosts = await switchMaintenance(command, source, {
            isClosed: closed,
            message,
            by: `${account}, console`,
          })
          const failed = hosts.filter(({ failure }) => failure !== null)
          record(failed.length === 0 ? 'done' : 'failed', {
            hosts: hosts.length,
            failed: failed.map(({ host }) => host),
          })
          return { hosts: [...hosts] }
        } catch (thrown) {
          record('failed', { reason: asConvergeError(thrown).message })
          throw thrown
        } finally {
          states.discard(source)
        }
      },
    }),
  ]
}
