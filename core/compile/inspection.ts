/** Types of what `status`, `releases` and `doctor` report about a role. */
import type { AppStatus } from '../model/app_status.ts'

export interface Inspection {
  readonly apps: readonly AppView[]
  /** For roles without `checks`. */
  readonly needs?: readonly Need[]
}

export interface AppView extends AppStatus {
  readonly name: string
  readonly directory: string
  readonly releases: readonly ReleaseView[]
  /** Set for what is not deployed in releases, such as a balancer. */
  readonly unreleased?: true
  /** The release that a rollback left: `configure` keeps the commit until the next deploy. */
  readonly pinnedFrom?: string | null
  readonly services: readonly ServiceView[]
  /** Scheduled jobs that have run, or that should have. */
  readonly jobs?: readonly JobView[]
}

/** How the last run of a job ended. */
export interface JobView {
  readonly name: string
  /** False if it failed or has not run in time. */
  readonly ok: boolean
  readonly detail: string
}

export interface ReleaseView {
  readonly id: string
  readonly revision: string
  readonly commit: string
  /** First line of the commit message, where the mirror has the commit. */
  readonly subject?: string
  /** ISO time. */
  readonly created: string
  readonly by: string
  readonly complete: boolean
  readonly current: boolean
  /** Whether a rollback goes to it. */
  readonly previous: boolean
  /** Why it failed its smoke test; null where it did not. */
  readonly failed: string | null
}

export interface ServiceView {
  readonly name: string
  /** The state as its manager names it. */
  readonly state: string
  /** Whether it runs and is ready. */
  readonly up: boolean
  readonly readiness: ServiceReadiness
  readonly detail: string
}

/**
 * `starting`: it runs and may become ready; `failing`: it ends again and again, and its manager starts it again; `not
 * ready`: it runs and does not answer as it should.
 */
export type ServiceReadiness = 'up' | 'starting' | 'failing' | 'not ready' | 'down'

export interface Need {
  readonly what: string
  readonly met: boolean
  readonly detail: string
  /** The command that fixes it. */
  readonly remedy?: string | undefined
}

/** One thing that `doctor` checks. */
export interface HostCheck {
  /** Names what is checked; several roles that check the same thing report it once. */
  readonly what: string
  /** Reads only. Null: nothing to report. An exception is reported as `unknown`, and the other checks still run. */
  run(): Finding | null | Promise<Finding | null>
}

export interface Finding {
  /** `missing` fails the doctor; a `warning` does not. */
  readonly status: 'ok' | 'missing' | 'warning'
  readonly detail: string
  /** The command or the attribute that fixes it. */
  readonly remedy?: string | undefined
}
