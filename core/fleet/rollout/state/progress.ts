/** Records the progress of each host of a rollout, and of the rollout as a whole. */
import type { ConvergeError } from '../../../model/errors.ts'
import type { Counts, FailureReport, RunReport } from '../../../report/events.ts'
import { type AppReleases, currentReleases } from '../../host_answers.ts'
import { isRunLost } from '../../host_client.ts'
import { changesBetween } from '../../planning/release_changes.ts'
import type {
  CurrentRelease,
  EmitEvent,
  FleetEvent,
  HostOutcome,
  HostReport,
  HostWarnings,
  Phase,
  ReleaseChange,
  RolloutReport,
} from '../../types.ts'
import type { Interruption } from './ports.ts'

export interface HostProgress {
  outcome: HostOutcome
  phase: Phase | null
  durationMs: number
  phases: Partial<Record<Phase, number>>
  counts: Counts
  currentReleases: readonly CurrentRelease[]
  /** Its releases before the rollout, the current ones among them. */
  releasesBefore: readonly AppReleases[]
  /**
   * Set by an automatic rollback and by events that build from changed attributes; otherwise the report compares
   * `releasesBefore` with `currentReleases`.
   */
  changes: readonly ReleaseChange[] | undefined
  /** Whether the host has switched an app, or may have: after a lost connection, that is unknown. */
  hasSwitched: boolean
  /** Whether the host has completed the whole deploy. */
  hasDeployed: boolean
  /** The first failure. */
  failure: FailureReport | undefined
  /** The phase of the first failure. */
  failedIn: Phase | undefined
  /** The last failure, and its phase. */
  lastFailure: { readonly phase: Phase; readonly failure: FailureReport } | undefined
  reason: string | undefined
  isConnected: boolean
  /** Whether the host takes no part, and only adapts to the changes of the rollout. */
  isBystander: boolean
}

/** Details that a `done` event has in addition to the outcome. */
type PhaseDetails = Pick<Extract<FleetEvent, { event: 'done' }>, 'report' | 'status' | 'behind'>

const noCounts: Counts = { changed: 0, planned: 0, unknown: 0, unchanged: 0, skipped: 0, failed: 0, notReached: 0 }

export class RolloutProgress {
  private readonly hosts = new Map<string, HostProgress>()
  readonly warnings: string[] = []
  private readonly hostsByWarning = new Map<string, Set<string>>()

  constructor(
    names: readonly string[],
    private readonly emit: EmitEvent,
    private readonly clock: () => number,
  ) {
    for (const name of names) this.addHost(name, { isBystander: false })
  }

  /** Adds a connected host that takes no part. */
  addBystander(name: string): void {
    this.addHost(name, { isBystander: true })
  }

  private addHost(name: string, { isBystander }: { readonly isBystander: boolean }): void {
    if (this.hosts.has(name)) return
    this.hosts.set(name, {
      outcome: 'untouched',
      phase: null,
      durationMs: 0,
      phases: {},
      counts: noCounts,
      currentReleases: [],
      releasesBefore: [],
      hasSwitched: false,
      hasDeployed: false,
      failure: undefined,
      failedIn: undefined,
      lastFailure: undefined,
      reason: undefined,
      changes: undefined,
      isConnected: isBystander,
      isBystander,
    })
  }

  get(name: string): HostProgress {
    const found = this.hosts.get(name)
    if (found === undefined) throw new Error(`${name} does not take part`)
    return found
  }

  /** Returns undefined for a host that does not take part. */
  find(name: string): HostProgress | undefined {
    return this.hosts.get(name)
  }

  /** Returns the last known releases of a host; none for a host that does not take part. */
  currentReleasesOf(name: string): readonly CurrentRelease[] {
    return this.hosts.get(name)?.currentReleases ?? []
  }

  hasFailed(name: string): boolean {
    return this.hosts.get(name)?.failure !== undefined
  }

  /** Decides whether a host that takes no part could not adapt: it failed, or went down. */
  hasMissingConfigure(name: string): boolean {
    return this.hasFailed(name) || this.hosts.get(name)?.outcome === 'skipped'
  }

  /** Decides whether the host is connected and has not failed so far. */
  isUsable(name: string): boolean {
    const { isConnected, failure } = this.get(name)
    return isConnected && failure === undefined
  }

  /** Decides whether a host can be asked for more: a bystander that failed can, one that is down cannot. */
  isReachable(name: string): boolean {
    const progress = this.hosts.get(name)
    return progress === undefined || (progress.isBystander ? progress.outcome !== 'skipped' : this.isUsable(name))
  }

  succeeded(name: string): boolean {
    const { outcome } = this.get(name)
    return this.isUsable(name) && (outcome === 'changed' || outcome === 'unchanged')
  }

  /** @returns the time of the beginning, for `endPhase` and `failPhase` */
  beginPhase(host: string, phase: Phase): number {
    this.get(host).phase = phase
    this.emit({ event: 'host', host, phase })
    return this.clock()
  }

