/** Describes changes, failures and times for people, with colours; for one host and for several. */
import { stripVTControlCharacters } from 'node:util'
import picocolors from 'picocolors'
import { type CommitRange, maxListedCommits } from '../model/commit_range.ts'
import type { ConvergeError } from '../model/errors.ts'
import { describeLocation, InvalidInput } from '../model/errors.ts'
import { excerpt } from '../model/excerpt.ts'
import { optionsOf } from '../model/selection.ts'
import { shortenMiddle } from '../model/shorten.ts'
import { type ChangedProperty, changedProperties, kindOfChange } from './change_rows.ts'
import type { FailureReport, ResourceReport, RunReport } from './events.ts'
import { oneLine, plain, printableJson } from './printable.ts'

export type Paint = ReturnType<typeof picocolors.createColors>

const maxDiffLines = 60

/** Columns of a line with the name and the only property of a resource. */
const maxLineWidth = 100
/** Columns to which names of properties are padded; longer names are not aligned. */
const maxNameWidth = 24
const maxRows = 12

/**
 * Describes how a run or a dry run changes a resource: a line, and a row for each property where there are several.
 * @param isComplete whether to describe even parts that are longer than a person reads; default: false
 */
export function describeChange(report: ResourceReport, paint: Paint, isComplete = false): string[] {
  const head = describeChangeBriefly(report, paint)
  if (report.outcome === 'unknown') return [head]
  const shown = shownWords(report)
  const properties = changedProperties(report, isComplete)
  if (kindOfChange(report.patch ?? []) === 'create') {
    const values = properties.map(({ name, after }) => `${name} ${after}`)
    const text = values.length === 0 ? '' : ` ${paint.dim(isComplete ? values.join(', ') : title(values.join(', ')))}`
    return [`${head}${text}`]
  }
  if (report.commits !== undefined) return [head, ...commitRows(report.commits, paint)]
  return withRows(head, properties, { isComplete, isAlone: shown.length === 0, paint })
}

/** Describes a change in one line, without the values of properties. */
export function describeChangeBriefly(report: ResourceReport, paint: Paint): string {
  const name = title(report.name)
  if (report.outcome === 'unknown') return `${paint.cyan('?')} ${name} ${paint.dim(title(report.reason ?? ''))}`
  const kind = kindOfChange(report.patch ?? [])
  const sign = { create: paint.green('+'), change: paint.yellow('~'), remove: paint.red('-') }[kind]
  return [`${sign} ${name}`, ...shownWords(report).map((text) => paint.dim(text))].join(' ')
}

function shownWords(report: ResourceReport): string[] {
  const words = report.words ?? (isRemoval(report) ? 'removed' : '')
  return [plain(words).replaceAll('\n', ' '), describeComparison(report)].filter((text) => text !== '')
}

function withRows(
  head: string,
  properties: readonly ChangedProperty[],
  { isComplete, isAlone, paint }: { isComplete: boolean; isAlone: boolean; paint: Paint },
): string[] {
  const [only, ...others] = properties
  if (only === undefined) return [head]
  if (isAlone && others.length === 0) {
    const line = `${head} ${row(only, only.name.length, paint)}`
    if (stripVTControlCharacters(line).length <= maxLineWidth) return [line]
  }
  const shown = isComplete ? properties : properties.slice(0, maxRows)
  const width = Math.min(maxNameWidth, Math.max(...shown.map(({ name }) => name.length)))
  const hidden = properties.length - shown.length
  const more = hidden > 0 ? [paint.dim(`    … ${hidden} more properties (--verbose shows all)`)] : []
  return [head, ...shown.map((property) => `    ${row(property, width, paint)}`), ...more]
}

function row({ name, before, after }: ChangedProperty, width: number, paint: Paint): string {
  const label = paint.dim(`${name}:`.padEnd(width + 1))
  if (before === null) return `${label} ${paint.green(after)}`
  // A masked value looks the same before and after.
  if (before === after) return `${label} ${after} ${paint.dim('(differs)')}`
  return `${label} ${paint.red(before)} ${paint.dim('->')} ${paint.green(after)}`
}

/** Describes where the values of a change come from; none without `--explain`. */
export function describeSources({ sources, declaredAt }: ResourceReport, paint: Paint): string[] {
  if (sources === undefined) return []
  const rows = sources.map(({ property, attribute, value, from }) => {
    const valueText = value === undefined ? '' : ` = ${shortLine(printableJson(value), 60)}`
    const name = property === null ? '' : `${plain(property)} `
    return `    ${paint.cyan(`${name}from`)} ${oneLine(attribute)}${valueText} ${paint.dim(`(${oneLine(from)})`)}`
  })
  const declaration =
    declaredAt === undefined ? [] : [`    ${paint.cyan('declared at')} ${plain(describeLocation(declaredAt))}`]
  return [...rows, ...declaration]
}

/** Characters of a subject. */
const longestSubject = 72

