/** Describes whether an app is up, who stopped it on purpose, and who closed its site. */

export interface IntendedStop {
  readonly by: string
  /** ISO time. */
  readonly at: string
}

/** A site that shows its maintenance page; who closed it and when are null if there is no record. */
export interface ClosedSite {
  readonly by: string | null
  /** ISO time. */
  readonly at: string | null
}

export interface AppStatus {
  /** Set for an app that was stopped on purpose: it is not up, whatever its services are. */
  readonly stopped?: IntendedStop | null | undefined
  /** Set for an app whose visitors get the maintenance page: it is not up either. */
  readonly closed?: ClosedSite | null | undefined
  readonly services: readonly { readonly up: boolean }[]
}

export function isUp({ stopped, closed, services }: AppStatus): boolean {
  return !stopped && !closed && services.every(({ up }) => up)
}

/** Describes an app on the release of a rollback on one line. */
export function pinText(release: string): string {
  return `pinned: rolled back from ${release}, until the next deploy`
}

/** Decides whether a scheduled job of an app, such as its backup, failed or did not run in time. */
export function hasFailedJob({ jobs = [] }: { readonly jobs?: readonly { readonly ok: boolean }[] }): boolean {
  return jobs.some(({ ok }) => !ok)
}

/** Describes a closed site on one line, e.g. `closed for maintenance by alice@web1, 2026-11-28T21:00:00Z`. */
export function closedText({ by, at }: ClosedSite): string {
  return by === null ? 'closed for maintenance' : `closed for maintenance by ${by}, ${at}`
}
