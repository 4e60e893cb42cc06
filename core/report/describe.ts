/** Describes changes, failures and times for people, with colours; for one host and for several. */
import type { Operation } from 'fast-json-patch'
import picocolors from 'picocolors'
import type { ConvergeError } from '../model/errors.ts'
import { describeLocation, InvalidInput } from '../model/errors.ts'
import { excerpt } from '../model/excerpt.ts'
import type { FailureReport, ResourceReport, RunReport } from './events.ts'
import { plain } from './printable.ts'

export type Paint = ReturnType<typeof picocolors.createColors>

const longestDiff = 60

/** Describes on one line how a run or a dry run changes a resource. */
export function describeChange(report: ResourceReport, paint: Paint): string {
  const name = title(report.name)
  if (report.outcome === 'unknown') return `${paint.cyan('?')} ${name} ${paint.dim(title(report.reason ?? ''))}`
  const { symbol, words } = wordsOf(report)
  const colour = symbol === '+' ? paint.green : symbol === '-' ? paint.red : paint.yellow
  return `${colour(symbol)} ${name}${words === '' ? '' : ` ${paint.dim(plain(words).replaceAll('\n', ' '))}`}`
}

function wordsOf({ patch = [], words, texts, diff }: ResourceReport): { symbol: '+' | '~' | '-'; words: string } {
  const made = summarize(patch, Boolean(texts ?? diff))
  return { ...made, words: words ?? made.words }
}

/** Whether the change takes something away: its diff says nothing more. */
export function removes(report: ResourceReport): boolean {
  return wordsOf(report).symbol === '-'
}

/** @param all also what is longer than a person reads */
export function describeDiff(lines: readonly string[], all: boolean, paint: Paint): string[] {
  const shown = all ? lines : lines.slice(0, longestDiff)
  const rows = shown.map((line) => `    ${colourOf(line, paint)(plain(line).replaceAll('\n', ' '))}`)
  if (shown.length < lines.length)
    rows.push(paint.dim(`    … ${lines.length - shown.length} more lines (--verbose shows all)`))
  return rows
}

function colourOf(line: string, paint: Paint): (text: string) => string {
  if (line.startsWith('+')) return paint.green
  if (line.startsWith('-')) return paint.red
  return line.startsWith('@@') ? paint.cyan : paint.dim
}

/** Summarizes a patch in a few words: what was made or removed, or the values that change. */
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
    const value = typeof operation.value === 'string' ? operation.value : JSON.stringify(operation.value)
    const text = value.replace(/\b([0-9a-f]{8})[0-9a-f]{32,}\b/g, '$1')
    return `${name} ${text.length > 60 ? `${text.slice(0, 57)}...` : text}`
  })
  const shown = words.slice(0, 3).join(', ')
  return { symbol: '~', words: words.length > 3 ? `${shown}, …` : shown }
}

/** The last line of a run. */
export function summary(report: RunReport, paint: Paint): string {
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

/** Describes a failure: cause, place, end of the output, and what to do. The caller prints the resource on the line above. */
export function describeFailure(failure: FailureReport, paint: Paint): string {
  const problems = failure.problems?.map((one) => problemLines(one, paint).map((line) => `  ${line}`)) ?? []
  const [head = '', ...rest] = problemLines(failure, paint)
  return [head, ...problems.flat(), ...rest].join('\n')
}

function problemLines(failure: Omit<FailureReport, 'problems'>, paint: Paint): string[] {
  const where = failure.source ? ` (${plain(describeLocation(failure.source))})` : ''
  const lines = [`    ${indented(failure.message)}${where}`]
  for (const line of linesOf(excerpt(failure.output))) lines.push(paint.dim(`    | ${line}`))
  if (failure.hint) lines.push(`    ${paint.cyan('hint:')} ${indented(failure.hint)}`)
  return lines
}

/** Indents further lines, so that they differ from lines of converge. */
function indented(text: string): string {
  return plain(text).replaceAll('\n', '\n      ')
}

export function describeWarning(message: string, color: boolean): string {
  return `${picocolors.createColors(color).yellow('warning:')} ${plain(message)}`
}

/** An error outside a run: invalid input, a lock, a bug. */
export function describeError(error: ConvergeError, color: boolean): string {
  const paint = picocolors.createColors(color)
  const problems = error instanceof InvalidInput ? error.problems : [error]
  const heads = problems.map((problem) => {
    const where = problem.source ? `${plain(describeLocation(problem.source))}: ` : ''
    const lines = [`${paint.red('error:')} ${where}${plain(problem.message)}`]
    for (const line of linesOf(excerpt(problem.output))) lines.push(paint.dim(`  | ${line}`))
    if (problem.hint) lines.push(`  ${paint.cyan('hint:')} ${plain(problem.hint)}`)
    return lines.join('\n')
  })
  return heads.join('\n')
}

const longestTitle = 140

/** A name on one line; that of a command may be a whole script. */
export function title(text: string): string {
  const line = plain(text.replace(/\s*[\r\n]\s*/g, ' '))
  return line.length > longestTitle ? `${line.slice(0, longestTitle - 1)}…` : line
}

export function linesOf(output: string | undefined): string[] {
  return output?.split(/\r\n|\r|\n/).map(plain) ?? []
}

export function duration(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(ms < 1000 ? 2 : 1)} s`
  const seconds = Math.round(ms / 1000)
  return seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
