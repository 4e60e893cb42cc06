/** Decides how a rollout ended, from the events of its process. */
import type { FleetEvent, RolloutReport } from '../../fleet/types.ts'
import type { State } from './state_names.ts'

export interface Result {
  readonly state: Extract<State, 'succeeded' | 'failed' | 'rolled back' | 'interrupted'>
  readonly reason: string | null
}

/** Status of a shell's command that SIGINT has ended. */
const interruptedStatus = 130

/** Collects what is known of a rollout while its events are read. */
export class ResultReader {
  private report: RolloutReport | null = null
  private error: string | null = null
  private failure: string | null = null
  private readonly steps = new Map<string, string>()
  /** The number of the record; null until the rollout has begun. */
  record: string | null = null

  add(event: FleetEvent | { readonly event: 'error'; readonly message: string }): void {
    switch (event.event) {
      case 'deployment':
        this.record = event.id
        break
      case 'host':
        this.steps.set(event.host, [event.phase, event.step].filter(Boolean).join(': '))
        break
      case 'done':
        this.steps.delete(event.host)
        if (event.failure) this.failure ??= `${event.host}: ${event.failure.message}`
        break
      case 'error':
        this.error = event.message
        break
      case 'end':
        this.report = event.report
        break
      default:
    }
  }

  /** @param status exit status; null if the process was killed */
  result(status: number | null): Result {
    const { report } = this
    if (report === null) return this.withoutReport(status)
    const rolledBack = report.hosts.filter(({ outcome }) => outcome === 'rolled back').map(({ host }) => host)
    switch (report.outcome) {
      case 'interrupted':
        return { state: 'interrupted', reason: report.stopped ?? null }
      case 'failed': {
        const why = report.stopped ?? this.failure ?? 'a host failed'
        return rolledBack.length > 0
          ? { state: 'rolled back', reason: `${why}; rolled back: ${rolledBack.join(', ')}` }
          : { state: 'failed', reason: this.failure === null || why === this.failure ? why : `${why}: ${this.failure}` }
      }
      default:
        return { state: 'succeeded', reason: report.outcome === 'unchanged' ? 'nothing to change' : null }
    }
  }

  private withoutReport(status: number | null): Result {
    if (this.error !== null) return { state: 'failed', reason: this.error }
    if (status === interruptedStatus) return { state: 'interrupted', reason: 'interrupted before any host began' }
    if (status !== null) return { state: 'failed', reason: `converge ended with status ${status} and no report` }
    const steps = [...this.steps].map(([host, step]) => `${host} at ${step}`)
    const where = steps.length === 0 ? 'before any host began' : steps.join(', ')
    return { state: 'interrupted', reason: `the rollout was killed: ${where}` }
  }
}
