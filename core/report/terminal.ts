/** A run as a person reads it: one line a resource that matters, diffs, a spinner for what takes long, a summary. */
import type { createTwoFilesPatch as createPatch } from 'diff'
import type { Operation } from 'fast-json-patch'
import picocolors from 'picocolors'
import type { ConvergeError } from '../model/errors.ts'
import { describeLocation, InvalidInput } from '../model/errors.ts'
import type { FailureReport, Handlers, ResourceReport, RunReport, RunStart } from './events.ts'

export interface TerminalOptions {
  readonly write: (text: string) => void
  readonly color: boolean
  /** Whether lines can be written over: a spinner shows what is under way. */
  readonly live: boolean
  /** Columns. */
  readonly width: number
  readonly quiet: boolean
  readonly verbose: boolean
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const longestDiff = 60

export class Terminal implements Handlers {
  private readonly paint: ReturnType<typeof picocolors.createColors>
  private current: { name: string; line: string; since: number } | undefined
  private timer: NodeJS.Timeout | undefined
  private frame = 0
  private shown = false
  private mode: RunStart['mode'] = 'run'
  private diff: typeof createPatch | undefined

  readonly unchanged: boolean

  constructor(private readonly options: TerminalOptions) {
    this.unchanged = options.verbose
    this.paint = picocolors.createColors(options.color)
  }

  /** Loads what draws diffs; before the run, since handlers are synchronous. */
  async prepare(): Promise<this> {
    if (!this.options.quiet) this.diff = (await import('diff')).createTwoFilesPatch
    return this
  }

  start(run: RunStart): void {
    this.mode = run.mode
    if (this.options.verbose)
      this.line(
        this.paint.dim(
          `${run.roles.join(', ')}: ${run.events.join(', ')}, ${run.resources} resource${run.resources === 1 ? '' : 's'}`,
        ),
      )
  }

  applying(name: string): void {
    if (!this.options.live || this.options.quiet || this.mode === 'plan') return
    this.current = { name, line: '', since: performance.now() }
    this.timer ??= setInterval(() => this.spin(), 100)
    this.timer.unref()
  }

  progress(name: string, line: string): void {
    if (this.current) this.current.line = plain(line).trim()
    else if (this.options.verbose) this.line(this.paint.dim(`    ${title(name)}: ${plain(line)}`))
  }

  resource(report: ResourceReport): void {
    this.settle()
    const { outcome } = report
    const name = title(report.name)
    if (outcome === 'unchanged' || outcome === 'skipped') {
      if (this.options.verbose)
        this.line(
          this.paint.dim(
            `  ${outcome === 'skipped' ? '-' : '.'} ${name}${report.reason ? ` (skipped: ${title(report.reason)})` : ''}`,
          ),
        )
      return
    }
    if (outcome === 'failed') return this.failed(report)
    if (this.options.quiet) return
    if (outcome === 'unknown')
      return this.line(`  ${this.paint.cyan('?')} ${name} ${this.paint.dim(title(report.reason ?? ''))}`)
    const made = summarize(report.patch ?? [], report.texts !== null && report.texts !== undefined)
    const { symbol, words } = { ...made, words: report.words ?? made.words }
    const colour = symbol === '+' ? this.paint.green : symbol === '-' ? this.paint.red : this.paint.yellow
    const took = report.durationMs >= 1000 ? this.paint.dim(` ${duration(report.durationMs)}`) : ''
    this.line(`  ${colour(symbol)} ${name}${words === '' ? '' : ` ${this.paint.dim(plain(words))}`}${took}`)
    if (report.texts && symbol !== '-') this.text(report.texts)
  }

  warn(message: string): void {
    this.settle()
    this.line(`  ${this.paint.yellow('warning:')} ${plain(message)}`)
  }

  end(report: RunReport): void {
    this.settle()
    clearInterval(this.timer)
    if (this.options.quiet && ['unchanged', 'changed', 'planned'].includes(report.outcome)) return
    this.line(summary(report, this.paint))
  }

  private failed(report: ResourceReport): void {
    const { failure, name } = report
    this.line(
      `  ${this.paint.red('!')} ${title(name)} ${this.paint.red(report.ignored ? 'failed (ignored)' : 'failed')}`,
    )
    if (failure) this.line(describeFailure(failure, this.paint))
  }

  private text(texts: { before: string; after: string }): void {
    if (!this.diff) return
    const lines = texts.before === '' ? added(texts.after) : changed(this.diff, texts)
    const shown = this.options.verbose ? lines : lines.slice(0, longestDiff)
    const rows = shown.map((line) => `      ${this.colourOf(line)(plain(line))}`)
    if (shown.length < lines.length)
      rows.push(this.paint.dim(`      … ${lines.length - shown.length} more lines (--verbose shows all)`))
    // At once: a first run shows tens of thousands of lines.
    if (rows.length > 0) this.line(rows.join('\n'))
  }

