/** Keeps what was set at run time, such as the states of HAProxy servers, when a service is reloaded. */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { asConvergeError } from '../../core/model/errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { absolutePath, type Duration } from '../../core/model/units.ts'
import {
  addressesOf,
  type ConfiguredServer,
  configuredServerProp,
  outdatedServers,
  stateCommand,
  statesToKeep,
} from '../balancer/server_addresses.ts'
import { Deadline } from './deadline.ts'

export const runtimeStateProps = {
  keep: z
    .strictObject({
      socket: absolutePath.describe('Its runtime socket'),
      ask: z.string().min(1).describe('Command to send there'),
      file: absolutePath.describe('File that it reads the answer from when it starts'),
      blank: z.string().default('').describe('Content of the file after the start; default: empty'),
    })
    .optional()
    .describe(
      'State that a reload would lose, such as the states of servers: stored before the reload, and read by the next process',
    ),
  balances: z
    .strictObject({
      socket: absolutePath.describe('Its runtime socket'),
      file: absolutePath.describe('The `server-state-file` of its configuration'),
      servers: z.array(configuredServerProp).describe('Its servers as the configuration has them'),
    })
    .optional()
    .describe(
      'For HAProxy: also reload it if it uses another address of a server than the configuration has. A reload keeps the states, such as drain, of servers whose address stays the same',
    ),
}

type Runtime = z.output<z.ZodObject<typeof runtimeStateProps>> & { readonly name: string; readonly deadline: Duration }

/**
 * Returns the outdated servers. A balancer that cannot be reached reports none: that is no reason to reload it.
 * @param asking asks again each time, or returns a cached answer
 */
export async function findOutdatedServers(
  host: HostReader,
  { balances }: Runtime,
  asking: HostReader['cached'] = (_, ask) => ask(),
): Promise<string[]> {
  if (balances === undefined || balances.servers.length === 0) return []
  const { socket, servers } = balances
  try {
    const answer = await asking(`server states at ${socket}`, () => queryServerStates(host, socket))
    return outdatedServers(answer, servers, await addressesFor(host, servers))
  } catch (error) {
    if (asConvergeError(error).code === 'INTERNAL') throw error
    return []
  }
}

function queryServerStates(host: HostReader, socketPath: string): Promise<string> {
  return host.querySocket({ socketPath, text: `${stateCommand}\n` })
}

const addressesFor = (host: HostReader, servers: readonly ConfiguredServer[]) =>
  addressesOf(
    host,
    servers.map((server) => server.host),
  )

/** A state file of HAProxy without servers: only the version of its format. */
const noStates = '1\n'

/** Waits until the new process answers: the old one may still answer at the socket for a moment. */
export async function waitForNewAddresses(host: Host, props: Runtime): Promise<void> {
  const deadline = new Deadline(host, props.deadline)
  while ((await findOutdatedServers(host, props)).length > 0) if (!(await deadline.pause())) return
}

/**
 * Stores the run-time state for the new process. If the service does not answer, there is no state to store, and the
 * reload continues.
 */
export async function storeRuntimeState(
  host: Host,
  { name, keep, balances }: Runtime,
  { warn }: Context,
): Promise<void> {
  // Each reload writes the file.
  const file = balances?.file ?? keep?.file
  const isFirst = file !== undefined && host.stat(file) === null
  try {
    if (keep !== undefined)
      host.writeFile(keep.file, await host.querySocket({ socketPath: keep.socket, text: `${keep.ask}\n` }))
    if (balances !== undefined) {
      const { socket, file, servers } = balances
      const answer = await queryServerStates(host, socket)
      host.writeFile(file, statesToKeep(answer, servers, await addressesFor(host, servers)))
    }
  } catch (error) {
    const { code, message } = asConvergeError(error)
    if (code === 'INTERNAL') throw error
    // A file that an interrupted run left would restore outdated addresses.
    if (balances !== undefined) host.writeFile(balances.file, noStates)
    // Before the first reload the service has the distribution's configuration, without this socket: nothing is lost.
    const socket = balances?.socket ?? keep?.socket
    if (isFirst && socket !== undefined && host.stat(socket) === null) return
    warn(`${name} is reloaded without what was set at run time: ${message} (check its socket)`)
  }
}

/** Empties the stored state after a reload: after a later crash of the service it would be outdated. */
export function discardRuntimeState(host: Host, { keep, balances }: Runtime): void {
  if (keep !== undefined) host.writeFile(keep.file, keep.blank)
  if (balances !== undefined) host.writeFile(balances.file, noStates)
}
