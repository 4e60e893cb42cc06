/** Summarizes a plan of a stack, from the events of `converge stack plan`. */
import { createHash } from 'node:crypto'
import picocolors from 'picocolors'
import { groupChanges, type HostRun } from '../../fleet/screen/changes.ts'
import type { FleetEvent, GroupedReleaseChange } from '../../fleet/types.ts'
import { describeChange } from '../../report/describe.ts'
import type { ResourceReport } from '../../report/events.ts'
import type { PlanSummary } from './states.ts'

const noColors = picocolors.createColors(false)
/** Lines of a diff that the summary contains; the log of the plan has the rest. */
const maxDiffLines = 400

/**
 * Returns what would change, and a digest of it. Equal digests mean that the same run would make the same changes on the
 * same hosts: times and durations are no part of it. The custom JSON of the deployment is.
 */
export async function summarizePlan(
  events: Iterable<FleetEvent> | AsyncIterable<FleetEvent>,
  customJson: string | null = null,
): Promise<PlanSummary> {
  const runs: HostRun[] = []
  const releases: GroupedReleaseChange[] = []
  const commits: string[] = []
  const warnings = new Set<string>()
  let addresses: Readonly<Record<string, string>> = {}
  let order: readonly string[] = []
  for await (const event of events)
    switch (event.event) {
      case 'start':
        addresses = event.addresses ?? {}
        order = event.hosts
        break
      case 'done':
        if (event.report?.mode === 'plan') runs.push({ host: event.host, report: event.report })
        break
      case 'commit':
        commits.push(`${event.app} ${event.commit}`)
        break
      case 'moves':
        releases.push(...event.moves)
        break
      case 'warning':
        warnings.add(event.host === undefined ? event.message : `${event.host}: ${event.message}`)
        break
      default:
    }
  // Hosts answer in any order.
  runs.sort((one, other) => order.indexOf(one.host) - order.indexOf(other.host))
  const groups = groupChanges(runs, addresses).map(({ hosts, resources }) => ({
    hosts,
    changes: resources.map((resource) => ({
      resource: resource.name,
      outcome: resource.outcome,
      summary: describeChange(resource, noColors, true).join('\n'),
      diff: (resource.diff ?? []).slice(0, maxDiffLines),
    })),
  }))
  return { digest: digestOf(runs, commits, customJson), groups, releases, warnings: [...warnings] }
}

function digestOf(runs: readonly HostRun[], commits: readonly string[], customJson: string | null): string {
  const content = runs
    .map(({ host, report }) => [host, report.resources.map(essence)] as const)
    .sort(([one], [other]) => (one < other ? -1 : 1))
  return createHash('sha256')
    .update(JSON.stringify([content, [...commits].sort(), ...(customJson === null ? [] : [customJson])]))
    .digest('hex')
}

/** Returns what a change consists of. */
function essence({ name, outcome, patch, words, reason, diff, failure }: ResourceReport): unknown {
  return [name, outcome, patch, words, reason, diff, failure?.message]
}
