/** Compiles, together with a plan, the events that repair its failures, such as the rollback after a failed smoke test. */
import type { Plan } from '../../compile/compile.ts'
import type { HostReader } from '../../host/types.ts'
import { asConvergeError } from '../../model/errors.ts'
import type { PlannedResource } from '../../model/resource.ts'
import type { RunReport } from '../../report/events.ts'

/** An event of one role that repairs a failure. */
export interface Recovery {
  readonly role: string
  readonly event: string
  /**
   * Binds the plan of the event to the host as the failure has left it.
   * @returns null, after a warning, where the event cannot be run, as after a first deploy that failed
   */
  readonly bind: (host: HostReader, warn: (message: string) => void) => Plan | null
}

/** @param compile compiles an event of a role */
export function compileRecoveries(plan: Plan, compile: (event: string, role: string) => Plan): readonly Recovery[] {
  const recoveries = new Map<string, Recovery>()
  for (const resource of plan.resources) {
    const { role } = resource
    const event = recoveryEvent(resource)
    if (event === undefined || recoveries.has(`${role} ${event}`)) continue
    const compiled = deferError(() => compile(event, role))
    recoveries.set(`${role} ${event}`, {
      role,
      event,
      bind(host, warn) {
        try {
          return compiled().bind(host)
        } catch (error) {
          const { message, hint } = asConvergeError(error)
          warn(`that cannot be done: ${message}${hint === undefined ? '' : ` (${hint})`}`)
          return null
        }
      },
    })
  }
  return [...recoveries.values()]
}

function recoveryEvent({ definition, props }: PlannedResource): string | undefined {
  return definition.implementation.recovery?.(props)
}

/** Does the work now, and throws its error when the result is used: the error matters only if the recovery is needed. */
function deferError<T>(work: () => T): () => T {
  try {
    const result = work()
    return () => result
  } catch (error) {
    return () => {
      throw error
    }
  }
}

/** Returns the recovery for the first failure of a run that asks for one. */
export function recoveryOf({ outcome, resources }: RunReport, recoveries: readonly Recovery[]): Recovery | null {
  if (outcome !== 'failed') return null
  for (const { role, failure } of resources) {
    const found = recoveries.find((one) => one.role === role && one.event === failure?.recovery)
    if (found !== undefined) return found
  }
  return null
}
