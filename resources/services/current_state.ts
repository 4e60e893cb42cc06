/** The state of a service as resources read it: what runs and is not ready is not as it should be. */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { type Duration, seconds } from '../../core/model/units.ts'
import { problemOf } from './readiness.ts'
import { defaultUptime, type Readiness } from './ready_props.ts'
import { type ServiceStatus, serviceStates } from './types.ts'

export const currentState = z.enum([...serviceStates, 'not ready'])
export type CurrentState = z.output<typeof currentState>

/** A busy client may take its time. */
const limit = seconds(10)

export interface Expected {
  readonly ready?: Readiness | undefined
  /** What it was waited for at most: it may be younger than it must be. */
  readonly deadline: Duration
}

/** A command is not run here: a run that has nothing to do has to stay cheap. */
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
  return (await problemOf(host, ready, limit)) === null ? 'running' : 'not ready'
}

/** Whether a process of it is there, ready or not. */
export function isUp(state: CurrentState | undefined): boolean {
  return state === 'running' || state === 'not ready'
}
