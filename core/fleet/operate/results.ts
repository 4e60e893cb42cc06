/** Presents the output of a command on many hosts: hosts with the same result are displayed once. */
import { constants } from 'node:os'
import type { FailureReport } from '../../report/events.ts'
import { plain } from '../../report/printable.ts'
import { describeNames } from '../screen/host_name_list.ts'
import { many, oneLine } from '../screen/text.ts'

export interface CommandResult {
  readonly host: string
  /** Exit status; null where the command did not run to its end. */
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
  /** Whether only the beginning of the output was kept. */
  readonly truncated: boolean
  readonly failure: FailureReport | null
  readonly durationMs: number
}

export function hasSucceeded({ status, failure }: Pick<CommandResult, 'status' | 'failure'>): boolean {
  return status === 0 && failure === null
}

/** How to compare times in outputs. `similar`: they may differ by a minute, because hosts answer one after the other. */
export type TimeComparison = 'exact' | 'similar'

/** Groups hosts with the same result; successful groups come first, in the order of their first hosts. */
export function groupResults(
  results: readonly CommandResult[],
  timeComparison: TimeComparison = 'exact',
): CommandResult[][] {
  const all: CommandResult[][] = []
  const groups = new Map<string, CommandResult[][]>()
  for (const result of results) {
    const key = keyOf(result, timeComparison)
    const candidates = groups.get(key) ?? []
    groups.set(key, candidates)
    const group = candidates.find(
      ([first]) => first !== undefined && (timeComparison === 'exact' || hasSimilarTimes(first, result)),
    )
    if (group) group.push(result)
    else {
      const newGroup = [result]
      candidates.push(newGroup)
      all.push(newGroup)
    }
  }
  const succeeded = (group: readonly CommandResult[]) => group.every(hasSucceeded)
  return [...all.filter(succeeded), ...all.filter((group) => !succeeded(group))]
}

const timestamps = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g
const similarMs = 60_000

function keyOf({ host, status, stdout, stderr, failure }: CommandResult, timeComparison: TimeComparison): string {
  const texts = [stdout, stderr].map((text) => (timeComparison === 'exact' ? text : text.replace(timestamps, '<time>')))
  return JSON.stringify([status, ...texts, failure?.message.replaceAll(host, '<host>')])
}

function hasSimilarTimes(one: CommandResult, other: CommandResult): boolean {
  const times = ({ stdout, stderr }: CommandResult) =>
    `${stdout}\n${stderr}`.match(timestamps)?.map((text) => Date.parse(text)) ?? []
  const others = times(other)
  return times(one).every((time, index) => Math.abs(time - (others[index] ?? Number.NaN)) <= similarMs)
}

export interface Paint {
  bold(text: string): string
  red(text: string): string
  dim(text: string): string
}

export function describeGroup(group: readonly CommandResult[], paint: Paint): string {
  const [first] = group
  if (first === undefined) return ''
  const names = describeNames(group.map(({ host }) => host))
  const hosts = group.length > 1 ? `${names} (${many(group.length, 'host')})` : names
  const output = [first.stdout, first.stderr].map(plain).filter((text) => text !== '')
  const lines = output.flatMap((text) => text.replace(/\n$/, '').split('\n')).map((line) => `  ${line}`)
  const cut = first.truncated ? [paint.dim('  … output truncated')] : []
  return [...head(first, hosts, lines.length > 0, paint), ...lines, ...cut]
    .map((line) => `${line.trimEnd()}\n`)
    .join('')
}

function head({ status, failure }: CommandResult, hosts: string, hasOutput: boolean, paint: Paint): string[] {
  if (failure !== null) {
    const hint = failure.hint === undefined ? [] : [`  hint: ${oneLine(failure.hint)}`]
    return [paint.red(`! ${hosts}: ${oneLine(failure.message)}`), ...hint]
  }
  if (status !== null && status !== 0) return [paint.red(`! ${hosts}: ${describeStatus(status)}`)]
  return [paint.bold(hasOutput ? hosts : `${hosts}: no output`)]
}

/** A shell reports a signal as 128 and its number. */
function describeStatus(status: number): string {
  const signal = Object.entries(constants.signals).find(([, number]) => status === 128 + number)?.[0]
  return signal === undefined ? `exit status ${status}` : `ended by ${signal} (exit status ${status})`
}

export function summarize(results: readonly CommandResult[]): string {
  const failed = results.filter((result) => !hasSucceeded(result)).map(({ host }) => host)
  const total = many(results.length, 'host')
  if (failed.length === 0) return `${total}: all succeeded`
  return `${total}: ${results.length - failed.length} succeeded, ${failed.length} failed: ${describeNames(failed)}`
}
