/** Formats the table of `converge stack status` from the output of `converge status --json-output` on each host. */
import type * as z from 'zod'
import { closedText, hasFailedJob, isUp, pinText } from '../../model/app_status.ts'
import { restartTexts } from '../../model/pending_restarts.ts'
import type { Paint } from '../../report/describe.ts'
import type { FailureReport } from '../../report/events.ts'
import { shortId } from '../records/deployment_number.ts'
import type { LastKnownState } from '../types.ts'
import { ago, type Cell, columns } from './columns.ts'
import { groupSimilar, withoutTimes } from './group_similar.ts'
import { describeNames } from './host_name_list.ts'
import { hostStatusSchema } from './host_status.ts'
import { many, oneLine, shortCommit } from './text.ts'

type ParsedStatus = z.infer<typeof hostStatusSchema>

export interface HostStatus {
  readonly host: string
  /** The output of the host; ignored where it failed. */
  readonly status: unknown
  readonly behind?: string | undefined
  readonly failure?: FailureReport | undefined
  /** Whether it accepted the login before it failed. */
  readonly isReached?: boolean | undefined
  readonly lastKnown?: LastKnownState | undefined
}

type ParsedHost = HostStatus & { readonly parsed: ParsedStatus | null }

/** Characters of why a service is not ready: the host decides what it sends. */
const maxReasonLength = 200

const heads = ['HOST', 'ROLES', 'APP', 'RELEASE', 'COMMIT', 'SERVICES', 'LAST RUN']
const spare = ['ROLES', 'RELEASE', 'LAST RUN', 'COMMIT']

/**
 * Formats a row for each host and app, then notes: the same note of many hosts is printed once, with their names.
 * @param width columns; infinite in a pipe, where nothing is shortened
 */
export function statusTable(hosts: readonly HostStatus[], width: number, now: Date, paint: Paint): string[] {
  const parsedHosts = hosts.map((status) => ({ ...status, parsed: status.failure ? null : parse(status.status) }))
  const rows = parsedHosts.flatMap((status) => rowsOf(status, now, paint))
  const table = columns([heads.map((text) => ({ text, colour: paint.dim })), ...rows], width, spare)
  return [
    ...table,
    ...notes(parsedHosts, paint),
    ...lastKnownLines(parsedHosts, now),
    ...describeDifferences(parsedHosts, paint),
    totals(parsedHosts, paint),
  ]
}

/** Decides whether the output of a host is readable, its services are up, its disk has space, and its last run succeeded. */
export function isHealthy(status: unknown): boolean {
  const parsed = parse(status)
  return (
    parsed?.apps.every((app) => isUp(app) && !hasFailedJob(app)) === true &&
    parsed.disk?.state !== 'full' &&
    !hasFailed(parsed.lastRun)
  )
}

/** Decides whether a host needs no attention. */
export function isUnremarkable({ status, behind, failure }: HostStatus): boolean {
  if (failure !== undefined || behind !== undefined || !isHealthy(status)) return false
  const parsed = parse(status)
  return parsed?.lock === null && !parsed.disk && !parsed.restarts && parsed.apps.every((app) => !app.pinnedFrom)
}

function parse(status: unknown): ParsedStatus | null {
  const result = hostStatusSchema.safeParse(status)
  return result.success ? result.data : null
}

function rowsOf({ host, failure, isReached, parsed }: ParsedHost, now: Date, paint: Paint): Cell[][] {
  if (parsed === null) {
    const words = failure ? (isReached ? 'unknown' : 'not reached') : 'not readable'
    return [[{ text: oneLine(host), colour: paint.red }, ...blank(4), { text: words, colour: paint.red }, ...blank(1)]]
  }
  const apps = parsed.apps.length === 0 ? [undefined] : parsed.apps
  return apps.map((app, index) => [
    { text: index === 0 ? oneLine(host) : '' },
    { text: index === 0 ? oneLine(parsed.roles.join(', ')) : '' },
    { text: oneLine(app?.name ?? '') },
    { text: app === undefined || app.unreleased ? '' : numberOf(app.current?.id) },
    { text: shortCommit(app?.current?.commit ?? '') },
    stateOf(app, paint),
    index === 0 ? lastRunOf(parsed.lastRun, now, paint) : { text: '' },
  ])
}

