/** What a rollout is asked for, what it works with, and what it leaves behind. */
import type { Action, CommitRange, Tell } from '../types.ts'
import type { EarlierRun } from './estimate.ts'
import type { FleetHost, HostDocument, RunEvent } from './fleet_host.ts'
import type { Health, HealthWait } from './health.ts'
import type { Amount, PlannedHost, Strategy } from './plan.ts'

/** A host as the stack file has it. */
export interface Member extends PlannedHost {
  readonly roles: readonly string[]
  /** Short names of the apps it runs. */
  readonly apps: readonly string[]
  /** Of these, those that are to be migrated. */
  readonly migrating: readonly string[]
  /** Of its apps, those that share a database with other hosts. */
  readonly sharing?: readonly string[] | undefined
  /** Events that it runs after hosts of an app have switched, wherever those are. */
  readonly followUps?: readonly { readonly app: string; readonly event: string }[] | undefined
  /** Events that one of its roles has a part in. */
  readonly events: ReadonlySet<string>
  readonly address: string
  readonly host: FleetHost
}

export interface RolloutRequest {
  readonly action: Action
  /** Events of `run`; of other actions the action says them. */
  readonly events: readonly string[]
  /** Roles of `run`; empty for those of each host. */
  readonly roles: readonly string[]
  readonly stack: string
  readonly comment: string
  readonly by: string
  readonly strategy: Strategy
  /** Whether hosts that restart something take turns, and all others go at once: the default of setup. */
  readonly restartsInTurn: boolean
  readonly batch: Amount
  /** How many hosts at once, at most. */
  readonly parallel: number
  readonly maxFailures: Amount
  readonly rollbackOnFailure: boolean
  /** What hosts do to a rollout that cannot be reached when it begins. */
  readonly down: 'fail' | 'skip'
  /** Whether each app that is to be migrated is, by one host before the others go; `new` leaves out commits that the stack is on already. */
  readonly migrates: boolean | 'new'
  /** Whether hosts switch even to a release that failed its smoke test before. */
  readonly retryFailed: boolean
  /** Apps to deploy; empty for all. */
  readonly apps: readonly string[]
  /** Deploy this instead of what the stack file says; of one app. */
  readonly revision: string | null
  /** Of a rollback: a commit, or the id of a release; null for what was before. */
  readonly to: string | null
  /** Further words for the hosts: `--purge`. */
  readonly options: readonly string[]
}

/** The order of hosts in words, for the screen and the records. */
export function orderName({ strategy, restartsInTurn }: Pick<RolloutRequest, 'strategy' | 'restartsInTurn'>): string {
  return restartsInTurn ? 'restarts in turn' : strategy
}

export type Interruption = 'none' | 'no more hosts' | 'finish steps' | 'leave'

export interface Ports {
  /** All hosts of the stack that are not shut down, in the order of the stack file. */
  readonly members: readonly Member[]
  /** Names of those that take part. */
  readonly selected: ReadonlySet<string>
  /** What a host is given. @param online the hosts that are there for the others */
  readonly documents: (host: string, online: ReadonlySet<string>, deployment: object) => readonly HostDocument[]
  /** What is known of before. */
  readonly known: {
    readonly online: ReadonlySet<string>
    readonly behind: ReadonlyMap<string, string>
    /** What the last deployments brought. */
    readonly apps: Readonly<Record<string, { readonly commit: string; readonly revision: string }>>
  }
  readonly id: string | null
  readonly tell: Tell
  /** A line of the events of a run. */
  readonly log: (host: string, event: RunEvent) => void
  /**
   * Asks whether the site answers; null where nothing says how.
   * @param mostSeconds how long it is retried, at most
   */
  readonly health: ((mostSeconds?: number, watch?: HealthWatch) => Promise<Health>) | null
  /** The commits between two, by a clone that the operator has; null where none has both. */
  readonly commitsBetween?: (from: string, to: string) => Promise<CommitRange | null>
  /** Records of earlier rollouts, newest first. */
  readonly earlier?: () => readonly EarlierRun[]
  readonly interrupted: () => Interruption
  /** Called with each change of the interruption. @returns what takes the listener away */
  readonly onInterrupt: (listener: (state: Interruption) => void) => () => void
  /** Milliseconds since 1970, as Date.now; it may be set back meanwhile. */
  readonly clock: () => number
}

export interface HealthWatch {
  /** Ends the check early. */
  readonly given: AbortSignal
  readonly onWait: (waiting: HealthWait) => void
}

/** What a rollout has changed about the stack, to be kept. */
export interface Aftermath {
  readonly online: readonly string[]
  readonly stopped: readonly string[]
  /** Hosts that missed it. */
  readonly behind: readonly string[]
  /** Hosts that are up to date again. */
  readonly upToDate: readonly string[]
  /** Commits that went live as the stack's own. */
  readonly apps: Readonly<Record<string, { readonly commit: string; readonly revision: string }>>
}