  private colourOf(line: string): (text: string) => string {
    if (line.startsWith('+')) return this.paint.green
    if (line.startsWith('-')) return this.paint.red
    return line.startsWith('@@') ? this.paint.cyan : this.paint.dim
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

/** A new file is all additions; to find that out, a diff would take longer than to write the file. */
function added(text: string): string[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line) => `+${line}`)
}

function changed(diff: typeof createPatch, { before, after }: { before: string; after: string }): string[] {
  return diff('before', 'after', before, after, undefined, undefined, { context: 2 })
    .split('\n')
    .slice(4)
    .filter((line) => line !== '' && !line.startsWith('\\'))
}

/** What a patch amounts to in a few words: what was made or removed, or the values that change. */
function summarize(patch: readonly Operation[], hasText: boolean): { symbol: '+' | '~' | '-'; words: string } {
  const kind = patch.find(({ path }) => path === '/kind')
  const value = kind && 'value' in kind ? kind.value : undefined
  if (value === 'absent') return { symbol: '-', words: 'removed' }
  // A digest of what made it act says nothing to a person.
  const rest = patch.filter(({ path }) => path !== '/cause' && !(hasText && path === '/content'))
  if (kind) return { symbol: '+', words: '' }
  const words = rest.map((operation) => {
    const name = operation.path.slice(1).replaceAll('/', '.')
    if (!('value' in operation)) return `${name} removed`
    const plain = typeof operation.value === 'string' ? operation.value : JSON.stringify(operation.value)
    const text = plain.replace(/\b([0-9a-f]{8})[0-9a-f]{32,}\b/g, '$1')
    return `${name} ${text.length > 60 ? `${text.slice(0, 57)}...` : text}`
  })
  const shown = words.slice(0, 3).join(', ')
  return { symbol: '~', words: words.length > 3 ? `${shown}, …` : shown }
}

function summary(report: RunReport, paint: ReturnType<typeof picocolors.createColors>): string {
  const { counts, outcome } = report
  const time = `in ${duration(report.durationMs)}`
  if (outcome === 'unchanged' && counts.failed === 0)
    return `${paint.green('nothing to do')}: ${counts.unchanged} unchanged ${time}`
  const parts = [
    [counts.changed, 'changed'],
    [counts.planned, 'would change'],
    [counts.unknown, 'known only in the run'],
    [counts.failed, 'failed'],
    [counts.unchanged, 'unchanged'],
    [counts.skipped, 'skipped'],
    [counts.notReached, 'not reached'],
  ] as const
  const text = `${parts.flatMap(([count, word]) => (count > 0 ? [`${count} ${word}`] : [])).join(', ')} ${time}`
  if (outcome === 'failed') return paint.red(text)
  if (outcome === 'interrupted') return paint.yellow(`interrupted: ${text}; run it again to finish`)
  return text
}

function describeFailure(failure: FailureReport, paint: ReturnType<typeof picocolors.createColors>): string {
  const where = failure.source ? ` (${describeLocation(failure.source)})` : ''
  const lines = [`    ${plain(failure.message)}${where}`]
  for (const line of linesOf(failure.output)) lines.push(paint.dim(`    | ${line}`))
  if (failure.hint) lines.push(`    ${paint.cyan('hint:')} ${plain(failure.hint)}`)
  return lines.join('\n')
}

/** An error outside a run: invalid input, a lock, a bug. */
export function describeError(error: ConvergeError, color: boolean): string {
  const paint = picocolors.createColors(color)
  const problems = error instanceof InvalidInput ? error.problems : [error]
  const heads = problems.map((problem) => {
    const where = problem.source ? `${plain(describeLocation(problem.source))}: ` : ''
    const lines = [`${paint.red('error:')} ${where}${plain(problem.message)}`]
    for (const line of linesOf(problem.output)) lines.push(paint.dim(`  | ${line}`))
    if (problem.hint) lines.push(`  ${paint.cyan('hint:')} ${plain(problem.hint)}`)
    return lines.join('\n')
  })
  return heads.join('\n')
}

const longestTitle = 140

/** A name on one line; that of a command may be a whole script. */
function title(text: string): string {
  const line = plain(text.replace(/\s*[\r\n]\s*/g, ' '))
  return line.length > longestTitle ? `${line.slice(0, longestTitle - 1)}…` : line
}

function linesOf(output: string | undefined): string[] {
  return output?.split(/\r\n|\r|\n/).map(plain) ?? []
}

/** Text of others as it may be shown: their colours are left out, and what else would steer the terminal is spelt out. */
function plain(text: string): string {
  return text
    .replace(/\x1b\[[0-9;:?]*[ -/]*[@-~]/g, '')
    .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, (sign) => `\\x${sign.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

export function duration(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(ms < 1000 ? 2 : 1)} s`
  const seconds = Math.round(ms / 1000)
  return seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
