/** Records the progress of each host of a rollout, and of the rollout as a whole. */
import type { ConvergeError } from '../../model/errors.ts'
import type { Counts, FailureReport, RunReport } from '../../report/events.ts'
import type {
  FleetEvent,
  HostOutcome,
  HostReport,
  HostWarnings,
  LiveRelease,
  Move,
  Phase,
  RolloutReport,
  Tell,
} from '../types.ts'
import { type AppReleases, liveOf } from './answers.ts'
import { movesBetween } from './moves.ts'
import type { Interruption } from './request.ts'

export interface Progress {
  outcome: HostOutcome
  phase: Phase | null
  durationMs: number
  phases: Partial<Record<Phase, number>>
  counts: Counts
  live: readonly LiveRelease[]
  /** Its releases before the rollout, the current ones among them. */
  before: readonly AppReleases[]
  /** Set by an automatic rollback; otherwise the report compares `before` with `live`. */
  moves: readonly Move[] | undefined
  /** The host has switched an app, or may have: after a lost connection nobody knows. */
  switched: boolean
  /** The host has completed the whole deploy. */
  deployed: boolean
  /** The first failure; `failedIn` is its phase. */
  failure: FailureReport | undefined
  failedIn: Phase | undefined
  /** The last failure, and its phase. */
  last: { readonly phase: Phase; readonly failure: FailureReport } | undefined
  reason: string | undefined
  connected: boolean
}

/** Details that a `done` event has in addition to the outcome. */
type Details = Pick<Extract<FleetEvent, { event: 'done' }>, 'report' | 'status' | 'behind'>

const none: Counts = { changed: 0, planned: 0, unknown: 0, unchanged: 0, skipped: 0, failed: 0, notReached: 0 }

export class Board {
  private readonly hosts = new Map<string, Progress>()
  readonly warnings: string[] = []
  private readonly warnedBy = new Map<string, Set<string>>()

  constructor(
    names: readonly string[],
    private readonly tell: Tell,
    private readonly clock: () => number,
  ) {
    for (const name of names) this.add(name, false)
  }

  add(name: string, connected: boolean): void {
    if (this.hosts.has(name)) return
    this.hosts.set(name, {
      ...{ outcome: 'untouched', phase: null, durationMs: 0, phases: {}, counts: none, live: [], before: [] },
      ...{ switched: false, deployed: false, failure: undefined, failedIn: undefined, last: undefined },
      ...{ reason: undefined, moves: undefined, connected },
    })
  }

  of(name: string): Progress {
    const found = this.hosts.get(name)
    if (found === undefined) throw new Error(`${name} does not take part`)
    return found
  }

  /** Returns the last known releases of a host; none for a host that does not take part. */
  live(name: string): readonly LiveRelease[] {
    return this.hosts.get(name)?.live ?? []
  }

  hasFailed(name: string): boolean {
    return this.hosts.get(name)?.failure !== undefined
  }

  /** Decides whether the host is connected and has not failed so far. */
  well(name: string): boolean {
    const { connected, failure } = this.of(name)
    return connected && failure === undefined
  }

  succeeded(name: string): boolean {
    const { outcome } = this.of(name)
    return this.well(name) && (outcome === 'changed' || outcome === 'unchanged')
  }

  /** @returns the time of the beginning, for `done` and `fail` */
  begin(host: string, phase: Phase): number {
    this.of(host).phase = phase
    this.tell({ event: 'host', host, phase })
    return this.clock()
  }

  done(host: string, phase: Phase, begun: number, more: Details = {}): void {
    const progress = this.of(host)
    const durationMs = this.clock() - begun
    progress.durationMs += durationMs
    progress.phases = { ...progress.phases, [phase]: (progress.phases[phase] ?? 0) + durationMs }
    const { reason, last } = progress
    // A rollback after a failure did not fail itself.
    const failure = last?.phase === phase ? last.failure : undefined
    // The outcome of this phase alone: the host as a whole may have changed before.
    const outcome = (progress.failure === undefined ? more.report?.outcome : undefined) ?? progress.outcome
    this.tell({
      event: 'done',
      host,
      phase,
      outcome: outcome === 'interrupted' ? 'failed' : outcome,
      durationMs,
      failure,
      reason,
      ...more,
    })
  }

