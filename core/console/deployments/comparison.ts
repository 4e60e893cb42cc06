/** Compares two deployments of a stack: what was requested, which commits, how it ended, and what it changed. */
import type { FleetEvent, RolloutReport } from '../../fleet/types.ts'
import type { ConsoleDeployment, PlannedChange } from './states.ts'

interface Difference<T> {
  readonly name: string
  /** Null where a deployment has no value. */
  readonly from: T | null
  readonly to: T | null
}

interface HostOutcome {
  readonly outcome: string
  readonly durationMs: number
}

export interface Comparison {
  /** Fields of the requests that differ, as text. */
  readonly request: readonly Difference<string>[]
  /** Apps whose commits differ. */
  readonly commits: readonly Difference<string>[]
  /** All hosts of one of the two, with their outcomes. */
  readonly hosts: readonly Difference<HostOutcome>[]
  /** Changes in the plan of only one of the two. */
  readonly changes: readonly Difference<readonly string[]>[]
  /** Changes that both plans have. */
  readonly sameChanges: number
}

/** A deployment with the events of its rollout. */
export interface ComparedDeployment {
  readonly deployment: ConsoleDeployment
  readonly events: AsyncIterable<FleetEvent>
}

export async function compareDeployments(from: ComparedDeployment, to: ComparedDeployment): Promise<Comparison> {
  const [one, other] = [await reportIn(from.events), await reportIn(to.events)]
  const [before, after] = [hostsByChange(from.deployment), hostsByChange(to.deployment)]
  const commits = differences(commitsIn(one), commitsIn(other))
  const changes = differences([...before], [...after])
  return {
    request: differences(requestFields(from.deployment), requestFields(to.deployment)).filter(isDifferent),
    commits: commits.filter(isDifferent),
    hosts: differences(hostOutcomes(one), hostOutcomes(other)),
    changes: changes.filter(isDifferent),
    sameChanges: changes.filter((change) => !isDifferent(change)).length,
  }
}

async function reportIn(events: AsyncIterable<FleetEvent>): Promise<RolloutReport | null> {
  let report: RolloutReport | null = null
  for await (const event of events) if (event.event === 'end') report = event.report
  return report
}

/** Returns the commits by app; those of a rollback are in the changes of its hosts. */
function commitsIn(report: RolloutReport | null): [string, string][] {
  const chosen = Object.entries(report?.commits ?? {})
  if (chosen.length > 0) return chosen
  const commits = new Map<string, Set<string>>()
  for (const { moves = [] } of report?.hosts ?? [])
    for (const { app, to } of moves)
      if (to.commit !== null) commits.set(app, (commits.get(app) ?? new Set<string>()).add(to.commit))
  return [...commits].map(([app, all]) => [app, [...all].sort().join(', ')])
}

function requestFields({ request }: ConsoleDeployment): [string, string][] {
  return Object.entries(request).flatMap(([name, value]): [string, string][] => {
    const isUnset = value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
    return isUnset ? [] : [[name, typeof value === 'string' ? value : JSON.stringify(value)]]
  })
}

function hostOutcomes(report: RolloutReport | null | undefined): [string, HostOutcome][] {
  return (report?.hosts ?? []).map(({ host, outcome, durationMs }) => [host, { outcome, durationMs }])
}

/** Returns the hosts of each change of a plan, by its text with its diff. */
function hostsByChange({ plan }: ConsoleDeployment): Map<string, readonly string[]> {
  const hosts = new Map<string, string[]>()
  for (const group of plan?.groups ?? [])
    for (const change of group.changes) {
      const text = textOf(change)
      hosts.set(text, [...(hosts.get(text) ?? []), ...group.hosts].sort())
    }
  return hosts
}

function textOf({ resource, summary, diff }: PlannedChange): string {
  return [summary ?? resource, ...diff].join('\n')
}

function differences<T>(
  from: readonly (readonly [string, T])[],
  to: readonly (readonly [string, T])[],
): Difference<T>[] {
  const [before, after] = [new Map(from), new Map(to)]
  const names = [...new Set([...before.keys(), ...after.keys()])]
  return names.map((name) => ({ name, from: before.get(name) ?? null, to: after.get(name) ?? null }))
}

function isDifferent({ from, to }: Difference<unknown>): boolean {
  return JSON.stringify(from) !== JSON.stringify(to)
}
