/** Selects hosts for a command of the operator, and connects to them without a lock or a record. */
import { loadState } from '../../fleet/records/stack_state.ts'
import { HostConnection } from '../../fleet/remote/host_connection.ts'
import { ConvergeError } from '../../model/errors.ts'
import { plain } from '../../report/printable.ts'
import { printError } from '../print.ts'
import { deployedOnAll } from './apps.ts'
import { type ReachableHost, reachableHosts } from './hosts.ts'
import type { StackInputs } from './inputs.ts'
import { isParticipant } from './participants.ts'
import { type SelectableHost, selectableHosts, selectHostNames } from './select.ts'
import type { StackCommand } from './stack_command.ts'
import { readRecords, stateDirectoryOf } from './state_directory.ts'

/**
 * Returns the hosts that --layer, --host, --app and --limit select; without --host, none that is shut down.
 * @param compiles whether to compile the roles, which yields the apps and events of the hosts; default: if --app is given
 * @throws InvalidInput for names that the stack does not have
 */
export async function selectedHosts<N>(
  call: StackCommand<N>,
  inputs: StackInputs<N>,
  { compiles = call.args.app !== undefined }: { readonly compiles?: boolean } = {},
): Promise<readonly ReachableHost<SelectableHost>[]> {
  const { args, secrets } = call
  const { stack } = inputs
  const directory = stateDirectoryOf(stack)
  const state = readRecords(directory, () => loadState(directory))
  // Only compiling its roles shows which apps a host has.
  const apps = compiles ? await deployedOnAll(call, inputs, []) : null
  const noApps = { apps: [], events: new Set<string>(), appsToMigrate: [] }
  const hosts = selectableHosts(stack, (host) => apps?.get(host) ?? noApps).filter(({ name }) =>
    isParticipant(name, state, 'status', args),
  )
  const names = selectHostNames(stack, hosts, args)
  const warn = (message: string) => printError(secrets.mask(`warning: ${plain(message)}\n`))
  const note = (message: string) => printError(secrets.mask(`note: ${plain(message)}\n`))
  const screen = { pause: () => undefined, resume: () => undefined }
  return reachableHosts(call, stack, { hosts: hosts.filter(({ name }) => names.has(name)), warn, note, screen })
}

/**
 * Builds the connection on which a command runs.
 * @param asRoot whether the command runs as root
 * @throws NO_ROOT
 */
export function connectionTo(
  { selectable: { name }, host, target, open, sudo }: ReachableHost<SelectableHost>,
  asRoot: boolean,
): HostConnection {
  if (asRoot && sudo === 'none' && target.user !== 'root' && host.transport === 'ssh')
    throw new ConvergeError(`cannot become root on ${name}: the stack file sets "sudo" to false`, {
      code: 'NO_ROOT',
      hint: 'leave out --sudo and --user, or correct "sudo" of the host',
    })
  const state = `${host.prefix ?? ''}/var/lib/converge/fleet`
  return new HostConnection({ name, open, sudo: asRoot ? sudo : 'none', rollout: '', by: '' }, state)
}
