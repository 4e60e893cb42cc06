/** Declares what a rollout uses from outside, and keeps failures of its output from ending it. */
import { asConvergeError } from '../../../model/errors.ts'
import type { Health, HealthWait } from '../../health/health_check.ts'
import type { HostDocument, RunEvent } from '../../host_client.ts'
import type { EarlierRun } from '../../planning/estimate.ts'
import type { CommitRange, EmitEvent, RolloutPause } from '../../types.ts'
import type { RolloutHost } from './request.ts'

export type Interruption = 'none' | 'no more hosts' | 'finish steps' | 'leave'

export interface RolloutPorts {
  /** All hosts of the stack that are not shut down, in the order of the stack file. */
  readonly hosts: readonly RolloutHost[]
  /** Names of the hosts that take part. */
  readonly selected: ReadonlySet<string>
  /**
   * Returns the node JSON of a host.
   * @param online the hosts that it lists as online
   */
  readonly documents: (host: string, online: ReadonlySet<string>, deployment: object) => readonly HostDocument[]
  /** The recorded state of the stack before the rollout. */
  readonly recorded: {
    readonly online: ReadonlySet<string>
    readonly behind: ReadonlyMap<string, string>
    /** By host of `behind`, the apps that it missed; without an entry all of its apps. */
    readonly missedApps?: ReadonlyMap<string, readonly string[]>
    /** The commits of the last deployments. */
    readonly apps: Readonly<Record<string, { readonly commit: string; readonly revision: string }>>
  }
  readonly deploymentId: string | null
  readonly emit: EmitEvent
  /** Logs a line of the events of a run. */
  readonly log: (host: string, event: RunEvent) => void
  /**
   * Checks whether the site answers; null where the stack defines no check.
   * @param mostSeconds how long it is retried, at most
   */
  readonly checkHealth: ((mostSeconds?: number, watch?: HealthWatch) => Promise<Health>) | null
  /** Returns the commits between two, from a clone of the operator; null where no clone has both. */
  readonly commitsBetween?: (from: string, to: string) => Promise<CommitRange | null>
  /** Records of earlier rollouts, newest first. */
  readonly earlierRollouts?: () => readonly EarlierRun[]
  readonly interruption: () => Interruption
  /** Returns who has paused the rollout; null if it is not paused. */
  readonly paused: () => RolloutPause | null
  /**
   * Calls the listener with each change of the interruption.
   * @returns a function that removes the listener
   */
  readonly onInterrupt: (listener: (state: Interruption) => void) => () => void
  /** Milliseconds since 1970, as Date.now; the clock may be set back during the rollout. */
  readonly clock: () => number
}

export interface HealthWatch {
  /** Ends the check early. */
  readonly signal: AbortSignal
  readonly onWait: (waiting: HealthWait) => void
}

/**
 * Wraps `emit` and `log`: when one of them fails, that output is lost, and the rollout continues.
 * @param warn called once for each port that fails
 */
export function isolateFailures(ports: RolloutPorts, warn: (message: string) => void): RolloutPorts {
  const guarded = <A extends readonly unknown[]>(lossText: string, call: (...args: A) => void) => {
    let warned = false
    return (...args: A) => {
      try {
        call(...args)
      } catch (thrown) {
        if (!warned) warn(`${lossText}: ${asConvergeError(thrown).message}`)
        warned = true
      }
    }
  }
  return {
    ...ports,
    emit: guarded('the output is incomplete', ports.emit),
    log: guarded('the logs of the hosts are incomplete', ports.log),
  }
}

/** Returns a clock that stands still while the system clock is set back: no duration is negative. */
export function monotonicClock(clock: () => number): () => number {
  let latest = Number.NEGATIVE_INFINITY
  return () => {
    latest = Math.max(latest, clock())
    return latest
  }
}
