/** Tracks the state of each host of a rollout from its events, and describes it. */
import type { FailureReport } from '../../report/events.ts'
import { shortId } from '../records/deployment_number.ts'
import type { Action, FleetEvent, HostOutcome, OtherDeployment, Phase, RolloutPause } from '../types.ts'
import { describeNames } from './host_name_list.ts'
import { elapsed, oneLine } from './text.ts'

/** `cut off`: the run continues, but the connection is lost. */
export type HostState = 'waiting' | 'at work' | 'cut off' | HostOutcome

export interface HostRow {
  readonly host: string
  readonly state: HostState
  readonly phase: Phase | null
  /** The current step, or the reason of the outcome. */
  readonly step: string
  /** The last line of progress of the step; empty without one. */
  readonly detail: string
  readonly detailSince: number | null
  /** The beginning of the phase; null if none is running. */
  readonly since: number | null
  /** The beginning of the step; null if none is running. */
  readonly stepSince: number | null
  readonly durationMs: number
}

interface Group {
  readonly phase: Phase
  readonly batch: string
  readonly hosts: ReadonlySet<string>
  readonly done: Set<string>
}

/** The check that the health gate waits for. */
interface Wait {
  readonly what: string
  readonly since: number
  readonly deadlineMs: number
  readonly answer: string | undefined
}

/** The fields of a row without a running step. */
const noStep = { detail: '', detailSince: null, since: null, stepSince: null } as const

export class HostStates {
  private readonly hosts = new Map<string, HostRow>()
  private group: Group | undefined
  private wait: Wait | undefined
  title = ''
  private start: (FleetEvent & { event: 'start' }) | undefined
  startedAt: number | null = null

  /** @param now in milliseconds, from any clock that does not go back */
  apply(event: FleetEvent, now: number): void {
    if (!['warning', 'note', 'connection'].includes(event.event)) this.wait = undefined
    switch (event.event) {
      case 'start':
        this.start = event
        this.title = describeStart(event)
        this.startedAt = now
        for (const host of event.hosts) this.set(host, {})
        break
      case 'deployment':
        if (this.start !== undefined) this.title = describeStart({ ...this.start, id: event.id })
        break
      case 'phase':
        this.group = { phase: event.phase, batch: batchOf(event), hosts: new Set(event.hosts), done: new Set() }
        break
      case 'host':
        this.updateStep(event, now)
        break
      case 'done': {
        const { host, phase, outcome, durationMs } = event
        if (this.group?.phase === phase && this.group.hosts.has(host)) this.group.done.add(host)
        this.set(host, {
          state: outcome,
          phase,
          step: withoutName(reasonOf(event), host),
          ...noStep,
          durationMs,
        })
        break
      }
      case 'connection':
        this.updateConnection(event.host, event.state)
        break
      case 'waiting':
        this.wait = {
          what: event.what,
          since: now - event.elapsedMs,
          deadlineMs: event.deadlineMs,
          answer: event.detail,
        }
        break
      case 'end':
        for (const { host, outcome, phase, durationMs, ...more } of event.report.hosts)
          this.set(host, {
            state: outcome,
            phase,
            step: withoutName(reasonOf(more), host),
            ...noStep,
            durationMs,
          })
    }
  }

  /** In the order of the events that named them. */
  get rows(): readonly HostRow[] {
    return [...this.hosts.values()]
  }

  row(host: string): HostRow | undefined {
    return this.hosts.get(host)
  }

  /** Describes the current phase, as `switch, batch 2 of 3: 1 of 2 done`, or the wait of the health gate. */
  describeStage(now: number): string {
    const wait = this.describeWait(now)
    if (wait !== null) return wait
    if (!this.group) return ''
    const { phase, batch, hosts, done } = this.group
    return `${phase}${batch}: ${done.size} of ${hosts.size} done`
  }

  /** Describes the wait of the health gate, with its duration and the last answer; null without a wait. */
  describeWait(now: number): string | null {
    if (this.wait === undefined) return null
    const { what, since, deadlineMs, answer } = this.wait
    const last = answer === undefined ? 'no answer yet' : `last answer: ${oneLine(answer)}`
    return `health check of ${oneLine(what)} for ${elapsed(now - since)}, deadline ${elapsed(deadlineMs)}; ${last}`
  }

  private updateStep({ host, phase, step, detail }: FleetEvent & { event: 'host' }, now: number): void {
    const before = this.hosts.get(host)
    const same = before?.phase === phase && before.since !== null
    const text = step === undefined ? (same ? before.step : '') : oneLine(step)
    const more = detail === undefined ? '' : oneLine(detail)
    const isUnchanged = same && before.step === text && before.detail === more
    this.set(host, {
      detail: more,
      detailSince: isUnchanged ? before.detailSince : now,
      state: 'at work',
      phase,
      step: text,
      since: same ? before.since : now,
      stepSince: same && before.step === text ? before.stepSince : now,
    })
  }

  /** Marks a host as connected: it waits for the next phase. */
  private markConnected(host: string): void {
    if (this.group?.phase === 'connect' && this.group.hosts.has(host)) this.group.done.add(host)
    const row = this.hosts.get(host)
    if (row?.state === 'at work' && row.phase === 'connect')
      this.set(host, { state: 'waiting', phase: null, ...noStep })
  }