  fail(host: string, phase: Phase, error: ConvergeError, begun = this.clock()): void {
    const lost = error.code === 'HOST_LOST'
    if (lost && phase === 'switch') this.of(host).switched = true
    this.failed(host, phase, failureOf(error), lost ? 'lost' : 'failed')
    this.done(host, phase, begun)
  }

  /** Marks a host as skipped: it stays unchanged, and the next run updates it. */
  skip(host: string, phase: Phase, reason: string, begun = this.clock()): void {
    Object.assign(this.of(host), { outcome: 'skipped', reason })
    this.done(host, phase, begun)
  }

  private failed(host: string, phase: Phase, failure: FailureReport, outcome: 'failed' | 'lost'): void {
    const progress = this.of(host)
    progress.failedIn ??= phase
    progress.failure ??= failure
    Object.assign(progress, { last: { phase, failure }, outcome })
  }

  /** Adds the changes of a run to those of the runs before it. */
  ran(host: string, phase: Phase, report: RunReport | null, failure: FailureReport | null): void {
    const progress = this.of(host)
    if (report !== null) {
      const counts = { ...progress.counts }
      for (const key of Object.keys(none) as (keyof Counts)[]) counts[key] += report.counts[key]
      progress.counts = counts
    }
    // A deploy that failed may have switched an app before.
    if (phase === 'switch' && (report === null ? failure !== null : report.counts.changed > 0)) progress.switched = true
    if (phase === 'switch' && failure === null) progress.deployed = true
    if (failure !== null) this.failed(host, phase, failure, 'failed')
    else if (phase === 'rollback' && progress.switched) progress.outcome = 'rolled back'
    else if (progress.failure === undefined) progress.outcome = outcomeAfter(progress.outcome, report)
  }

  warn({ message, hint }: ConvergeError, host?: string, more = hint): void {
    this.say([message, more].filter((part) => part !== undefined).join('; '), host)
  }

  say(message: string, host?: string): void {
    this.warnings.push(host === undefined ? message : `${host}: ${message}`)
    if (host === undefined) this.tell({ event: 'warning', message })
    else this.warnOf(host, message)
  }

  /** Adds a warning from a run on a host, or about the host itself. */
  warnOf(host: string, message: string): void {
    this.warnedBy.set(message, (this.warnedBy.get(message) ?? new Set()).add(host))
    this.tell({ event: 'warning', host, message })
  }

  hostWarnings(): HostWarnings[] {
    return [...this.warnedBy].map(([message, hosts]) => ({ message, hosts: [...hosts] }))
  }

  reports(): HostReport[] {
    return [...this.hosts].map(([host, progress]) => {
      const { outcome, phase, durationMs, phases, counts, live, failure, failedIn, reason } = progress
      return {
        host,
        outcome,
        phase,
        durationMs,
        counts,
        live,
        moves: movesOf(progress),
        phases,
        failure,
        failedIn,
        reason,
      }
    })
  }
}

function movesOf({ moves, before, live }: Progress): readonly Move[] | undefined {
  const made = moves ?? movesBetween(liveOf(before), live)
  return made.length === 0 ? undefined : made
}

/** A change in one phase counts, whatever the outcome of the next phase. */
function outcomeAfter(before: HostOutcome, report: RunReport | null): HostOutcome {
  if (report?.outcome === 'planned') return 'planned'
  return report?.outcome === 'changed' || before === 'changed' ? 'changed' : 'unchanged'
}

export function failureOf({ code, message, hint, output, source, resource, attempted }: ConvergeError): FailureReport {
  return { code, message, hint, output, source, resource, attempted }
}

export function outcomeOf(
  hosts: readonly HostReport[],
  stopped: boolean,
  interruption: Interruption,
): RolloutReport['outcome'] {
  if (interruption !== 'none') return 'interrupted'
  const has = (...outcomes: readonly HostOutcome[]) => hosts.some(({ outcome }) => outcomes.includes(outcome))
  if (stopped || has('failed', 'lost')) return 'failed'
  if (has('planned')) return 'planned'
  return has('changed', 'rolled back') ? 'changed' : 'unchanged'
}
