/** Asks the balancers of a stack for their servers, drains one, or sets it ready, as `converge stack balancer` does. */
import * as z from 'zod'
import { parseEvent } from '../deployments/event_file.ts'
import { type BalancerState, backendServer } from './balancer_state.ts'
import type { StackCommand, StackLocation } from './stack_command.ts'

const doneEvent = z.object({
  event: z.literal('done'),
  host: z.string(),
  status: z.number().nullable(),
  stderr: z.string().default(''),
  failure: z.object({ message: z.string() }).nullish(),
  balancers: z
    .array(
      z.object({
        where: z.string(),
        // A list names all servers, and a change the one that it is about.
        servers: z.array(backendServer).optional(),
        server: backendServer.optional(),
        problem: z.object({ message: z.string() }).nullish(),
      }),
    )
    .nullish(),
})

/** Seconds. A host answers at once, because the commands do not wait until a server is drained. */
const timeout = 120

/** @throws STACK_UNREADABLE; NO_HOSTS if no host has a balancer */
export async function askBalancers(command: StackCommand, source: StackLocation): Promise<readonly BalancerState[]> {
  return statesIn(await command(source, ['balancer', 'list', '--json-output'], { timeout, accept: [0, 1] }))
}

/**
 * Drains a server, or sets it ready.
 * @param hosts those whose balancers have it
 * @param server its name with the backend
 * @throws STACK_UNREADABLE; NO_HOSTS if no host has a balancer
 */
export async function switchServer(
  command: StackCommand,
  source: StackLocation,
  action: 'drain' | 'ready',
  { server, hosts }: { readonly server: string; readonly hosts: readonly string[] },
): Promise<readonly BalancerState[]> {
  const wait = action === 'drain' ? ['--wait=0'] : []
  const selection = hosts.flatMap((host) => ['--host', host])
  const words = ['balancer', action, server, ...selection, ...wait, '--json-output']
  return statesIn(await command(source, words, { timeout, accept: [0, 1] }))
}

function statesIn(output: string): readonly BalancerState[] {
  return output.split('\n').flatMap((line) => {
    const { data } = doneEvent.safeParse(parseEvent(line))
    if (data === undefined) return []
    const { host, status, stderr, failure, balancers } = data
    const reason = failure?.message ?? (stderr.trim() || `exit status ${status}`)
    if (balancers == null) return [{ host, where: '', servers: [], failure: reason }]
    const states: BalancerState[] = balancers.map(({ where, servers, server, problem }) => ({
      host,
      where,
      failure: problem?.message ?? null,
      servers: servers ?? (server === undefined ? [] : [server]),
    }))
    // A balancer that has refused a change is not in the answer.
    const isExplained = status === 0 || states.some((state) => state.failure !== null)
    return isExplained ? states : [...states, { host, where: '', servers: [], failure: reason }]
  })
}
