/** Presents recorded deployments: the list, a single one, and the log of a host. */
import { describeFailure, duration, type Paint } from '../../report/describe.ts'
import { isFailure, replay } from '../../report/replay.ts'
import { Terminal } from '../../report/terminal.ts'
import { shortId } from '../records/deployment_number.ts'
import type { RolloutReport } from '../types.ts'
import { ago, columns } from './columns.ts'
import { validFailure } from './failures.ts'
import { describeNames } from './host_name_list.ts'
import { describeAction, describeStrategy } from './host_states.ts'
import { summary } from './summary.ts'
import { many, oneLine, shortCommit } from './text.ts'

/** A report from the records. */
export type Recorded = Omit<RolloutReport, 'id' | 'outcome'> & {
  readonly id: string
  readonly outcome: RolloutReport['outcome'] | 'died' | 'under way' | 'not readable'
}

const unsuccessfulOutcomes: ReadonlySet<Recorded['outcome']> = new Set([
  'failed',
  'interrupted',
  'died',
  'not readable',
])

/** Columns that are left out in this order if the width is too small. */
const optionalColumns = ['COMMITS', 'WHO', 'COMMENT', 'HOSTS']

/** @param width columns; infinite in a pipe, where nothing is shortened */
export function deploymentsTable(list: readonly Recorded[], width: number, paint: Paint): string[] {
  if (list.length === 0) return ['no deployments yet']
  const heads = ['ID', 'WHEN', 'WHO', 'ACTION', 'COMMITS', 'OUTCOME', 'HOSTS', 'COMMENT']
  const rows = list.map((one) => [
    { text: shortId(one.id) },
    { text: minute(one.started) },
    { text: oneLine(one.by) },
    { text: one.outcome === 'not readable' ? '' : describeAction(one) },
    { text: commitsOf(one) },
    {
      text: oneLine(one.outcome),
      colour: unsuccessfulOutcomes.has(one.outcome) ? paint.red : one.outcome === 'changed' ? paint.green : String,
    },
    { text: hostsOf(one) },
    { text: oneLine(one.comment) },
  ])
  return columns([heads.map((text) => ({ text, colour: paint.dim })), ...rows], width, optionalColumns)
}

/** Formats a time in UTC, as in the logs of the hosts, and without seconds. */
function minute(time: string): string {
  return oneLine(time.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d).*Z$/, '$1 $2Z'))
}

/** Lists the commits of a deployment; those of a rollback are in the changes of its hosts. */
function commitsOf({ commits, hosts }: Recorded): string {
  const chosen = Object.entries(commits)
  const changed = hosts.flatMap(({ moves = [] }) => moves.map(({ app, to }) => [app, to.commit] as const))
  const pairs = chosen.length > 0 ? chosen : changed
  const texts = pairs.flatMap(([app, commit]) => (commit === null ? [] : `${app} ${shortCommit(commit)}`))
  return oneLine([...new Set(texts)].join(', '))
}

/** Decides whether a host is still running: it is recorded as lost until its run ends. */
function isRunning({ outcome, failure }: Recorded['hosts'][number], rolloutOutcome: Recorded['outcome']): boolean {
  return rolloutOutcome === 'under way' && outcome === 'lost' && failure === undefined
}

function hostsOf({ hosts, outcome }: Recorded): string {
  if (outcome === 'not readable') return ''
  const working = hosts.filter((host) => isRunning(host, outcome)).length
  const ok = hosts.filter((host) => ['unchanged', 'changed', 'planned'].includes(host.outcome)).length
  const count = (expected: string) => hosts.filter((host) => host.outcome === expected).length
  const [failed, lost] = [count('failed'), count('lost') - working]
  const rest = hosts.length - ok - failed - lost - working
  const isUnhealthy = outcome === 'failed' && failed + lost === 0
  const parts = [
    [ok, isUnhealthy ? 'done' : 'ok'],
    [failed, 'failed'],
    [lost, 'lost'],
    [working, 'at work'],
    [rest, 'not done'],
  ] as const
  const texts = parts.flatMap(([count, word]) => (count > 0 ? `${count} ${word}` : []))
  return [...texts, ...(isUnhealthy ? ['health check failed'] : [])].join(', ') || many(0, 'host')
}

export interface DeploymentOptions {
  readonly now: Date
  readonly verbose: boolean
  readonly paint: Paint
  /** Options by which another command selects the same stack, after a blank. */
  readonly stackOptions: string
}

