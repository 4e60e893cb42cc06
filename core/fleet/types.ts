/** What the rooms of the fleet tell each other: hosts of a rollout, what happens to them, and what it amounts to. */
import type { Counts, FailureReport, RunReport } from '../report/events.ts'

/** What `converge stack` does to hosts. */
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

/** What is being done to a host: a word for the screen, and for the record. */
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

/** What became of a host: `behind` was down or not reached, and is brought up to date by the next run. */
export type HostOutcome =
  | 'unchanged'
  | 'changed'
  | 'planned'
  | 'failed'
  | 'skipped'
  | 'untouched'
  | 'lost'
  | 'rolled back'

/** What a host is on: the release that is live, by app. */
export interface LiveRelease {
  readonly app: string
  readonly release: string | null
  readonly commit: string | null
  /** First line of the commit message, where the host has the commit. */
  readonly subject?: string | undefined
}

/** A release that a host changes from or to; the id of one that is not built yet is null. */
export type ReleaseName = Omit<LiveRelease, 'app'>

/** The change of one app on one host; `from` is null where no release was current. */
export interface Move {
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

/** The same change on several hosts; `commits` where a clone at hand has both. */
export interface GroupedMove extends Move {
  readonly hosts: readonly string[]
  readonly commits?: CommitRange | undefined
}

/** The newest record of a host. */
export interface LastKnown {
  readonly deployment: string
  readonly outcome: HostOutcome
  /** ISO time. */
  readonly started: string
  readonly live: readonly LiveRelease[]
}

export interface HostReport {
  readonly host: string
  readonly outcome: HostOutcome
  /** The phase it came to last. */
  readonly phase: Phase | null
  readonly durationMs: number
  readonly counts: Counts
  readonly live: readonly LiveRelease[]
  /** What the rollout changed from and to; of a host that was rolled back, by the rollback. */
  readonly moves?: readonly Move[] | undefined
  /** Milliseconds in each phase; a record of an earlier version has none. */
  readonly phases?: Readonly<Partial<Record<Phase, number>>> | undefined
  readonly failure?: FailureReport | undefined
  /** The phase it failed in: it may have gone back since. */
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
  /** By app: what was deployed. */
  readonly commits: Readonly<Record<string, string>>
  readonly strategy: string
  /** Of `run` which event or role, of `hooks` what was done with them. */
  readonly recipe?: string | undefined
  readonly hosts: readonly HostReport[]
  readonly warnings: readonly string[]
  /** Each warning of hosts once, with those that gave it; absent without any. */
  readonly hostWarnings?: readonly HostWarnings[] | undefined
  /** Why it stopped before all hosts were done. */
  readonly stopped?: string | undefined
}

/** The rollout of another operator, by its record. */
export interface OtherDeployment {
  readonly id: string
  readonly action: Action
  readonly recipe?: string | undefined
  readonly by: string
  /** ISO time. */
  readonly started: string
  readonly comment: string
}

/** What a rollout tells as it goes. */
export type FleetEvent =
  | {
      readonly event: 'start'
      readonly id: string | null
      readonly stack: string
      readonly action: Action
      readonly hosts: readonly string[]
      readonly strategy: string
      /** Of `run` which event or role, of `hooks` what is done with them. */
      readonly recipe?: string | undefined
      /** Of hosts, by name: what in a message is the host's own, and tells no two failures apart. */
      readonly addresses?: Readonly<Record<string, string>>
    }
  /** One commit of an app is what every host gets. */
  | { readonly event: 'commit'; readonly app: string; readonly revision: string; readonly commit: string }
  /** Which release each host changes from and to, before it does. */
  | { readonly event: 'moves'; readonly phase: Phase; readonly moves: readonly GroupedMove[] }
  /** How long the rollout will take, by earlier ones; null where there is none of its kind. */
  | { readonly event: 'estimate'; readonly durationMs: number | null; readonly runs: number; readonly batches: number }
  /** Another rollout works on these hosts: this one begins when that has ended. */
  | { readonly event: 'queued'; readonly hosts: readonly string[]; readonly deployment: OtherDeployment | null }
  /** The other rollout has ended; its outcome is null where its record is elsewhere. */
  | { readonly event: 'turn'; readonly deployment: string | null; readonly outcome: string | null }
  /** A group of hosts begins something; `batch` counts from 1. */
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
  | { readonly event: 'host'; readonly host: string; readonly phase: Phase; readonly step?: string | undefined }
  /** A phase of a host has ended. */
  | {
      readonly event: 'done'
      readonly host: string
      readonly phase: Phase
      readonly outcome: HostOutcome
      readonly durationMs: number
      readonly report?: RunReport | undefined
      readonly failure?: FailureReport | undefined
      readonly reason?: string | undefined
      /** What `converge status --json-output` of the host has printed. */
      readonly status?: unknown
      /** The deployment that it missed. */
      readonly behind?: string | undefined
      /** Of a host that cannot be asked for its status: what the records say. */
      readonly lastKnown?: LastKnown | undefined
    }
  /** The connection is gone, or there again; the run on the host goes on meanwhile. */
  | { readonly event: 'connection'; readonly host: string; readonly state: 'lost' | 'back'; readonly detail?: string }
  /** The health gate waits; again after each answer that is not good, then with that answer as `detail`. */
  | {
      readonly event: 'waiting'
      readonly what: string
      readonly elapsedMs: number
      readonly deadlineMs: number
      readonly detail?: string | undefined
    }
  | { readonly event: 'health'; readonly what: string; readonly ok: boolean; readonly detail: string }
  /** Something that the operator can or must act on. */
  | { readonly event: 'warning'; readonly host?: string | undefined; readonly message: string }
  /** Something that nobody has to act on. */
  | { readonly event: 'note'; readonly message: string }
  | { readonly event: 'end'; readonly report: RolloutReport }

/** A warning, and the hosts that gave it. */
export interface HostWarnings {
  readonly message: string
  readonly hosts: readonly string[]
}

export type Tell = (event: FleetEvent) => void
