/** Finds the last known state of a host in the operator's records, for hosts that do not answer. */
import type { LastKnownState } from '../types.ts'
import { listDeployments } from './history.ts'

/** Newest records that are searched. */
const searchedRecords = 100

/** By host: its newest run, and the newest releases that are recorded. */
export function lastKnownHosts(directory: string): ReadonlyMap<string, LastKnownState> {
  const known = new Map<string, LastKnownState>()
  for (const { id, started, hosts } of listDeployments(directory, searchedRecords))
    for (const { host, outcome, live } of hosts) {
      // No run took place there.
      if (outcome === 'skipped' || outcome === 'untouched') continue
      const newer = known.get(host)
      if (newer === undefined) known.set(host, { deployment: id, outcome, started, live })
      else if (newer.live.length === 0 && live.length > 0) known.set(host, { ...newer, live })
    }
  return known
}
