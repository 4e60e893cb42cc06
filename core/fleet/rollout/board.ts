/** What has become of each host of a rollout so far, and of the rollout as a whole. */
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
  /** Its releases, and with them what was live, when the rollout came to it. */
  before: readonly AppReleases[]
  /** Of an automatic rollback; else the report compares `before` with `live`. */
  moves: readonly Move[] | undefined
  /** Something of the deploy went live, or may have, as nobody can tell. */
  switched: boolean
  /** It has the whole of the deploy. */
  deployed: boolean
  /** What went wrong first, and in which phase. */
  failure: FailureReport | undefined
  failedIn: Phase | undefined
  /** What went wrong last. */
  last: { readonly phase: Phase; readonly failure: FailureReport } | undefined
  reason: string | undefined
  connected: boolean
}

/** What there is to tell beside how it ended. */
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

  /** What a host was last known to be on; nothing of one that does not take part. */
  live(name: string): readonly LiveRelease[] {
    return this.hosts.get(name)?.live ?? []
  }

  hasFailed(name: string): boolean {
    return this.hosts.get(name)?.failure !== undefined
  }

  /** It could be reached, and nothing has gone wrong with it so far. */
  well(name: string): boolean {
    const { connected, failure } = this.of(name)
    return connected && failure === undefined
  }

  succeeded(name: string): boolean {
    const { outcome } = this.of(name)
    return this.well(name) && (outcome === 'changed' || outcome === 'unchanged')
  }

  /** @returns since when, for `done` and `fail` */
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
    // Who goes back after a failure has not failed in that.
    const failure = last?.phase === phase ? last.failure : undefined
    // What this phase alone came to: the host as a whole may have changed before.
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

  /** It is left as it is, and brought up to date by the next run. */
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

  /** Adds what a run has done to what those before it did. */
  ran(host: string, phase: Phase, report: RunReport | null, failure: FailureReport | null): void {
    const progress = this.of(host)
    if (report !== null) {
      const counts = { ...progress.counts }
      for (const key of Object.keys(none) as (keyof Counts)[]) counts[key] += report.counts[key]
      progress.counts = counts
    }
    // Also a deploy that failed may have gone live before.
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

  /** Of a run on a host, or of the host itself. */
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

/** What changed in one phase has changed, whatever the next one finds. */
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
