/** Declares the types shared within the fleet: events, phases, outcomes and reports of a rollout. */
import type { Counts, FailureReport, RunReport } from '../report/events.ts'

/** The actions of `converge stack` on hosts. */
export type Action =
  | 'setup'
  | 'configure'
  | 'deploy'
  | 'undeploy'
  | 'shutdown'
  | 'rollback'
  | 'plan'
  | 'status'
  | 'run'
  | 'hooks'

/** The phase of a host: a word for the screen, and for the record. */
export type Phase =
  | 'connect'
  | 'bring'
  | 'look'
  | 'setup'
  | 'build'
  | 'switch'
  | 'configure'
  | 'rollback'
  | 'follow-up'
  | Action

/** The outcome of a host: the next run updates one that was `skipped` because it was down or unreachable. */
export type HostOutcome =
  | 'unchanged'
  | 'changed'
  | 'planned'
  | 'failed'
  | 'skipped'
  | 'untouched'
  | 'lost'
  | 'rolled back'

/** The current release of an app on a host. */
export interface CurrentRelease {
  readonly app: string
  readonly release: string | null
  readonly commit: string | null
  /** First line of the commit message, where the host has the commit. */
  readonly subject?: string | undefined
}

/** A release that a host changes from or to; its id is null before it is built. */
export type ReleaseName = Omit<CurrentRelease, 'app'>

/** The change of one app on one host; `from` is null where no release was current. */
export interface ReleaseChange {
  readonly app: string
  readonly from: ReleaseName | null
  readonly to: ReleaseName
}

/** The commits between two releases. */
export interface CommitRange {
  /** Commits of the new release that the old one lacks. */
  readonly added: number
  /** Commits of the old release that the new one lacks. */
  readonly removed: number
  /** Subjects of the newest of them: of the added ones, else of the removed ones. */
  readonly subjects: readonly string[]
}

/** The same change on several hosts; `commits` where a local clone has both. */
export interface GroupedReleaseChange extends ReleaseChange {
  readonly hosts: readonly string[]
  readonly commits?: CommitRange | undefined
}

/** The newest record of a host. */
export interface LastKnownState {
  readonly deployment: string
  readonly outcome: HostOutcome
  /** ISO time. */
  readonly started: string
  readonly live: readonly CurrentRelease[]
}

export interface HostReport {
  readonly host: string
  readonly outcome: HostOutcome
  /** The last phase that it reached. */
  readonly phase: Phase | null
  readonly durationMs: number
  readonly counts: Counts
  readonly live: readonly CurrentRelease[]
  /** The changes of the rollout; on a host that was rolled back, those of the rollback. */
  readonly moves?: readonly ReleaseChange[] | undefined
  /** Milliseconds in each phase; a record of an earlier version has none. */
  readonly phases?: Readonly<Partial<Record<Phase, number>>> | undefined
  readonly failure?: FailureReport | undefined
  /** The phase in which it failed; a rollback may have followed. */
  readonly failedIn?: Phase | undefined
  /** Why it was skipped. */
  readonly reason?: string | undefined
}

export interface RolloutReport {
  /** Number of the deployment; null where none is recorded, as for a plan. */
  readonly id: string | null
  readonly stack: string
  readonly action: Action
  readonly comment: string
  readonly by: string
  /** ISO time. */
  readonly started: string
  readonly durationMs: number
  readonly outcome: 'unchanged' | 'changed' | 'planned' | 'failed' | 'interrupted'
  /** The deployed commits, by app. */
  readonly commits: Readonly<Record<string, string>>
  readonly strategy: string
  /** The apps that the operator has selected; absent if none were named. */
  readonly apps?: readonly string[] | undefined
  /** Of `run` the event or role, of `hooks` what was done with them. */
  readonly recipe?: string | undefined
  readonly hosts: readonly HostReport[]
  readonly warnings: readonly string[]
  /** Each warning of hosts once, with those that gave it; absent without any. */
  readonly hostWarnings?: readonly HostWarnings[] | undefined
  /** Why the rollout aborted before all hosts were done. */
  readonly stopped?: string | undefined
}

/** The rollout of another operator, from its record. */
export interface OtherDeployment {
  readonly id: string
  readonly action: Action
  readonly recipe?: string | undefined
  readonly by: string
  /** ISO time. */
  readonly started: string
  readonly comment: string
  /** The operator who has paused it; absent if it is not paused. */
  readonly pausedBy?: string | undefined
}