function commitRows({ from, to, added, removed, newest }: CommitRange, paint: Paint): string[] {
  const commits = (count: number) => `${count} ${count === 1 ? 'commit' : 'commits'}`
  const counts = [
    ...(added > 0 ? [`${added} new ${added === 1 ? 'commit' : 'commits'}`] : []),
    ...(removed > 0 ? [`without ${commits(removed)} of the current release`] : []),
  ]
  const shown = newest.slice(0, maxListedCommits)
  const hidden = (added > 0 ? added : removed) - shown.length
  return [
    `    from ${short(from)} to ${short(to)}: ${counts.join(', ')}`,
    ...shown.map(
      ({ commit, author, subject }) =>
        `      ${paint.yellow(short(commit))} ${shortLine(subject, longestSubject)} ${paint.dim(`(${shortLine(author, 40)})`)}`,
    ),
    ...(hidden > 0 ? [paint.dim(`      and ${hidden} more`)] : []),
  ]
}

function short(commit: string): string {
  return oneLine(commit.slice(0, 8))
}

function shortLine(text: string, length: number): string {
  const line = oneLine(text)
  return line.length > length ? `${line.slice(0, length - 1)}…` : line
}

function describeComparison({ comparedWith }: ResourceReport): string {
  if (comparedWith === undefined) return ''
  return `(${comparedWith.isSame ? 'same content as' : 'compared with'} ${title(comparedWith.path)})`
}

/** Decides whether the change only removes something: a diff would add no information. */
export function isRemoval({ patch = [] }: ResourceReport): boolean {
  return kindOfChange(patch) === 'remove'
}

/** @param isComplete whether to describe even lines beyond the number that a person reads */
export function describeDiff(lines: readonly string[], isComplete: boolean, paint: Paint): string[] {
  const shown = isComplete ? lines : lines.slice(0, maxDiffLines)
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

/** Formats the last line of a run. */
export function summary(report: RunReport, paint: Paint): string {
  const { counts, outcome } = report
  const time = `in ${duration(report.durationMs)}`
  if (outcome === 'unchanged' && counts.failed === 0)
    return `${paint.green('nothing to do')}: ${[`${counts.unchanged} unchanged`, ...leftOutText(report)].join(', ')} ${time}`
  const parts = [
    [counts.changed, 'changed'],
    [counts.planned, 'would change'],
    [counts.unknown, 'known only in the run'],
    [counts.failed, 'failed'],
    [counts.unchanged, 'unchanged'],
    [counts.skipped, 'skipped'],
    [counts.notReached, 'not reached'],
  ] as const
  const counted = parts.flatMap(([count, word]) => (count > 0 ? [`${count} ${word}`] : []))
  const text = `${[...counted, ...leftOutText(report)].join(', ')} ${time}`
  if (outcome === 'failed') return paint.red(text)
  if (outcome === 'interrupted') return paint.yellow(`interrupted: ${text}; run it again to finish`)
  return text
}

function leftOutText({ leftOut, selection }: RunReport): string[] {
  if (leftOut === undefined || selection === undefined) return []
  return [`${leftOut} resource${leftOut === 1 ? '' : 's'} left out by ${optionsOf(selection)}`]
}

/** Describes a failure: cause, position, end of the output, and what to do. The caller prints the resource on the line above. */
export function describeFailure(failure: FailureReport, paint: Paint): string {
  const problems = failure.problems?.map((problem) => problemLines(problem, paint).map((line) => `  ${line}`)) ?? []
  const [head = '', ...rest] = problemLines(failure, paint)
  return [head, ...problems.flat(), ...rest].join('\n')
}

function problemLines(failure: Omit<FailureReport, 'problems'>, paint: Paint): string[] {
  const where = failure.source ? ` (${plain(describeLocation(failure.source))})` : ''
  const lines = [`    ${indent(withoutMiddle(failure.message))}${where}`]
  for (const line of linesOf(excerpt(failure.output))) lines.push(paint.dim(`    | ${line}`))
  if (failure.hint) lines.push(`    ${paint.cyan('hint:')} ${indent(withoutMiddle(failure.hint))}`)
  return lines
}

/** Indents further lines, so that they differ from lines of converge. */
function indent(text: string): string {
  return plain(text).replaceAll('\n', '\n      ')
}

export function describeWarning(message: string, color: boolean): string {
  return `${picocolors.createColors(color).yellow('warning:')} ${plain(withoutMiddle(message))}`
}

/** Characters of a message; a key or a value of the user's file in it may be far longer. */
const longestMessage = 6000

/** Leaves out the middle of a very long message. */
export function withoutMiddle(message: string): string {
  const { length } = message
  if (length <= longestMessage) return message
  const half = longestMessage / 2
  return shortenMiddle(message.slice(0, half), message.slice(-half), length - longestMessage)
}

/** Describes an error outside a run: invalid input, a lock, a bug. */
export function describeError(error: ConvergeError, color: boolean): string {
  const paint = picocolors.createColors(color)
  const problems = error instanceof InvalidInput ? error.problems : [error]
  const heads = problems.map((problem) => {
    const where = problem.source ? `${title(describeLocation(problem.source))}: ` : ''
    const lines = [`${paint.red('error:')} ${where}${plain(withoutMiddle(problem.message))}`]
    for (const line of linesOf(excerpt(problem.output))) lines.push(paint.dim(`  | ${line}`))
    if (problem.hint) lines.push(`  ${paint.cyan('hint:')} ${plain(withoutMiddle(problem.hint))}`)
    return lines.join('\n')
  })
  return heads.join('\n')
}

const longestTitle = 140

/** Formats a name on one line, and shortens it: the name of a command may be a whole script. */
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
