/** The table of `converge stack status`, from what `converge status --json-output` of each host has printed. */
import * as z from 'zod'
import type { Paint } from '../../report/describe.ts'
import type { FailureReport } from '../../report/events.ts'
import { ago, type Cell, columns } from './columns.ts'
import { describeNames } from './names.ts'
import { shortId } from './tally.ts'
import { many, oneLine, shortCommit } from './text.ts'

/** A host says of itself what it likes; what is not as it should be is told as such. */
const seenSchema = z.object({
  roles: z.array(z.string()),
  apps: z.array(
    z.object({
      name: z.string(),
      unreleased: z.boolean().optional(),
      current: z.object({ id: z.string(), commit: z.string(), revision: z.string() }).nullable(),
      services: z.array(z.object({ name: z.string(), state: z.string(), up: z.boolean() })),
    }),
  ),
  lastRun: z.object({ started: z.string(), outcome: z.string(), events: z.array(z.string()) }).nullable(),
  lock: z.object({ by: z.string(), since: z.string(), message: z.string() }).nullable(),
})

type Seen = z.infer<typeof seenSchema>

export interface HostStatus {
  readonly host: string
  /** What it has printed; not looked at where it failed. */
  readonly seen: unknown
  readonly behind?: string | undefined
  readonly failure?: FailureReport | undefined
}

const heads = ['HOST', 'ROLES', 'APP', 'RELEASE', 'COMMIT', 'SERVICES', 'LAST RUN', 'NOTE']

/** @param width columns; infinite in a pipe, where nothing is cut */
export function statusTable(hosts: readonly HostStatus[], width: number, now: Date, paint: Paint): string[] {
  const read = hosts.map((status) => ({ ...status, parsed: status.failure ? null : parse(status.seen) }))
  const rows = read.flatMap(({ parsed, ...status }) => rowsOf(status, parsed, now, paint))
  const table = columns([heads.map((text) => ({ text, colour: paint.dim })), ...rows], width)
  return [...table, ...totals(read, paint)]
}

function parse(seen: unknown): Seen | null {
  const result = seenSchema.safeParse(seen)
  return result.success ? result.data : null
}

function rowsOf(status: HostStatus, seen: Seen | null, now: Date, paint: Paint): Cell[][] {
  const behind = status.behind === undefined ? [] : [`behind: missed ${shortId(oneLine(status.behind))}`]
  if (seen === null) {
    const why = status.failure ? oneLine(status.failure.message) : 'what it says of itself cannot be read'
    const words = status.failure ? `not reached: ${why}` : why
    return [[{ text: oneLine(status.host), colour: paint.red }, ...blank(6), note([words, ...behind], paint.red)]]
  }
  const locked = seen.lock === null ? [] : [`locked by ${oneLine(describeLock(seen.lock))}`]
  const apps = seen.apps.length === 0 ? [undefined] : seen.apps
  return apps.map((app, index) => {
    const first = index === 0
    return [
      { text: first ? oneLine(status.host) : '' },
      { text: first ? oneLine(seen.roles.join(', ')) : '' },
      { text: oneLine(app?.name ?? '') },
      { text: app === undefined || app.unreleased ? '' : oneLine(app.current?.id ?? 'none') },
      { text: shortCommit(app?.current?.commit ?? '') },
      app === undefined ? { text: '' } : servicesOf(app.services, paint),
      first ? lastRunOf(seen.lastRun, now, paint) : { text: '' },
      first ? note([...behind, ...locked], paint.yellow) : { text: '' },
    ]
  })
}

function describeLock({ by, since, message }: NonNullable<Seen['lock']>): string {
  return `${by} since ${since}${message === '' ? '' : `: ${message}`}`
}

function servicesOf(services: Seen['apps'][number]['services'], paint: Paint): Cell {
  if (services.length === 0) return { text: '' }
  const down = services.filter(({ up }) => !up).map(({ name }) => name)
  const up = services.length - down.length
  if (down.length === 0) return { text: `${up} up`, colour: paint.green }
  return { text: `${up} up, ${down.length} down: ${describeNames(down)}`, colour: paint.red }
}

function lastRunOf(run: Seen['lastRun'], now: Date, paint: Paint): Cell {
  if (run === null) return { text: 'none' }
  const bad = run.outcome === 'failed' || run.outcome === 'died'
  const when = ago(run.started, now)
  const text = oneLine(`${run.events.join(', ')} ${run.outcome}${when === '' ? '' : `, ${when}`}`)
  return { text, colour: bad ? paint.red : undefined }
}

function note(words: readonly string[], colour: (text: string) => string): Cell {
  return { text: words.join('; '), colour }
}

function blank(count: number): Cell[] {
  return Array.from({ length: count }, () => ({ text: '' }))
}

function totals(hosts: readonly (HostStatus & { parsed: Seen | null })[], paint: Paint): string[] {
  const reached = hosts.filter(({ parsed }) => parsed !== null)
  const down = reached.filter(({ parsed }) => parsed?.apps.some(({ services }) => services.some(({ up }) => !up)))
  const behind = hosts.filter((host) => host.behind !== undefined)
  const commits = new Map<string, Map<string, string[]>>()
  for (const { host, parsed } of reached)
    for (const { name, current } of parsed?.apps ?? []) {
      if (current === null) continue
      const on = commits.get(name) ?? new Map<string, string[]>()
      commits.set(name, on)
      on.set(current.commit, [...(on.get(current.commit) ?? []), host])
    }
  // That all are on the same is what one expects.
  const differing = [...commits].filter(([, on]) => on.size > 1)
  const parts = [
    `${many(hosts.length, 'host')}: ${reached.length} reached`,
    ...(reached.length < hosts.length ? [paint.red(`${hosts.length - reached.length} not`)] : []),
    ...(down.length > 0 ? [paint.red(`${down.length} with services down`)] : []),
    ...(behind.length > 0 ? [paint.yellow(`${behind.length} behind`)] : []),
  ]
  return [
    ...differing.flatMap(([app, on]) =>
      [...on].map(
        ([commit, names]) => `${paint.yellow(`${oneLine(app)} is on`)} ${shortCommit(commit)}: ${describeNames(names)}`,
      ),
    ),
    parts.join(', '),
  ]
}
