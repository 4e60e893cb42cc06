/** Lets one rollout follow another: finds the one that uses the hosts, and waits until it has ended. */
import { shortId } from '../../fleet/records/deployment_number.ts'
import { readDeployment, runningDeployments } from '../../fleet/records/history.ts'
import type { Deployment } from '../../fleet/records/recorder.ts'
import type { BusyHost } from '../../fleet/rollout/rollout.ts'
import { describeNames } from '../../fleet/screen/host_name_list.ts'
import { describeOther } from '../../fleet/screen/host_states.ts'
import type { Action, EmitEvent, OtherDeployment } from '../../fleet/types.ts'
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import { omitUndefined } from '../../model/omit_undefined.ts'

/** Another rollout, found by its record or by the locks on hosts. */
export interface Conflict {
  readonly hosts: readonly string[]
  readonly deployment: OtherDeployment | null
  /** The holder that a host reports, if there is no record. */
  readonly holder: string | null
}

export interface RolloutQueueOptions {
  readonly action: Action
  /** Seconds; undefined if the operator does not want to wait. */
  readonly wait: number | undefined
  readonly emit: EmitEvent
  /** Options that select the same stack, with a leading blank. */
  readonly stackOptions: string
}

/** Milliseconds between two checks. */
const interval = { record: 500, hosts: 3_000 }

/**
 * Finds a recorded rollout in progress on some of the hosts.
 * @param below limits the search to rollouts with a lower number
 */
export function conflictIn(directory: string, names: ReadonlySet<string>, below?: string): Conflict | null {
  const other = runningDeployments(directory).find(
    ({ id, hosts }) => (below === undefined || Number(id) < Number(below)) && hosts.some(({ host }) => names.has(host)),
  )
  if (other === undefined) return null
  const hosts = other.hosts.flatMap(({ host }) => (names.has(host) ? host : []))
  return { hosts, deployment: outlineOf(other), holder: null }
}

/** Describes the rollout that locked hosts report. */
export function conflictOn(busy: readonly BusyHost[]): Conflict {
  return { hosts: busy.map(({ host }) => host), deployment: null, holder: busy[0]?.message ?? null }
}

function outlineOf({ id, action, recipe, by, started, comment, pausedBy }: Deployment): OtherDeployment {
  return { id, action, recipe, by, started, comment, ...omitUndefined({ pausedBy }) }
}

export class RolloutQueue {
  private readonly deadline: number

  constructor(private readonly options: RolloutQueueOptions) {
    this.deadline = performance.now() + (options.wait ?? 0) * 1000
  }

  /**
   * Waits until the other rollout has ended.
   * @param directory of the records
   * @param isFree whether the hosts of the conflict are free; called if there is no record
   * @throws DEPLOYMENT_UNDER_WAY, OTHER_DEPLOYMENT_FAILED
   */
  async after(conflict: Conflict, directory: string, isFree: () => Promise<boolean>): Promise<void> {
    const { wait, emit } = this.options
    const { hosts, deployment } = conflict
    if (wait === undefined) throw this.otherRollout(conflict)
    emit({ event: 'queued', hosts, deployment })
    const hasEnded = async () =>
      deployment === null ? isFree() : !runningDeployments(directory).some(({ id }) => id === deployment.id)
    while (!(await hasEnded())) {
      const left = this.deadline - performance.now()
      if (left <= 0) throw this.otherRollout(conflict)
      const pause = deployment === null ? interval.hosts : interval.record
      await new Promise((resolve) => setTimeout(resolve, Math.min(pause, left)))
    }
    const outcome = deployment === null ? null : outcomeOf(directory, deployment.id)
    emit({ event: 'turn', deployment: deployment?.id ?? null, outcome })
    if (deployment !== null && outcome !== 'changed' && outcome !== 'unchanged') this.refuseAfter(deployment, outcome)
  }

  /** Refuses to follow a failed rollout, which requires a decision of the operator, unless this one is a rollback. */
  private refuseAfter({ id }: OtherDeployment, outcome: string | null): void {
    const { action, stackOptions } = this.options
    if (action === 'rollback') return
    throw new ConvergeError(`deployment ${shortId(id)} ended with outcome ${outcome}; the ${action} was not begun`, {
      code: 'OTHER_DEPLOYMENT_FAILED',
      hint: `read converge stack log ${shortId(id)}${stackOptions}, then run the command again`,
    })
  }

  private otherRollout({ hosts, deployment, holder }: Conflict): ConvergeError {
    const { wait, stackOptions } = this.options
    const names = describeNames(hosts)
    const afterWait = wait === undefined ? '' : `after ${wait} s: `
    const message =
      deployment === null
        ? `${afterWait}${names}: ${holder}; nothing was begun`
        : `${afterWait}${describeOther(deployment)} works on ${names}; nothing was begun`
    const log = deployment === null ? '' : `, or follow it: converge stack log ${shortId(deployment.id)}${stackOptions}`
    return new ConvergeError(message, {
      code: 'DEPLOYMENT_UNDER_WAY',
      hint: `add --wait to begin when it has ended${log}`,
    })
  }
}

function outcomeOf(directory: string, id: string): string {
  try {
    return readDeployment(directory, id).outcome
  } catch (thrown) {
    return asConvergeError(thrown).message
  }
}