  private updateConnection(host: string, state: 'open' | 'lost' | 'back'): void {
    const before = this.hosts.get(host)?.state
    if (state === 'open') this.markConnected(host)
    if (state === 'lost' && before === 'at work') this.set(host, { state: 'cut off' })
    if (state === 'back' && before === 'cut off') this.set(host, { state: 'at work' })
  }

  private set(host: string, change: Partial<HostRow>): void {
    const fresh = {
      host,
      state: 'waiting',
      phase: null,
      step: '',
      ...noStep,
      durationMs: 0,
    } as const
    this.hosts.set(host, { ...fresh, ...this.hosts.get(host), ...change })
  }
}

export function describeStart(event: FleetEvent & { event: 'start' }): string {
  const { action, stack, id, strategy } = event
  const number = id === null ? '' : ` (deployment ${shortId(id)})`
  return oneLine(`${describeAction(event)} of ${stack}${number}${describeStrategy(action, strategy)}`)
}

/** `deploy`, `run restart` */
export function describeAction({ action, recipe }: { readonly action: string; readonly recipe?: unknown }): string {
  return oneLine(recipe === undefined ? action : `${action} ${String(recipe)}`)
}

/** Actions that do not order their hosts by the strategy. */
const withoutBatches: readonly Action[] = ['plan', 'status', 'configure', 'hooks']

export function describeStrategy(action: Action, strategy: string): string {
  return withoutBatches.includes(action) || strategy === '' ? '' : `, ${strategy}`
}

/** `deployment 12 (deploy by ann@desk since 2026-11-20T07:40:00Z: new prices)` */
export function describeOther(other: OtherDeployment): string {
  const comment = other.comment === '' ? '' : `: ${other.comment}`
  const paused = other.pausedBy === undefined ? '' : `, paused by ${other.pausedBy}`
  const since = other.started.replace(/\.\d+Z$/, 'Z')
  return oneLine(
    `deployment ${shortId(other.id)} (${describeAction(other)} by ${other.by} since ${since}${comment}${paused})`,
  )
}

/** `service_restart site: site/b waits until site/a is back` */
export function describeStep({ step, detail }: Pick<HostRow, 'step' | 'detail'>): string {
  return detail === '' ? step : `${step}: ${detail}`
}

export function describeGroup(event: FleetEvent & { event: 'phase' }): string {
  return `${event.phase}${batchOf(event)}: ${describeNames(event.hosts)}`
}

/** Describes restarts; hosts that restart the same are combined. */
export function describeRestarts({ phase, hosts }: FleetEvent & { event: 'restarts' }): string {
  const groups = new Map<string, string[]>()
  for (const { host, what } of hosts) {
    const text = what.map(oneLine).join(', ')
    groups.set(text, [...(groups.get(text) ?? []), host])
  }
  const lines = [...groups].map(([what, names]) => `  ${describeNames(names)}: ${what}`)
  const order = hosts.length === 1 ? '' : ', one batch of hosts after the other'
  return [`restarts in ${phase}${order}:`, ...lines].join('\n')
}

export function describeQueued({ hosts, deployment }: FleetEvent & { event: 'queued' }): string {
  const other = deployment === null ? 'another rollout' : describeOther(deployment)
  return `waiting for ${other} on ${describeNames(hosts)}; Ctrl-C ends the wait, and begins nothing`
}

export function describePause({ by, comment }: RolloutPause): string {
  const why = comment === '' ? '' : `: ${oneLine(comment)}`
  return `paused by ${oneLine(by)}${why}; no further host starts until converge stack continue`
}

export function describeQueueEnd({ deployment, outcome }: FleetEvent & { event: 'turn' }): string {
  if (deployment === null)
    return 'the other rollout has ended; its record is not in this directory, so its outcome is unknown'
  return `deployment ${shortId(deployment)} has ended: ${oneLine(outcome ?? 'unknown')}`
}

function batchOf({ batch, batches }: FleetEvent & { event: 'phase' }): string {
  if (batch === undefined) return ''
  return `, batch ${batch}${batches === undefined ? '' : ` of ${batches}`}`
}

interface End {
  readonly failure?: FailureReport | undefined
  readonly reason?: string | undefined
}

function reasonOf({ failure, reason }: End): string {
  return oneLine(failure?.message ?? reason ?? '')
}

/** Describes the reason of a failure or a skip, with the resource that failed. */
export function describeEnd({ failure, reason, host }: End & { readonly host: string }): string {
  if (!failure) return withoutName(oneLine(reason ?? ''), host)
  const { resource, message } = failure
  const text = oneLine(resource === undefined || message.includes(resource) ? message : `${resource}: ${message}`)
  return withoutName(text, host)
}

/** Removes the host's name and address from the beginning of a text that is displayed beside the name. */
function withoutName(text: string, host: string): string {
  const name = oneLine(host)
  const [, rest] = (text.startsWith(name) && /^(?: \([^()]*\))?: (.+)/.exec(text.slice(name.length))) || []
  return rest ?? text
}
