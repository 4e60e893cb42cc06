/** Reports for `status` whether a service runs, and whether it is ready. */
import type { ServiceReadiness, ServiceView } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { seconds } from '../../core/model/units.ts'
import { serviceReader } from '../../resources/services/managers/select_manager.ts'
import type { Provider, ServiceReader, ServiceStatus } from '../../resources/services/managers/types.ts'
import { hasCheck, readinessProblem } from '../../resources/services/readiness/readiness.ts'
import { defaultUptime, type ReadyProps, readyProp } from '../../resources/services/readiness/ready_props.ts'

/** The time limit of a readiness check: the operator waits, but Celery needs some seconds to reach its worker. */
const checkLimit = seconds(10)

export interface ViewedService {
  readonly name: string
  readonly provider: Provider
  /** Readiness check; default: it stays up. */
  readonly ready?: ReadyProps | undefined
}

export async function viewService(host: HostReader, { name, provider, ready }: ViewedService): Promise<ServiceView> {
  const reader = serviceReader(host, provider)
  const status = await reader.status(name)
  const [readiness, problem] = await currentReadiness(host, { name, reader, status, ready })
  const detail = problem ?? (status.detail || (status.pid > 0 ? `pid ${status.pid}` : ''))
  return { name, state: status.state, up: readiness === 'up', readiness, detail }
}

interface ReadService {
  readonly name: string
  readonly reader: Pick<ServiceReader, 'earlyExits'>
  readonly status: ServiceStatus
  readonly ready: ReadyProps | undefined
}

type ReadinessWithProblem = readonly [readiness: ServiceReadiness, problem: string | null]

/** Returns the readiness of a service, and the reason if it runs and is not ready. */
export async function currentReadiness(host: HostReader, service: ReadService): Promise<ReadinessWithProblem> {
  const { name, reader, status, ready } = service
  if (status.state === 'failing') return ['failing', null]
  if (status.state !== 'running') return ['down', null]
  const current = await readinessWhileRunning(host, status, ready)
  if (current[0] !== 'starting') return current
  const exits = await reader.earlyExits(name, status)
  return exits < failingExits ? current : ['failing', `it ended ${exits} times within a minute of its start`]
}

/** The least number of exits in a row that count as failing: a client that loses a race for a new database ends once. */
const failingExits = 2

async function readinessWhileRunning(
  host: HostReader,
  status: ServiceStatus,
  readyProps: ReadyProps | undefined,
): Promise<ReadinessWithProblem> {
  const ready = readyProps === undefined ? undefined : readyProp.parse(readyProps)
  const { uptime, starting } = status
  if (!hasCheck(ready)) {
    // The same rule as after a restart: some managers know themselves when a service is ready.
    const needed = ready?.time ?? (status.unproven ? defaultUptime : undefined)
    if (needed !== undefined && uptime !== null && uptime * 1000 < needed.ms)
      return ['starting', `it must stay up for ${needed}`]
    return starting ? ['starting', 'its manager is still starting it'] : ['up', null]
  }
  const problem = await readinessProblem(host, ready, checkLimit)
  if (problem === null) return ['up', null]
  return [starting || (uptime !== null && uptime < startingSeconds) ? 'starting' : 'not ready', problem]
}

/** The age in seconds up to which a process counts as starting. */
const startingSeconds = 60
