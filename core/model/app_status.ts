/** Whether an app is up, and who stopped it on purpose. */

export interface IntendedStop {
  readonly by: string
  /** ISO time. */
  readonly at: string
}

export interface AppStatus {
  /** Set for an app that was stopped on purpose: it is not up, whatever its services are. */
  readonly stopped?: IntendedStop | null | undefined
  readonly services: readonly { readonly up: boolean }[]
}

export function isUp({ stopped, services }: AppStatus): boolean {
  return !stopped && services.every(({ up }) => up)
}
