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

export interface Viewed {
  readonly name: string
  readonly provider: Provider
  /** Readiness test; default: it stays up. */
  readonly ready?: ReadyProps | undefined
}

export async function viewService(host: HostReader, { name, provider, ready }: Viewed): Promise<ServiceView> {
  const status = await serviceReader(host, provider).status(name)
  const running = status.state === 'running'
  const [readiness, problem] = running ? await readinessOf(host, status, ready) : (['down', null] as const)
  const detail = problem ?? (status.detail || (status.pid > 0 ? `pid ${status.pid}` : ''))
  return { name, state: status.state, up: readiness === 'up', readiness, detail }
}

/** Returns the readiness of a running service, and the reason if it is not ready. */
export async function readinessOf(
  host: HostReader,
  status: ServiceStatus,
  given: ReadyProps | undefined,
): Promise<readonly [ServiceReadiness, string | null]> {
  const ready = given === undefined ? undefined : readyProp.parse(given)
  const { uptime, starting } = status
  if (!hasCheck(ready)) {
    const needed = ready?.time ?? defaultUptime
    const young = starting || (uptime !== null && uptime * 1000 < needed.ms)
    return young ? ['starting', `it must stay up for ${needed}`] : ['up', null]
  }
  const problem = await readinessProblem(host, ready, limit)
  if (problem === null) return ['up', null]
  return [starting || (uptime !== null && uptime < startingSeconds) ? 'starting' : 'not ready', problem]
}

/** The age in seconds up to which a process counts as starting. */
const startingSeconds = 60