  endPhase(host: string, phase: Phase, startedAt: number, details: PhaseDetails = {}): void {
    const progress = this.get(host)
    const durationMs = this.clock() - startedAt
    progress.durationMs += durationMs
    progress.phases = { ...progress.phases, [phase]: (progress.phases[phase] ?? 0) + durationMs }
    const { reason, lastFailure } = progress
    // A rollback after a failure did not fail itself.
    const failure = lastFailure?.phase === phase ? lastFailure.failure : undefined
    // The outcome of this phase alone: the host as a whole may have changed before.
    const outcome = (progress.failure === undefined ? details.report?.outcome : undefined) ?? progress.outcome
    this.emit({
      event: 'done',
      host,
      phase,
      outcome: outcome === 'interrupted' ? 'failed' : outcome,
      durationMs,
      failure,
      reason,
      ...details,
    })
  }

  failPhase(host: string, phase: Phase, error: ConvergeError, startedAt = this.clock()): void {
    const isLost = isRunLost(error)
    if (isLost && phase === 'switch') this.get(host).hasSwitched = true
    this.setFailure(host, phase, failureOf(error), isLost ? 'lost' : 'failed')
    this.endPhase(host, phase, startedAt)
  }

  /** Marks a host as skipped: it stays unchanged, and the next run updates it. */
  skipHost(host: string, phase: Phase, reason: string, startedAt = this.clock()): void {
    Object.assign(this.get(host), { outcome: 'skipped', reason })
    this.endPhase(host, phase, startedAt)
  }

  private setFailure(host: string, phase: Phase, failure: FailureReport, outcome: 'failed' | 'lost'): void {
    const progress = this.get(host)
    progress.failedIn ??= phase
    progress.failure ??= failure
    Object.assign(progress, { lastFailure: { phase, failure }, outcome })
  }

  /** Adds the changes of a run to those of the runs before it. */
  recordRun(host: string, phase: Phase, report: RunReport | null, failure: FailureReport | null): void {
    const progress = this.get(host)
    if (report !== null) {
      const counts = { ...progress.counts }
      for (const key of Object.keys(noCounts) as (keyof Counts)[]) counts[key] += report.counts[key]
      progress.counts = counts
    }
    // A deploy that failed may have switched an app before.
    if (phase === 'switch' && (report === null ? failure !== null : report.counts.changed > 0))
      progress.hasSwitched = true
    if (phase === 'switch' && failure === null) progress.hasDeployed = true
    if (failure !== null) this.setFailure(host, phase, failure, 'failed')
    else if (phase === 'rollback' && progress.hasSwitched) progress.outcome = 'rolled back'
    else if (progress.failure === undefined) progress.outcome = outcomeAfter(progress.outcome, report)
  }

  addErrorWarning({ message, hint }: ConvergeError, host?: string, advice = hint): void {
    this.addWarning([message, advice].filter((part) => part !== undefined).join('; '), host)
  }

  addWarning(message: string, host?: string): void {
    this.warnings.push(host === undefined ? message : `${host}: ${message}`)
    if (host === undefined) this.emit({ event: 'warning', message })
    else this.addHostWarning(host, message)
  }

  /** Adds a warning from a run on a host, or about the host itself. */
  addHostWarning(host: string, message: string): void {
    this.hostsByWarning.set(message, (this.hostsByWarning.get(message) ?? new Set()).add(host))
    this.emit({ event: 'warning', host, message })
  }

  hostWarnings(): HostWarnings[] {
    return [...this.hostsByWarning].map(([message, hosts]) => ({ message, hosts: [...hosts] }))
  }

  reports(): HostReport[] {
    return [...this.hosts].map(([host, progress]) => {
      const { outcome, phase, durationMs, phases, counts, currentReleases, failure, failedIn, reason } = progress
      return {
        host,
        outcome,
        phase,
        durationMs,
        counts,
        live: currentReleases,
        moves: changesOf(progress),
        phases,
        failure,
        failedIn,
        reason,
      }
    })
  }
}

function changesOf({
  changes,
  releasesBefore,
  currentReleases: current,
}: HostProgress): readonly ReleaseChange[] | undefined {
  const allChanges = changes ?? changesBetween(currentReleases(releasesBefore), current)
  return allChanges.length === 0 ? undefined : allChanges
}

/** A change in one phase counts, whatever the outcome of the next phase. */
function outcomeAfter(before: HostOutcome, report: RunReport | null): HostOutcome {
  if (report?.outcome === 'planned') return 'planned'
  return report?.outcome === 'changed' || before === 'changed' ? 'changed' : 'unchanged'
}

export function failureOf({ code, message, hint, output, source, resource, attempted }: ConvergeError): FailureReport {
  return { code, message, hint, output, source, resource, attempted }
}

export function rolloutOutcome(
  hosts: readonly HostReport[],
  isAborted: boolean,
  interruption: Interruption,
): RolloutReport['outcome'] {
  if (interruption !== 'none') return 'interrupted'
  const has = (...outcomes: readonly HostOutcome[]) => hosts.some(({ outcome }) => outcomes.includes(outcome))
  if (isAborted || has('failed', 'lost')) return 'failed'
  if (has('planned')) return 'planned'
  return has('changed', 'rolled back') ? 'changed' : 'unchanged'
}
