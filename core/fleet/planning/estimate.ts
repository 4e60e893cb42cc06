/** Estimates how long a rollout takes from the records of earlier ones. */
import type { Action, HostReport, Phase } from '../types.ts'

/** A record of an earlier rollout, as far as the estimate needs it. */
export interface EarlierRun {
  readonly action: Action
  readonly outcome: string
  /** Commits by app. */
  readonly commits: Readonly<Record<string, string>>
  readonly hosts: readonly Pick<HostReport, 'host' | 'outcome' | 'durationMs' | 'phases' | 'moves'>[]
}

export interface PlannedRun {
  readonly action: Action
  /** Whether a host changes its release; a run without changes is much shorter. */
  readonly changes: boolean
  /** Apps that change their release. */
  readonly apps: readonly string[]
  /**
   * Names of the hosts that restart something, where a dry run has shown them; the apps are then unknown. Other hosts
   * that changed earlier, such as balancers, say nothing about a restart.
   */
  readonly restarting?: readonly string[] | undefined
  readonly hosts: number
  readonly batches: number
  /** Hosts at once, at most. */
  readonly parallel: number
}

export interface Estimate {
  readonly durationMs: number
  /** Number of earlier rollouts it is derived from. */
  readonly runs: number
}

/** Rollouts that count: old ones do not predict the current duration. */
const maxRuns = 10
/** Phases that all hosts run at the same time; in all other phases one batch follows the other. */
const simultaneousPhases: readonly Phase[] = ['connect', 'look', 'setup', 'build']

/**
 * Estimates the duration: for each phase the median of a host, times the batches that follow each other.
 * @param earlierRuns newest first
 * @returns null where no earlier rollout of the same action and the same apps succeeded
 */
export function estimateDuration(earlierRuns: readonly EarlierRun[], planned: PlannedRun): Estimate | null {
  const expectedOutcome = planned.changes ? 'changed' : 'unchanged'
  const runs = earlierRuns
    .filter(({ action, outcome }) => action === planned.action && outcome === expectedOutcome)
    .filter((run) => isComparable(run, planned))
    .map(({ hosts }) => hosts.filter((host) => host.outcome === expectedOutcome && isCounted(host, planned)))
    .filter((hosts) => hosts.length > 0)
    .slice(0, maxRuns)
    .map((hosts) => hosts.map(phaseDurations))
  if (runs.length === 0) return null
  const durations = new Map<string, number[]>()
  for (const host of runs.flat())
    for (const [phase, ms] of Object.entries(host)) durations.set(phase, [...(durations.get(phase) ?? []), ms])
  const turns = Math.ceil(planned.hosts / Math.max(1, planned.parallel))
  const durationMs = [...durations].reduce((sum, [phase, all]) => {
    const isTogether = (simultaneousPhases as readonly string[]).includes(phase)
    return sum + median(all) * Math.max(1, isTogether ? turns : planned.batches)
  }, 0)
  return { durationMs: Math.round(durationMs), runs: runs.length }
}

function isComparable(run: EarlierRun, { changes, apps, restarting }: PlannedRun): boolean {
  return !changes || restarting !== undefined || isSameSet(changedApps(run), apps)
}

function isCounted({ host }: EarlierRun['hosts'][number], { changes, restarting }: PlannedRun): boolean {
  return !changes || restarting === undefined || restarting.includes(host)
}

/** Returns the apps that changed their release. A record of an earlier version only has the apps of the rollout. */
function changedApps({ hosts, commits }: EarlierRun): string[] {
  if (hosts.every(({ phases }) => phases === undefined)) return Object.keys(commits)
  return hosts.flatMap(({ moves = [] }) => moves.map(({ app }) => app))
}

function isSameSet(some: readonly string[], others: readonly string[]): boolean {
  const [one, other] = [new Set(some), new Set(others)]
  return one.size === other.size && [...one].every((app) => other.has(app))
}

/** A record of an earlier version has no durations by phase. */
function phaseDurations({ durationMs, phases }: EarlierRun['hosts'][number]): Readonly<Record<string, number>> {
  return phases ?? { all: durationMs }
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const [low = 0, high = 0] = sorted.length % 2 === 1 ? [sorted[middle], sorted[middle]] : sorted.slice(middle - 1)
  return (low + high) / 2
}