function stateOf(app: ParsedStatus['apps'][number] | undefined, paint: Paint): Cell {
  if (app?.stopped) return { text: 'stopped', colour: paint.red }
  if (app?.closed) return { text: 'closed', colour: paint.red }
  return servicesOf(app?.services ?? [], paint)
}

/** Returns the number of `000042-1a2b3c4d`, because the commit has its own column. */
function numberOf(id: string | undefined): string {
  return oneLine(id ?? 'none').replace(/^0*(\d+)-[0-9a-f]{8}$/, '$1')
}

function notes(hosts: readonly ParsedHost[], paint: Paint): string[] {
  const lines = hosts.flatMap(({ host, failure, parsed, behind }) => {
    const stopped = (parsed?.apps ?? []).flatMap(({ name, stopped }) =>
      stopped ? [oneLine(`${name} was stopped on purpose by ${stopped.by}, ${stopped.at}`)] : [],
    )
    const closed = (parsed?.apps ?? []).flatMap(({ name, closed }) =>
      closed ? [oneLine(`${name} is ${closedText(closed)}: visitors get HTTP 503`)] : [],
    )
    const pinned = (parsed?.apps ?? []).flatMap(({ name, pinnedFrom }) =>
      pinnedFrom ? [paint.yellow(oneLine(`${name} is ${pinText(pinnedFrom)}`))] : [],
    )
    const failedJobs = (parsed?.apps ?? []).flatMap(({ name, jobs }) =>
      jobs.flatMap((job) => (job.ok ? [] : [oneLine(`${job.name} of ${name} ${job.detail}`)])),
    )
    const expected = (parsed?.apps ?? []).filter((app) => !app.stopped)
    const down = expected.flatMap(({ services }) =>
      services.filter(({ up, readiness = 'down' }) => !up && readiness === 'down').map(({ name }) => name),
    )
    const unready = expected.flatMap(({ services }) =>
      services.flatMap(({ name, up, readiness = 'down', detail }) => {
        const reason = readiness === 'not ready' && detail ? `: ${detail.slice(0, maxReasonLength)}` : ''
        return up || readiness === 'down' ? [] : [oneLine(`${name} (${readiness}${reason})`)]
      }),
    )
    const texts = [
      // The failures explain why a host was not reached.
      parsed === null && !failure ? paint.red('its status cannot be parsed') : '',
      ...[...stopped, ...closed].map(paint.red),
      ...pinned,
      ...failedJobs.map(paint.red),
      down.length > 0 ? paint.red(`down: ${describeNames(down)}`) : '',
      unready.length > 0 ? paint.red(`not up: ${describeNames(unready)}`) : '',
      behind === undefined ? '' : paint.yellow(`behind: missed deployment ${shortId(oneLine(behind))}`),
      parsed?.disk ? diskText(parsed.disk, paint) : '',
      ...restartTexts(parsed?.restarts ?? null).map(({ name, detail }) => paint.yellow(oneLine(`${name}: ${detail}`))),
      parsed?.rollout ? paint.yellow(`locked by a rollout: ${oneLine(parsed.rollout)}`) : '',
      parsed?.lock ? paint.yellow(`locked by ${oneLine(describeLock(parsed.lock))}`) : '',
    ]
    return texts.flatMap((text) => (text === '' ? [] : { host, text }))
  })
  return groupSimilar(lines, {}, withoutTimes).map(
    (group) => `${describeNames(group.map(({ host }) => host))}: ${group[0]?.text ?? ''}`,
  )
}

function lastKnownLines(hosts: readonly ParsedHost[], now: Date): string[] {
  return hosts.flatMap(({ host, lastKnown }) => {
    if (lastKnown === undefined) return []
    const { deployment, outcome, started, live } = lastKnown
    const apps = live.map(({ app, release, commit }) =>
      release === null
        ? `${app} without a release`
        : `${app} release ${numberOf(release)} ${shortCommit(commit ?? '')}`,
    )
    const run = `deployment ${shortId(deployment)} ${outcome} ${ago(started, now)}`
    return [`${oneLine(host)}: last known: ${oneLine([...apps, run].join(', '))}`]
  })
}

