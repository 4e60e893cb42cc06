/** Describes what still runs on a host as it was before an upgrade of packages. */

export interface PendingRestarts {
  /** Services whose processes use libraries that were replaced. */
  readonly services: readonly string[]
  /** Why a reboot is due; null if none is. */
  readonly reboot: string | null
  /** Why the services are not known; null if they are, or if nothing on the host finds them. */
  readonly problem: string | null
}

/** Returns the facts for a report, each with a name of at most ten letters. */
export function restartTexts(restarts: PendingRestarts | null): { readonly name: string; readonly detail: string }[] {
  if (restarts === null) return []
  const { services, reboot, problem } = restarts
  return [
    ...(services.length > 0
      ? [{ name: 'outdated', detail: `services with old libraries: ${services.join(', ')}` }]
      : []),
    ...(reboot === null ? [] : [{ name: 'reboot', detail: `due ${reboot}` }]),
    ...(problem === null ? [] : [{ name: 'outdated', detail: problem }]),
  ]
}
