/**
 * Counts the outcomes of a run, and passes its events to the handlers.
 *
 * Masks the names of resources, messages, reasons and notes. The other parts of a report (patch, texts, failure, output)
 * and lines of progress must arrive masked: their producers know the boundaries of secrets in them.
 */
import type { PlannedResource } from '../model/resource.ts'
import type { Secrets } from '../model/secrets.ts'
import type { Counts, Handlers, Outcome, ResourceReport, RunReport, RunStart } from '../report/events.ts'

/** The part of a report that depends on how a resource ended. */
export type Ending = Pick<
  ResourceReport,
  | 'outcome'
  | 'patch'
  | 'words'
  | 'reason'
  | 'failure'
  | 'output'
  | 'ignored'
  | 'texts'
  | 'attempts'
  | 'comparedWith'
  | 'commits'
  | 'sources'
  | 'declaredAt'
>

export class Reporter {
  readonly counts: Record<Outcome, number> = {
    unchanged: 0,
    changed: 0,
    planned: 0,
    unknown: 0,
    skipped: 0,
    failed: 0,
  }
  /** Handlers that ask for unchanged resources too. */
  private readonly unchangedHandlers: readonly Handlers[]
  private readonly resources: ResourceReport[] = []
  private readonly warnings: string[] = []
  private readonly notes = new Set<string>()

  constructor(
    private readonly handlers: readonly Handlers[],
    private readonly secrets: Secrets,
  ) {
    this.unchangedHandlers = handlers.filter(({ unchanged }) => unchanged !== false)
  }

  start(run: RunStart): void {
    for (const handler of this.handlers) handler.start?.(run)
  }

  applying(name: string): void {
    for (const handler of this.handlers) handler.applying?.(this.mask(name))
  }

  /** @param line already masked: a secret may continue on the next line, which only the caller knows */
  progress(name: string, line: string): void {
    for (const handler of this.handlers) handler.progress?.(this.mask(name), line)
  }

  warn(message: string): void {
    const masked = this.mask(message)
    if (this.warnings.includes(masked)) return
    this.warnings.push(masked)
    for (const handler of this.handlers) handler.warn?.(masked)
  }

  note(message: string): void {
    const masked = this.mask(message)
    if (this.notes.has(masked)) return
    this.notes.add(masked)
    for (const handler of this.handlers) handler.note?.(masked)
  }

  finish(resource: PlannedResource, ending: Ending, durationMs: number): void {
    const isUnchanged = ending.outcome === 'unchanged'
    this.counts[ending.outcome]++
    const handlers = isUnchanged ? this.unchangedHandlers : this.handlers
    if (handlers.length === 0 && isUnchanged) return
    const { type, role, event } = resource
    // A command may be the key of a resource, so names can contain secrets.
    const [name, key] = [this.mask(resource.name), this.mask(resource.key)]
    const reason = ending.reason === undefined ? {} : { reason: this.mask(ending.reason) }
    const report: ResourceReport = { name, type, key, role, event, ...ending, ...reason, durationMs }
    if (!isUnchanged) {
      const { texts: _, output: __, ...stored } = report
      this.resources.push(stored)
    }
    for (const handler of handlers) handler.resource?.(report)
  }

  end(
    run: Omit<RunStart, 'resources'>,
    {
      notReached,
      ...rest
    }: Pick<RunReport, 'durationMs' | 'outcome' | 'leftOut' | 'stillRunning'> & Pick<Counts, 'notReached'>,
  ): RunReport {
    const counts: Counts = { ...this.counts, notReached }
    const report: RunReport = { ...run, ...rest, counts, resources: this.resources, warnings: this.warnings }
    for (const handler of this.handlers) handler.end?.(report)
    return report
  }

  mask(text: string): string {
    return this.secrets.mask(text)
  }
}