function diskText({ state, detail }: NonNullable<ParsedStatus['disk']>, paint: Paint): string {
  if (state === 'full') return paint.red(`the disk is full or read-only: ${oneLine(detail)}`)
  return paint.yellow(state === 'low' ? `the disk is nearly full: ${oneLine(detail)}` : oneLine(detail))
}

function describeLock({ by, since, message }: NonNullable<ParsedStatus['lock']>): string {
  return `${by} since ${since}${message === '' ? '' : `: ${message}`}`
}

function servicesOf(services: ParsedStatus['apps'][number]['services'], paint: Paint): Cell {
  if (services.length === 0) return { text: '' }
  const down = services.filter(({ up }) => !up).length
  const up = services.length - down
  if (down === 0) return { text: `${up} up`, colour: paint.green }
  return { text: `${up} up, ${down} down`, colour: paint.red }
}

function lastRunOf(run: ParsedStatus['lastRun'], now: Date, paint: Paint): Cell {
  if (run === null) return { text: 'none' }
  const isFailed = hasFailed(run)
  const events = isFailed ? `${run.events.join(', ')} ` : ''
  return { text: oneLine(`${events}${run.outcome} ${ago(run.started, now)}`), colour: isFailed ? paint.red : undefined }
}

function hasFailed(run: ParsedStatus['lastRun']): boolean {
  return run?.outcome === 'failed' || run?.outcome === 'died'
}

function blank(count: number): Cell[] {
  return Array.from({ length: count }, () => ({ text: '' }))
}

/** Lists apps whose hosts run different commits; the same commit everywhere is not mentioned. */
function describeDifferences(hosts: readonly ParsedHost[], paint: Paint): string[] {
  const commits = new Map<string, Map<string, string[]>>()
  for (const { host, parsed } of hosts)
    for (const { name, current } of parsed?.apps ?? []) {
      if (current === null) continue
      const on = commits.get(name) ?? new Map<string, string[]>()
      commits.set(name, on)
      on.set(current.commit, [...(on.get(current.commit) ?? []), host])
    }
  return [...commits].flatMap(([app, on]) =>
    on.size < 2
      ? []
      : [...on].map(
          ([commit, names]) =>
            `${paint.yellow(`${oneLine(app)} is on`)} ${shortCommit(commit)}: ${describeNames(names)}`,
        ),
  )
}

function totals(hosts: readonly ParsedHost[], paint: Paint): string {
  const reached = hosts.filter(({ failure, isReached }) => failure === undefined || isReached).length
  const unknown = hosts.filter(({ failure, isReached }) => failure !== undefined && isReached).length
  const apps = ({ parsed }: ParsedHost) => parsed?.apps ?? []
  const stopped = hosts.filter((host) => apps(host).some((app) => app.stopped)).length
  const closed = hosts.filter((host) => apps(host).some((app) => app.closed)).length
  const isDown = (app: ParsedStatus['apps'][number]) => !app.stopped && !isUp({ ...app, closed: null })
  const down = hosts.filter((host) => apps(host).some(isDown)).length
  const behind = hosts.filter((host) => host.behind !== undefined).length
  const full = hosts.filter(({ parsed }) => parsed?.disk?.state === 'full').length
  const failedJobs = hosts.filter((host) => apps(host).some(hasFailedJob)).length
  const failed = hosts.filter(({ parsed }) => hasFailed(parsed?.lastRun ?? null)).length
  return [
    `${many(hosts.length, 'host')}: ${reached} reached`,
    ...(reached < hosts.length ? [paint.red(`${hosts.length - reached} not`)] : []),
    ...(unknown > 0 ? [paint.red(`${unknown} with an unknown state`)] : []),
    ...(stopped > 0 ? [paint.red(`${stopped} with stopped apps`)] : []),
    ...(closed > 0 ? [paint.red(`${closed} with closed sites`)] : []),
    ...(down > 0 ? [paint.red(`${down} with services down`)] : []),
    ...(full > 0 ? [paint.red(`${full} with a full or read-only disk`)] : []),
    ...(failedJobs > 0 ? [paint.red(`${failedJobs} with failed jobs`)] : []),
    ...(failed > 0 ? [paint.red(`${failed} with a failed last run`)] : []),
    ...(behind > 0 ? [paint.yellow(`${behind} behind`)] : []),
  ].join(', ')
}
