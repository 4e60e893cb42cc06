/** Reports for `status` whether a service runs, and whether it is ready. */
import type { ServiceReadiness, ServiceView } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { seconds } from '../../core/model/units.ts'
import { serviceReader } from '../../resources/services/managers/select_manager.ts'
import type { Provider, ServiceStatus } from '../../resources/services/managers/types.ts'
import { hasCheck, readinessProblem } from '../../resources/services/readiness/readiness.ts'
import { defaultUptime, type ReadyProps, readyProp } from '../../resources/services/readiness/ready_props.ts'

/** The time limit of a readiness test: the operator waits, but Celery needs some seconds to reach its worker. */
const limit = seconds(10)

export interface ViewedService {
  readonly name: string
  readonly provider: Provider
  /** Readiness test; default: it stays up. */
  readonly ready?: ReadyProps | undefined
}

export async function viewService(host: HostReader, { name, provider, ready }: ViewedService): Promise<ServiceView> {
  const status = await serviceReader(host, provider).status(name)
  const running = status.state === 'running'
  const [readiness, problem] = running ? await currentReadiness(host, status, ready) : (['down', null] as const)
  const detail = problem ?? (status.detail || (status.pid > 0 ? `pid ${status.pid}` : ''))
  return { name, state: status.state, up: readiness === 'up', readiness, detail }
}

/** Returns the readiness of a running service, and the reason if it is not ready. */
export async function currentReadiness(
  host: HostReader,
  status: ServiceStatus,
  readyProps: ReadyProps | undefined,
): Promise<readonly [ServiceReadiness, string | null]> {
  const ready = readyProps === undefined ? undefined : readyProp.parse(readyProps)
  const { uptime, starting } = status
  if (!hasCheck(ready)) {
    // The same rule as after a restart: some managers know themselves when a service is ready.
    const needed = ready?.time ?? (status.unproven ? defaultUptime : undefined)
    if (needed !== undefined && uptime !== null && uptime * 1000 < needed.ms)
      return ['starting', `it must stay up for ${needed}`]
    return starting ? ['starting', 'its manager is still starting it'] : ['up', null]
  }
  const problem = await readinessProblem(host, ready, limit)
  if (problem === null) return ['up', null]
  return [starting || (uptime !== null && uptime < startingSeconds) ? 'starting' : 'not ready', problem]
}

/** The age in seconds up to which a process counts as starting. */
const startingSeconds = 60
