/** Displays a run on a terminal: a line for each resource of interest, diffs, a spinner for the current step, a summary. */
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
  private isSpinnerShown = false
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

  /** Loads the library that computes diffs. The caller waits for it before the run, since handlers are synchronous. */
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
    this.printLine(this.paint.dim(`${what}, ${run.resources} resource${run.resources === 1 ? '' : 's'}`))
  }

  applying(name: string): void {
    if (!this.options.live || this.options.quiet || this.mode === 'plan') return
    this.current = { name, line: '', since: performance.now() }
    this.timer ??= setInterval(() => this.spin(), 100)
    this.timer.unref()
  }

  progress(name: string, line: string): void {
    const shownLine = plain(line).trimEnd().replaceAll('\n', ' ')
    if (this.current) this.current.line = shownLine.trim()
    else if (this.options.verbose) this.printLine(this.paint.dim(`    ${title(name)}: ${shownLine}`))
  }

  resource(report: ResourceReport): void {
    this.clearSpinner()
    const { outcome } = report
    const name = title(report.name)
    if (outcome === 'unchanged' || outcome === 'skipped') {
      if (!this.options.verbose) return
      this.printHeading(report)
      const reason = report.reason ? ` (skipped: ${title(report.reason)})` : ''
      this.printLine(this.paint.dim(`  ${outcome === 'skipped' ? '-' : '.'} ${name}${reason}`))
      return
    }
    if (outcome === 'failed') return this.printFailure(report)
    if (this.options.quiet && !this.listsBriefly) return
    const took =
      report.durationMs >= 1000 && outcome !== 'unknown' ? this.paint.dim(` ${duration(report.durationMs)}`) : ''
    this.printHeading(report)
    if (this.listsBriefly) return this.printLine(`  ${describeChangeBriefly(report, this.paint)}${took}`)
    const [head = '', ...rows] = describeChange(report, this.paint, this.options.verbose)
    this.printLine([`  ${head}${took}`, ...rows.map((row) => `  ${row}`)].join('\n'))
    if (!isRemoval(report)) this.printDiff(report)
    for (const row of describeSources(report, this.paint)) this.printLine(`  ${row}`)
  }

  warn(message: string): void {
    this.printMessage(this.paint.yellow('warning:'), message)
  }

  note(message: string): void {
    if (!this.options.quiet) this.printMessage(this.paint.dim('note:'), message)
  }

  private printMessage(title: string, text: string): void {
    this.clearSpinner()
    // Indent further lines, so that the text of a host or a recipe cannot imitate a line of converge.
    this.printLine(`  ${title} ${plain(withoutMiddle(text)).replace(/\n(?! {4}|\n|$)/g, '\n    ')}`)
  }

  end(report: RunReport): void {
    this.clearSpinner()
    clearInterval(this.timer)
    // A recovery is a second run on the same terminal.
    this.timer = undefined
    const isSilent = this.options.quiet && ['unchanged', 'changed', 'planned'].includes(report.outcome)
    if (isSilent && !(this.listsBriefly && report.outcome === 'changed')) return
    this.printLine(summary(report, this.paint))
  }

  private get listsBriefly(): boolean {
    return this.options.quiet && this.options.journal && this.mode === 'run'
  }

  /** Names the role and the event before the first resource of both that is printed. */
  private printHeading({ role, event }: ResourceReport): void {
    const group = title(`${role}: ${event}`)
    if (!this.hasGroups || group === this.group) return
    this.group = group
    this.printLine(this.paint.bold(group))
  }

  private printFailure(report: ResourceReport): void {
    const { failure, name } = report
    this.printHeading(report)
    this.printLine(
      `  ${this.paint.red('!')} ${title(name)} ${this.paint.red(report.ignored ? 'failed (ignored)' : 'failed')}`,
    )
    if (failure) this.printLine(describeFailure(failure, this.paint))
  }

  private printDiff({ texts, diff }: ResourceReport): void {
    const lines = diff ?? (texts && this.diff ? this.diff(texts) : [])
    const rows = describeDiff(lines, this.options.verbose, this.paint)
    // In one write: a first run prints tens of thousands of lines.
    if (rows.length > 0) this.printLine(rows.map((row) => `  ${row}`).join('\n'))
  }

  private printLine(text: string): void {
    this.options.write(`${text}\n`)
  }

  private spin(): void {
    if (!this.current) return
    const elapsed = performance.now() - this.current.since
    if (elapsed < 300) return
    this.frame = (this.frame + 1) % frames.length
    const text = `  ${frames[this.frame]} ${title(this.current.name)} ${duration(elapsed)} ${this.current.line}`
    this.options.write(`\r\x1b[K${this.paint.dim(text.slice(0, this.options.width - 1))}`)
    this.isSpinnerShown = true
  }

  private clearSpinner(): void {
    if (this.isSpinnerShown) this.options.write('\r\x1b[K')
    this.isSpinnerShown = false
    this.current = undefined
  }
}
