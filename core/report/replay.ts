/** Passes the JSON lines of a run to the handlers of its events again, after checks: another host may have written them. */
import type { SourceLocation } from '../model/errors.ts'
import { omitUndefined } from '../model/omit_undefined.ts'
import type { FailureReport, Handlers, ResourceReport, RunReport, RunStart } from './events.ts'

/**
 * Passes one line of a journal to the handlers that received it during the run.
 * @returns false for a line that is not an event of a run, or that lacks fields of its event
 */
export function replay(line: unknown, handlers: Handlers): boolean {
  if (!isObject(line)) return false
  const { event, ...value } = line
  switch (event) {
    case 'start':
      return isStart(value) && wasPassedOn(handlers.start?.(value))
    case 'applying':
      return typeof value.name === 'string' && wasPassedOn(handlers.applying?.(value.name))
    case 'progress':
      return (
        typeof value.name === 'string' &&
        typeof value.line === 'string' &&
        wasPassedOn(handlers.progress?.(value.name, value.line))
      )
    case 'resource': {
      const { roleEvent, ...rest } = value
      const report = { ...rest, event: roleEvent }
      return isResourceReport(report) && wasPassedOn(handlers.resource?.(report))
    }
    case 'warning':
      return typeof value.message === 'string' && wasPassedOn(handlers.warn?.(value.message))
    case 'note':
      return typeof value.message === 'string' && wasPassedOn(handlers.note?.(value.message))
    case 'end':
      return isRunReport(value.report) && wasPassedOn(handlers.end?.(value.report))
    default:
      return false
  }
}

const runOutcomes = ['unchanged', 'changed', 'planned', 'failed', 'interrupted']
const countNames = ['changed', 'planned', 'unknown', 'unchanged', 'skipped', 'failed', 'notReached']

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

/** Checks the fields that the screen reads: a host may send anything. */
export function isRunReport(value: unknown): value is RunReport {
  return (
    isObject(value) &&
    runOutcomes.includes(String(value.outcome)) &&
    typeof value.durationMs === 'number' &&
    isObject(value.counts) &&
    Object.values(value.counts).every((count) => typeof count === 'number') &&
    countNames.every((name) => isCount((value.counts as Record<string, unknown>)[name])) &&
    Array.isArray(value.resources) &&
    value.resources.every(isResourceReport) &&
    isTexts(value.warnings)
  )
}

function isResourceReport(value: unknown): value is ResourceReport {
  return (
    isObject(value) &&
    typeof value.name === 'string' &&
    typeof value.outcome === 'string' &&
    typeof value.durationMs === 'number' &&
    (value.patch === undefined || (Array.isArray(value.patch) && value.patch.every(isOperation))) &&
    isOptional(value.words) &&
    isOptional(value.reason) &&
    (value.comparedWith === undefined || isComparison(value.comparedWith)) &&
    (value.diff === undefined || isTexts(value.diff)) &&
    (value.commits === undefined || isCommitRange(value.commits)) &&
    (value.failure === undefined || isFailure(value.failure))
  )
}

function isCommitRange(value: unknown): boolean {
  return (
    isObject(value) &&
    [value.from, value.to].every((commit) => typeof commit === 'string') &&
    isCount(value.added) &&
    isCount(value.removed) &&
    Array.isArray(value.newest) &&
    value.newest.every(
      (one) => isObject(one) && [one.commit, one.author, one.subject].every((text) => typeof text === 'string'),
    )
  )
}

function isComparison(value: unknown): boolean {
  return isObject(value) && typeof value.path === 'string' && typeof value.isSame === 'boolean'
}

export function isFailure(value: unknown): value is FailureReport {
  // Check one level only: the depth depends on the writer of the file.
  const problems = isProblem(value) ? (value as FailureReport).problems : null
  return problems === undefined || (Array.isArray(problems) && problems.every(isProblem))
}

/** Characters of each text in a failure that a rollout stores: a host decides how many it sends. */
const maxTextLength = 16_384
/** Problems in a failure that a rollout stores. */
const maxProblems = 100

/** Shortens the texts of a failure, because the report of a rollout has the failures of many hosts. */
export function shortFailure(failure: FailureReport): FailureReport {
  const { problems } = failure
  return {
    ...shortProblem(failure),
    ...omitUndefined({ problems: problems?.slice(0, maxProblems).map(shortProblem) }),
  }
}

function shortProblem({ code, message, attempted, resource, source, hint, output, recovery }: FailureReport) {
  const short = (text: string) => (text.length > maxTextLength ? `${text.slice(0, maxTextLength)}…` : text)
  const texts = { attempted, resource, hint, recovery }
  const shortTexts = Object.entries(texts).flatMap(([key, text]) =>
    text === undefined ? [] : [[key, short(text)] as const],
  )
  return {
    code: short(code),
    message: short(message),
    ...Object.fromEntries(shortTexts),
    ...omitUndefined({
      source: source && shortSource(source, short),
      // The end of an output shows what failed.
      output: output?.slice(-maxTextLength),
    }),
  }
}

function isProblem(value: unknown): value is Omit<FailureReport, 'problems'> {
  return (
    isObject(value) &&
    typeof value.code === 'string' &&
    typeof value.message === 'string' &&
    [value.attempted, value.resource, value.hint, value.output, value.recovery].every(isOptional) &&
    (value.source === undefined || isSource(value.source))
  )
}

function isSource(value: unknown): value is SourceLocation {
  return (
    isObject(value) &&
    typeof value.file === 'string' &&
    [value.line, value.column].every((one) => one === undefined || typeof one === 'number')
  )
}

function shortSource({ file, line, column }: SourceLocation, short: (text: string) => string): SourceLocation {
  return { file: short(file), line, column }
}

function isStart(value: Record<string, unknown>): value is Record<string, unknown> & RunStart {
  return (
    (value.mode === 'run' || value.mode === 'plan') &&
    isTexts(value.roles) &&
    isTexts(value.events) &&
    typeof value.resources === 'number'
  )
}

function isOperation(value: unknown): boolean {
  return isObject(value) && typeof value.path === 'string'
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

function isOptional(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string'
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Returns true for any result: the event was valid, and its handler, if there is one, was called. */
function wasPassedOn(_: unknown): true {
  return true
}