/** The operator who has paused a rollout, with the time and the reason. */
export interface RolloutPause {
  readonly by: string
  /** ISO time. */
  readonly since: string
  readonly comment: string
}

/** An event that a rollout reports while it runs. */
export type FleetEvent =
  | {
      readonly event: 'start'
      readonly id: string | null
      readonly stack: string
      readonly action: Action
      readonly hosts: readonly string[]
      readonly strategy: string
      /** Of `run` the event or role, of `hooks` what is done with them. */
      readonly recipe?: string | undefined
      /** Addresses of hosts, by name: messages that differ only in the address count as the same failure. */
      readonly addresses?: Readonly<Record<string, string>>
    }
  /** The number of the deployment, once the hosts are locked and their commits are known. */
  | { readonly event: 'deployment'; readonly id: string }
  /** The commit of an app that every host gets; `unconfirmed`: why the revision may have a newer one. */
  | {
      readonly event: 'commit'
      readonly app: string
      readonly revision: string
      readonly commit: string
      readonly unconfirmed?: string
    }
  /** The release that each host changes from and to, before the change. */
  | { readonly event: 'moves'; readonly phase: Phase; readonly moves: readonly GroupedReleaseChange[] }
  /** The expected duration, from earlier rollouts; null where there is none of the same kind. */
  | {
      readonly event: 'estimate'
      readonly durationMs: number | null
      readonly runs: number
      readonly batches: number
      /** After the build: hosts whose commit stays, and whose build changed something, such as attributes. */
      readonly rebuilt?: readonly string[] | undefined
    }
  /** Another rollout has locked these hosts: this one begins when that has ended. */
  | { readonly event: 'queued'; readonly hosts: readonly string[]; readonly deployment: OtherDeployment | null }
  /** The other rollout has ended; its outcome is null where its record is on another computer. */
  | { readonly event: 'turn'; readonly deployment: string | null; readonly outcome: string | null }
  /** A group of hosts begins a phase; `batch` counts from 1. */
  | {
      readonly event: 'phase'
      readonly phase: Phase
      readonly hosts: readonly string[]
      readonly batch?: number
      readonly batches?: number
    }
  /** What the next phase will restart; hosts with a restart go one batch after the other. */
  | {
      readonly event: 'restarts'
      readonly phase: Phase
      readonly hosts: readonly { readonly host: string; readonly what: readonly string[] }[]
    }
  /** A host works at a phase, and at a step of it. */
  | {
      readonly event: 'host'
      readonly host: string
      readonly phase: Phase
      readonly step?: string | undefined
      /** The last line of progress of the step. */
      readonly detail?: string | undefined
    }
  /** A host has ended a phase. */
  | {
      readonly event: 'done'
      readonly host: string
      readonly phase: Phase
      readonly outcome: HostOutcome
      readonly durationMs: number
      readonly report?: RunReport | undefined
      readonly failure?: FailureReport | undefined
      readonly reason?: string | undefined
      /** The output of `converge status --json-output` on the host. */
      readonly status?: unknown
      /** The deployment that it missed. */
      readonly behind?: string | undefined
      /** The recorded state of a host that does not answer. */
      readonly lastKnown?: LastKnownState | undefined
    }
  /** The connection is lost, or restored; the run on the host continues in the meantime. */
  | {
      readonly event: 'connection'
      readonly host: string
      readonly state: 'open' | 'lost' | 'back'
      readonly detail?: string
    }
  /** The health gate waits; repeated after each failed attempt, with the answer as `detail`. */
  | {
      readonly event: 'waiting'
      readonly what: string
      readonly elapsedMs: number
      readonly deadlineMs: number
      readonly detail?: string | undefined
    }
  | { readonly event: 'health'; readonly what: string; readonly ok: boolean; readonly detail: string }
  /** An operator has paused the rollout: no further host starts until `continued`. */
  | ({ readonly event: 'paused' } & RolloutPause)
  | { readonly event: 'continued' }
  /** Something that the operator can or must act on. */
  | { readonly event: 'warning'; readonly host?: string | undefined; readonly message: string }
  /** Something that requires no action. */
  | { readonly event: 'note'; readonly message: string }
  | { readonly event: 'end'; readonly report: RolloutReport }

/** A warning, and the hosts that gave it. */
export interface HostWarnings {
  readonly message: string
  readonly hosts: readonly string[]
}

export type EmitEvent = (event: FleetEvent) => void
