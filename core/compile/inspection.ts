/** What `status`, `releases` and `doctor` show of a role. */
export interface Inspection {
  readonly apps: readonly AppView[]
  readonly needs: readonly Need[]
}

export interface AppView {
  readonly name: string
  readonly directory: string
  readonly releases: readonly ReleaseView[]
  /** Set for what is not deployed in releases, such as a balancer. */
  readonly unreleased?: true
  readonly services: readonly ServiceView[]
}

export interface ReleaseView {
  readonly id: string
  readonly revision: string
  readonly commit: string
  /** ISO time. */
  readonly created: string
  readonly by: string
  readonly complete: boolean
  readonly current: boolean
}

export interface ServiceView {
  readonly name: string
  readonly state: string
  readonly up: boolean
  readonly detail: string
}

export interface Need {
  readonly what: string
  readonly met: boolean
  readonly detail: string
  /** The command that mends it. */
  readonly remedy?: string | undefined
}
