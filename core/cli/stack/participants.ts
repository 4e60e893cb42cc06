/** Decides which hosts of a stack take part in a rollout, by its request and the recorded state. */
import type { StackState } from '../../fleet/records/stack_state.ts'
import { isShutDown } from '../../fleet/rollout/state/online_hosts.ts'
import type { Stack } from '../../fleet/stack/stack.ts'
import type { Action } from '../../fleet/types.ts'
import { ConvergeError } from '../../model/errors.ts'
import type { Arguments } from '../command_specs/list.ts'
import { type selectableHosts, selectedHosts } from './select.ts'

/** Decides whether a host takes part: one that was shut down requires a setup or --host. */
export function isParticipant(name: string, state: StackState, action: Action, { host }: Arguments): boolean {
  return !isShutDown(name, state) || action === 'setup' || host?.includes(name) === true
}

/** Lists the hosts that a status leaves out because they were shut down. */
export function shutDownHosts(stack: Stack, state: StackState, args: Arguments): string[] {
  const chosen = selectedHosts(stack, args)
  const shutDown = ({ name, status }: Stack['hosts'][number]) =>
    status === 'online' && chosen.has(name) && !isParticipant(name, state, 'status', args)
  return stack.hosts.filter(shutDown).map(({ name }) => name)
}

/**
 * Limits a deploy, rollback or undeploy to the hosts that have an app; the others are configured afterwards.
 * @throws NO_HOSTS
 */
export function limitToApps(
  action: Action,
  { app }: Arguments,
  hosts: ReturnType<typeof selectableHosts>,
  names: ReadonlySet<string>,
): ReadonlySet<string> {
  if (action !== 'deploy' && action !== 'rollback' && action !== 'undeploy') return names
  const selected = hosts.filter(({ name, apps }) => names.has(name) && apps.some((one) => app?.includes(one) ?? true))
  if (selected.length > 0) return new Set(selected.map(({ name }) => name))
  throw new ConvergeError('none of these hosts has an app', {
    code: 'NO_HOSTS',
    hint: 'give one of their layers a role that deploys an app of the stack file; converge stack check prints what is missing',
    usage: true,
  })
}
