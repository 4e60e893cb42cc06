/** Selects hosts for a command of the operator, and connects to them without a lock or a record. */

import { loadState } from '../../fleet/records/stack_state.ts'
import { HostConnection } from '../../fleet/remote/host_connection.ts'
import { ConvergeError } from '../../model/errors.ts'
import { plain } from '../../report/printable.ts'
import { printError } from '../print.ts'
import { deployedOnAll } from './apps.ts'
import type { StackCall } from './call.ts'
import { type ReachableHost, reachableHosts } from './hosts.ts'
import type { StackInputs } from './inputs.ts'
import { type Placed, placed, selected } from './select.ts'
import { reading, stateDirectoryOf } from './state_directory.ts'
import { isParticipant } from './taking_part.ts'

/**
 * Returns the hosts that --layer, --host, --app and --limit select; without --host, none that is shut down.
 * @throws InvalidInput for names that the stack does not have
 */
export async function selectedHosts<N>(
  call: StackCall<N>,
  inputs: StackInputs<N>,
): Promise<readonly ReachableHost<Placed>[]> {
  const { args, secrets } = call
  const { stack } = inputs
  const directory = stateDirectoryOf(stack)
  const state = reading(directory, () => loadState(directory))
  // Only compiling its roles shows which apps a host has.
  const apps = args.app === undefined ? null : await deployedOnAll(call, inputs, [])
  const nothing = { apps: [], events: new Set<string>(), migrating: [] }
  const hosts = placed(stack, (host) => apps?.get(host) ?? nothing).filter(({ name }) =>
    isParticipant(name, state, 'status', args),
  )
  const names = selected(stack, hosts, args)
  const warn = (message: string) => printError(secrets.mask(`warning: ${plain(message)}\n`))
  const note = (message: string) => printError(secrets.mask(`note: ${plain(message)}\n`))
  const screen = { pause: () => undefined, resume: () => undefined }
  return reachableHosts(call, stack, { hosts: hosts.filter(({ name }) => names.has(name)), warn, note, screen })
}

/**
 * @param asRoot whether the command runs as root
 * @throws NO_ROOT
 */
export function linkTo(
  { placed: { name }, host, target, open, sudo }: ReachableHost<Placed>,
  asRoot: boolean,
): HostConnection {
  if (asRoot && sudo === 'none' && target.user !== 'root')
    throw new ConvergeError(`cannot become root on ${name}: the stack file sets "sudo" to false`, {
      code: 'NO_ROOT',
      hint: 'leave out --sudo and --user, or correct "sudo" of the host',
    })
  const state = `${host.prefix ?? ''}/var/lib/converge/fleet`
  return new HostConnection({ name, open, sudo: asRoot ? sudo : 'none', rollout: '', by: '' }, state)
}
