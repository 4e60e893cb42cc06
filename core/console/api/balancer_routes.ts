/** Routes that show the servers of a stack's balancers, drain one, or set it ready. */
import * as z from 'zod'
import { asConvergeError } from '../../model/errors.ts'
import type { Audit } from '../access/audit.ts'
import { stackName } from '../deployments/states.ts'
import { balancerAnswer } from '../stack/balancer_state.ts'
import { askBalancers, switchServer } from '../stack/balancers.ts'
import type { StackCommand } from '../stack/stack_command.ts'
import { Problem } from './problem.ts'
import { accountOf, type Route, route, type StackSources, sourceOf } from './route.ts'

export interface BalancerServices {
  readonly stacks: StackSources
  readonly command: StackCommand
  readonly audit: Audit
}

const stackPath = { stack: z.string() }
const answer = z.object({ balancers: z.array(balancerAnswer) })

export function balancerRoutes({ stacks, command, audit }: BalancerServices): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/api/stacks/{stack}/balancers',
      access: 'show',
      summary: 'Ask the balancers of a stack for their servers, with states and sessions',
      params: stackPath,
      answer,
      handle: async ({ params }) => ({ balancers: [...(await askBalancers(command, sourceOf(stacks, params.stack)))] }),
    }),
    route({
      method: 'post',
      path: '/api/stacks/{stack}/balancers',
      access: 'deploy',
      summary:
        'Drain a server at all balancers of a stack, or set it ready; does not wait until its sessions have ended',
      params: stackPath,
      body: z.strictObject({
        action: z.enum(['drain', 'ready']),
        /** Name of the server, with that of its backend. */
        server: stackName,
      }),
      answer,
      handle: async (request) => {
        const { stack } = request.params
        const { action, server } = request.body
        const { account, via } = accountOf(request)
        const record = (result: string, detail: Readonly<Record<string, unknown>>) =>
          audit.add({
            actor: account,
            via,
            address: request.address,
            stack,
            action: `${action === 'drain' ? 'drain server' : 'set server ready'}: ${result}`,
            detail,
          })
        const source = sourceOf(stacks, stack)
        record('requested', { server })
        try {
          // Not every balancer of the stack has each server.
          const known = await askBalancers(command, source)
          const hosts = [
            ...new Set(known.flatMap(({ host, servers }) => (servers.some(({ name }) => name === server) ? host : []))),
          ]
          if (hosts.length === 0)
            throw new Problem(404, 'UNKNOWN_SERVER', `no balancer of ${stack} has a server ${server}`)
          const balancers = await switchServer(command, source, action, { server, hosts })
          const failed = balancers.filter(({ failure }) => failure !== null).map(({ host }) => host)
          record(failed.length === 0 ? 'done' : 'failed', { server, failed })
          return { balancers: [...balancers] }
        } catch (thrown) {
          record('failed', { server, reason: asConvergeError(thrown).message })
          throw thrown
        }
      },
    }),
  ]
}
