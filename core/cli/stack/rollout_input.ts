/** Reads the input of a rollout before it connects to a host: stack, state, participants and request. */
import { defaultEvents } from '../../compile/compile.ts'
import { loadState, type StackState } from '../../fleet/records/stack_state.ts'
import type { RolloutRequest } from '../../fleet/rollout/state/request.ts'
import type { Action } from '../../fleet/types.ts'
import { throwProblems } from '../../model/errors.ts'
import { type DeployedApps, deployedOnAll } from './apps.ts'
import { type StackInputs, stackInputs } from './inputs.ts'
import { isParticipant, limitToApps } from './participants.ts'
import { requestOf } from './rollout_request.ts'
import { type SelectableHost, selectableHosts, selectHostNames, selectionProblems } from './select.ts'
import type { StackCommand } from './stack_command.ts'
import { readRecords, stateDirectoryOf } from './state_directory.ts'

const noApps: DeployedApps = { apps: [], events: new Set(), appsToMigrate: [] }

export interface RolloutInput<N> {
  readonly inputs: StackInputs<N>
  readonly directory: string
  readonly state: StackState
  readonly hosts: readonly SelectableHost[]
  /** Names of the hosts that take part. */
  readonly names: ReadonlySet<string>
  readonly request: RolloutRequest
  /** The requested recipe, for display. */
  readonly recipe: string | undefined
}

/** @throws InvalidInput with all problems */
export async function readRolloutInput<N>(call: StackCommand<N>, action: Action): Promise<RolloutInput<N>> {
  const { args } = call
  const inputs = await stackInputs(call)
  const { stack } = inputs
  throwProblems(selectionProblems(stack, args))
  const directory = stateDirectoryOf(stack)
  const state = readRecords(directory, () => loadState(directory))
  const events = action === 'run' ? (args.argument?.split('::').slice(-1) ?? []) : defaultEvents
  const apps = await deployedOnAll(call, inputs, events)
  const allHosts = selectableHosts(stack, (host) => apps.get(host) ?? noApps)
  const hosts = allHosts.filter(({ name }) => isParticipant(name, state, action, args))
  const names = limitToApps(action, args, hosts, selectHostNames(stack, hosts, args))
  const known = { roles: inputs.roleNames, events: [...new Set([...apps.values()].flatMap((one) => [...one.events]))] }
  const request = requestOf(action, args, stack, known)
  const recipe = action === 'run' || action === 'hooks' ? args.argument : undefined
  return { inputs, directory, state, hosts, names, request, recipe }
}

/** Names the rollout in the locks of the hosts. */
export function rolloutName({ action }: RolloutRequest): string {
  return `${action}-${process.pid}-${Date.now().toString(36)}`
}
