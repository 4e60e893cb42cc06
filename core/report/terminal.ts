/** A run as a person reads it: one line a resource that matters, diffs, a spinner for what takes long, a summary. */
import picocolors from 'picocolors'
import {
  describeChange,
  describeChangeBriefly,
  describeDiff,
  describeFailure,
  describeSources,
  duration,
  isRemoval,
  type Paint,
  summary,
  title,
  withoutMiddle,
} from './describe.ts'
import { type DiffOf, loadDiff } from './diff.ts'
import type { Handlers, ResourceReport, RunReport, RunStart } from './events.ts'
import { plain } from './printable.ts'

export interface TerminalOptions {
  readonly write: (text: string) => void
  readonly color: boolean
  /** Whether lines can be written over: a spinner shows the current step. */
  readonly live: boolean
  /** Columns. */
  readonly width: number
  readonly quiet: boolean
  /** Whether the output goes to the journal of systemd, where a quiet run lists its changes without their values. */
  readonly journal: boolean
  readonly verbose: boolean
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

export class Terminal implements Handlers {
  private readonly paint: Paint
  private current: { name: string; line: string; since: number } | undefined
  private timer: NodeJS.Timeout | undefined
  private frame = 0
  private shown = false
  private mode: RunStart['mode'] = 'run'
  private diff: DiffOf | undefined
  /** Whether the run has several roles or events: then a line names each before its resources. */
  private hasGroups = false
  /** Role and event of the resources printed last. */
  private group = ''

  readonly unchanged: boolean

  constructor(private readonly options: TerminalOptions) {
    this.unchanged = options.verbose
    this.paint = picocolors.createColors(options.color)
  }

  /** Loads what draws diffs; before the run, since handlers are synchronous. */
  async prepare(): Promise<this> {
    if (!this.options.quiet) this.diff = await loadDiff()
    return this
  }

  start(run: RunStart): void {
    this.mode = run.mode
    this.hasGroups = run.roles.length * run.events.length > 1
    this.group = ''
    if (!this.options.verbose) return
    const what = title(`${run.roles.join(', ')}: ${run.events.join(', ')}`)
    this.line(this.paint.dim(`${what}, ${run.resources} resource${run.resources === 1 ? '' : 's'}`))
  }

  applying(name: string): void {
    if (!this.options.live || this.options.quiet || this.mode === 'plan') return
    this.current = { name, line: '', since: performance.now() }
    this.timer ??= setInterval(() => this.spin(), 100)
    this.timer.unref()
  }

  progress(name: string, line: string): void {
    const one = plain(line).trimEnd().replaceAll('\n', ' ')
    if (this.current) this.current.line = one.trim()
    else if (this.options.verbose) this.line(this.paint.dim(`    ${title(name)}: ${one}`))
  }

  resource(report: ResourceReport): void {
    this.settle()
    const { outcome } = report
    const name = title(report.name)
    if (outcome === 'unchanged' || outcome === 'skipped') {
      if (!this.options.verbose) return
      this.heading(report)
      const reason = report.reason ? ` (skipped: ${title(report.reason)})` : ''
      this.line(this.paint.dim(`  ${outcome === 'skipped' ? '-' : '.'} ${name}${reason}`))
      return
    }
    if (outcome === 'failed') return this.failed(report)
    if (this.options.quiet && !this.listsBriefly) return
    const took =
      report.durationMs >= 1000 && outcome !== 'unknown' ? this.paint.dim(` ${duration(report.durationMs)}`) : ''
    this.heading(report)
    if (this.listsBriefly) return this.line(`  ${describeChangeBriefly(report, this.paint)}${took}`)
    const [head = '', ...rows] = describeChange(report, this.paint, this.options.verbose)
    this.line([`  ${head}${took}`, ...rows.map((row) => `  ${row}`)].join('\n'))
    if (!isRemoval(report)) this.text(report)
    for (const row of describeSources(report, this.paint)) this.line(`  ${row}`)
  }

  warn(message: string): void {
    this.message(this.paint.yellow('warning:'), message)
  }

  note(message: string): void {
    if (!this.options.quiet) this.message(this.paint.dim('note:'), message)
  }

  private message(title: string, text: string): void {
    this.settle()
    // No line of a text of others looks like one of ours.
    this.line(`  ${title} ${plain(withoutMiddle(text)).replace(/\n(?! {4}|\n|$)/g, '\n    ')}`)
  }

  end(report: RunReport): void {
    this.settle()
    clearInterval(this.timer)
    // A recovery is a second run on the same terminal.
    this.timer = undefined
    const isSilent = this.options.quiet && ['unchanged', 'changed', 'planned'].includes(report.outcome)
    if (isSilent && !(this.listsBriefly && report.outcome === 'changed')) return
    this.line(summary(report, this.paint))
  }

  private get listsBriefly(): boolean {
    return this.options.quiet && this.options.journal && this.mode === 'run'
  }

  /** Names the role and the event before the first resource of both that is printed. */
  private heading({ role, event }: ResourceReport): void {
    const group = title(`${role}: ${event}`)
    if (!this.hasGroups || group === this.group) return
    this.group = group
    this.line(this.paint.bold(group))
  }

  private failed(report: ResourceReport): void {
    const { failure, name } = report
    this.heading(report)
    this.line(
      `  ${this.paint.red('!')} ${title(name)} ${this.paint.red(report.ignored ? 'failed (ignored)' : 'failed')}`,
    )
    if (failure) this.line(describeFailure(failure, this.paint))
  }

  private text({ texts, diff }: ResourceReport): void {
    const lines = diff ?? (texts && this.diff ? this.diff(texts) : [])
    const rows = describeDiff(lines, this.options.verbose, this.paint)
    // At once: a first run shows tens of thousands of lines.
    if (rows.length > 0) this.line(rows.map((row) => `  ${row}`).join('\n'))
  }

  private line(text: string): void {
    this.options.write(`${text}\n`)
  }

  private spin(): void {
    if (!this.current) return
    const elapsed = performance.now() - this.current.since
    if (elapsed < 300) return
    this.frame = (this.frame + 1) % frames.length
    const text = `  ${frames[this.frame]} ${title(this.current.name)} ${duration(elapsed)} ${this.current.line}`
    this.options.write(`\r\x1b[K${this.paint.dim(text.slice(0, this.options.width - 1))}`)
    this.shown = true
  }

  private settle(): void {
    if (this.shown) this.options.write('\r\x1b[K')
    this.shown = false
    this.current = undefined
  }
}