/** Describes one deployment: who, when and why, then its summary. */
export function describeDeployment(one: Recorded, { now, verbose, paint, stackOptions }: DeploymentOptions): string[] {
  const { id, action, stack, by, started, comment, strategy, outcome } = one
  if (outcome === 'not readable')
    return [paint.red(`the record of deployment ${shortId(id)} is damaged, or of a later version: it cannot be read`)]
  const when = [minute(started), ago(started, now)].filter((part) => part !== '').join(', ')
  const warnings = one.warnings.map((warning) => splitHostName(warning, one.hosts))
  const head = [
    paint.bold(
      oneLine(`deployment ${shortId(id)}: ${describeAction(one)} of ${stack}${describeStrategy(action, strategy)}`),
    ),
    `${paint.dim('by')} ${oneLine(by)}  ${paint.dim('at')} ${when}`,
    ...(comment === '' ? [] : [`${paint.dim('comment')} ${oneLine(comment)}`]),
    ...warnings.flatMap(({ host, message }) =>
      host === null ? `${paint.yellow('warning:')} ${oneLine(message)}` : [],
    ),
  ]
  const hostWarnings = [
    ...warnings.flatMap(({ host, message }) => (host === null ? [] : { host, message })),
    ...(one.hostWarnings ?? []).flatMap(({ message, hosts }) => hosts.map((host) => ({ host, message }))),
  ]
  const summaryOptions = { paint, verbose, quiet: false, addresses: {}, warnings: hostWarnings, stackOptions }
  const hosts = one.hosts.map((host) => ({ ...host, failure: validFailure(host.failure) }))
  if (outcome !== 'died' && outcome !== 'under way')
    return [...head, ...summary({ ...one, outcome, hosts }, summaryOptions)]
  const working = hosts.filter((host) => isRunning(host, outcome))
  const ended = hosts.filter((host) => !working.includes(host))
  const shown = summary({ ...one, outcome: 'interrupted', hosts: ended }, { ...summaryOptions, verbose: true })
  const names = describeNames(working.map(({ host }) => host))
  return [
    ...head,
    outcome === 'died'
      ? paint.red('died: its operator was killed before the end; below is what the hosts had reported by then')
      : paint.yellow('under way: below is what the hosts have reported so far'),
    ...shown.slice(0, -1),
    ...(names === '' ? [] : [`${paint.dim('at work:')} ${names}`]),
  ]
}

/** Splits the name of the host from a warning; in the report, a warning of a host begins with its name. */
function splitHostName(warning: string, hosts: Recorded['hosts']): { host: string | null; message: string } {
  const host = hosts.find((one) => warning.startsWith(`${one.host}: `))?.host ?? null
  return { host, message: host === null ? warning : warning.slice(host.length + 2) }
}

export interface LogOptions {
  readonly paint: Paint
  readonly color: boolean
  readonly verbose: boolean
}

/** Formats the log of a host, as its runs would be displayed on its own terminal. */
export async function describeLog(lines: readonly unknown[], options: LogOptions): Promise<string> {
  let text = ''
  const write = (more: string) => {
    text += more
  }
  const terminal = await new Terminal({
    write,
    color: options.color,
    verbose: options.verbose,
    live: false,
    width: 100,
    quiet: false,
    journal: false,
  }).prepare()
  const entries = new EntriesAroundRuns(options)
  for (const line of lines) {
    if (isObject(line) && line.event === 'resource' && line.outcome === 'failed') entries.hasReportedFailure = true
    if (!replay(line, terminal) && isObject(line)) write(entries.describe(line))
  }
  return text
}

/** Formats log entries around the runs: phases, connections, and output that is no event. */
class EntriesAroundRuns {
  /** Whether the failure of this phase has been displayed with its resource. */
  hasReportedFailure = false

  constructor(private readonly options: LogOptions) {}

  describe(line: Readonly<Record<string, unknown>>): string {
    const { paint, verbose } = this.options
    const { event, phase, outcome, durationMs, state, detail, text, reason, time } = line
    switch (event) {
      case 'host':
        this.hasReportedFailure = false
        return `${paint.bold(textOf(phase))} ${paint.dim(textOf(time))}\n`
      case 'done': {
        const took = typeof durationMs === 'number' ? ` in ${duration(durationMs)}` : ''
        const why = textOf(reason) === '' ? '' : `: ${textOf(reason)}`
        return `${paint.bold(textOf(phase))}: ${textOf(outcome)}${took}${why}\n${this.failure(line.failure)}`
      }
      case 'connection':
        return paint.yellow(`  connection ${textOf(state)}${textOf(detail) === '' ? '' : ` (${textOf(detail)})`}\n`)
      case 'output':
        return paint.dim(`  | ${textOf(text)}\n`)
      case 'error':
        return this.failure(line)
      default:
        return verbose ? paint.dim(`  ${oneLine(JSON.stringify(line))}\n`) : ''
    }
  }

  private failure(failure: unknown): string {
    if (!isFailure(failure) || this.hasReportedFailure) return ''
    this.hasReportedFailure = true
    return `${describeFailure(failure, this.options.paint)}\n`
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? oneLine(value) : ''
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
