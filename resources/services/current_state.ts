/** Determines the current state of a service, including `not ready` for one that runs and does not pass its check. */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { type Duration, seconds } from '../../core/model/units.ts'
import { type ServiceStatus, serviceStates } from './managers/types.ts'
import { readinessProblem } from './readiness/readiness.ts'
import { defaultUptime, type Readiness } from './readiness/ready_props.ts'

export const currentState = z.enum([...serviceStates, 'not ready'])
export type CurrentState = z.output<typeof currentState>

/** The time limit of a check; a busy client may be slow. */
const limit = seconds(10)

export interface Expected {
  readonly ready?: Readiness | undefined
  /** The longest wait after a start: the process may be younger than the required uptime. */
  readonly deadline: Duration
}

/** Returns the state of a service. Runs no check that is a command: a run without changes must be cheap. */
export async function currentStateOf(
  host: HostReader,
  status: ServiceStatus,
  { ready, deadline }: Expected,
): Promise<CurrentState> {
  if (status.state !== 'running' || ready?.kind === 'command') return status.state
  if (ready === undefined || ready.kind === 'uptime') {
    const needed = Math.min((ready?.time ?? defaultUptime).ms, deadline.ms)
    return status.uptime !== null && status.uptime * 1000 < needed ? 'not ready' : 'running'
  }
  return (await readinessProblem(host, ready, limit)) === null ? 'running' : 'not ready'
}

/** Decides whether a process of the service exists, ready or not. */
export function isUp(state: CurrentState | undefined): boolean {
  return state === 'running' || state === 'not ready'
}
