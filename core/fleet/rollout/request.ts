/** Declares the request, the ports and the result of a rollout. */

import type { Health, HealthWait } from '../health/health_check.ts'
import type { HostClient, HostDocument, RunEvent } from '../host_client.ts'
import type { Action, CommitRange, EmitEvent } from '../types.ts'
import type { HostCount, OrderedHost, Strategy } from './batches.ts'
import type { EarlierRun } from './estimate.ts'

/** A host of the stack file, as a rollout needs it. */
export interface RolloutHost extends OrderedHost {
  readonly roles: readonly string[]
  /** Short names of the apps it runs. */
  readonly apps: readonly string[]
  /** Those of `apps` with `deploy.<app>.migrate` set. */
  readonly migrating: readonly string[]
  /** Those of `apps` that share a database with other hosts. */
  readonly sharing?: readonly string[] | undefined
  /** Events that it runs after the hosts of an app have switched, wherever those are. */
  readonly followUps?: readonly { readonly app: string; readonly event: string }[] | undefined
  /** Events for which one of its roles has a recipe. */
  readonly events: ReadonlySet<string>
  readonly address: string
  readonly client: HostClient
}

export interface RolloutRequest {
  readonly action: Action
  /** Events of `run`; other actions imply their events. */
  readonly events: readonly string[]
  /** Roles of `run`; empty for those of each host. */
  readonly roles: readonly string[]
  readonly stack: string
  readonly comment: string
  readonly by: string
  readonly strategy: Strategy
  /** Whether hosts that restart something take turns, and all others run at once: the default of setup. */
  readonly restartsInTurn: boolean
  readonly batch: HostCount
  /** How many hosts at once, at most. */
  readonly parallel: number
  readonly maxFailures: HostCount
  readonly rollbackOnFailure: boolean
  /** Whether the rollout fails or skips hosts that cannot be reached when it begins. */
  readonly down: 'fail' | 'skip'
  /** Whether one host migrates each app before the others switch; `new` skips commits that the stack already runs. */
  readonly migrates: boolean | 'new'
  /** Whether hosts may switch to a release that failed its smoke test before. */
  readonly retryFailed: boolean
  /** Apps to deploy; empty for all. */
  readonly apps: readonly string[]
  /** The revision to deploy instead of the one in the stack file; of one app. */
  readonly revision: string | null
  /** Of a rollback: a commit, or the id of a release; null for the one before the last change. */
  readonly to: string | null
  /** Further words for the command line of the hosts: `--purge`. */
  readonly options: readonly string[]
}

/** Names the order of hosts, for the screen and the records. */
export function orderName({ strategy, restartsInTurn }: Pick<RolloutRequest, 'strategy' | 'restartsInTurn'>): string {
  return restartsInTurn ? 'restarts in turn' : strategy
}

export type Interruption = 'none' | 'no more hosts' | 'finish steps' | 'leave'

export interface RolloutPorts {
  /** All hosts of the stack that are not shut down, in the order of the stack file. */
  readonly members: readonly RolloutHost[]
  /** Names of the hosts that take part. */
  readonly selected: ReadonlySet<string>
  /**
   * Returns the node JSON of a host.
   * @param online the hosts that it lists as online
   */
  readonly documents: (host: string, online: ReadonlySet<string>, deployment: object) => readonly HostDocument[]
  /** The recorded state of the stack before the rollout. */
  readonly known: {
    readonly online: ReadonlySet<string>
    readonly behind: ReadonlyMap<string, string>
    /** The commits of the last deployments. */
    readonly apps: Readonly<Record<string, { readonly commit: string; readonly revision: string }>>
  }
  readonly id: string | null
  readonly emit: EmitEvent
  /** Logs a line of the events of a run. */
  readonly log: (host: string, event: RunEvent) => void
  /**
   * Checks whether the site answers; null where the stack defines no check.
   * @param mostSeconds how long it is retried, at most
   */
  readonly health: ((mostSeconds?: number, watch?: HealthWatch) => Promise<Health>) | null
  /** Returns the commits between two, from a clone of the operator; null where no clone has both. */
  readonly commitsBetween?: (from: string, to: string) => Promise<CommitRange | null>
  /** Records of earlier rollouts, newest first. */
  readonly earlier?: () => readonly EarlierRun[]
  readonly interruption: () => Interruption
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

/** The changes that a rollout made to the stack, to be recorded. */
export interface StackChanges {
  readonly online: readonly string[]
  readonly stopped: readonly string[]
  /** Hosts that missed the rollout. */
  readonly outdated: readonly string[]
  /** Hosts that are up to date again. */
  readonly upToDate: readonly string[]
  /** Commits that the whole stack runs now. */
  readonly apps: Readonly<Record<string, { readonly commit: string; readonly revision: string }>>
}
