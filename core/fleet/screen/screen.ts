/** Displays a rollout: a live table on a terminal, lines in a pipe, or JSON for programs, with a summary at the end. */
import picocolors from 'picocolors'
import { duration, type Paint } from '../../report/describe.ts'
import { printableJson } from '../../report/printable.ts'
import { isRunReport } from '../../report/replay.ts'
import { shortId } from '../records/deployment_number.ts'
import type { EmitEvent, FleetEvent, RolloutReport } from '../types.ts'
import { describeChanges, groupChanges, type HostRun } from './changes.ts'
import type { Addresses } from './group_similar.ts'
import {
  describeEnd,
  describeGroup,
  describePause,
  describeQueued,
  describeQueueEnd,
  describeRestarts,
  describeStart,
  HostStates,
} from './host_states.ts'
import { LongSteps, longStepMs } from './long_steps.ts'
import { RedrawnRows } from './redrawn_rows.ts'
import { describeCommit, describeEstimate, describeReleaseChanges } from './release_changes.ts'
import { type HostStatus, isUnremarkable, statusTable } from './status.ts'
import { type HostWarning, summary } from './summary.ts'
import { type TableSize, table } from './table.ts'
import { oneLine } from './text.ts'
import { asTyped } from './typed_event.ts'

export interface ScreenOptions {
  readonly write: (text: string) => void
  readonly color: boolean
  /** Whether lines can be overwritten. */
  readonly live: boolean
  /** Size of the terminal, read for each draw; in a pipe nothing is shortened. */
  readonly size: () => TableSize
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: boolean
  /** Options by which another command selects the same stack, after a blank. */
  readonly stackOptions: string
}

export interface Screen {
  readonly display: EmitEvent
  /** Removes the table during a question; later events are displayed afterwards. */
  pause(): void
  resume(): void
  /** Stops drawing, even after an error. */
  close(): void
}

export function screen(options: ScreenOptions): Screen {
  if (options.json)
    return {
      display: (event) => options.write(`${printableJson({ ...event, time: new Date().toISOString() })}\n`),
      pause: () => undefined,
      resume: () => undefined,
      close: () => undefined,
    }
  return new TextScreen(options)
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
class TextScreen implements Screen {
  private readonly paint: Paint
  private readonly hostStates = new HostStates()
  private readonly rows: RedrawnRows
  private readonly runs: HostRun[] = []
  private readonly statuses = new Map<string, HostStatus>()
  private readonly warnings: HostWarning[] = []
  private addresses: Addresses = {}
  private showsChanges = false
  /** Whether the action only reads the status: then the phases are not displayed. */
  private isReadOnly = false
  private timer: NodeJS.Timeout | undefined
  private frame = 0
  private isPaused = false
  private deferred: string[] = []
  private readonly longSteps = new LongSteps()
  private printedWait: { readonly at: number; readonly answer: string | undefined } = { at: 0, answer: undefined }

  constructor(private readonly options: ScreenOptions) {
    this.paint = picocolors.createColors(options.color)
    this.rows = new RedrawnRows(options.write)
  }

  readonly display = (rawEvent: FleetEvent): void => {
    const event = asTyped(rawEvent)
    this.hostStates.apply(event, performance.now())
    switch (event.event) {
      case 'start':
        this.addresses = event.addresses ?? {}
        this.showsChanges = !this.options.quiet && (event.action === 'plan' || this.options.verbose)
        this.isReadOnly = event.action === 'status' && !this.options.verbose
        if (!this.options.live && !this.isReadOnly) this.printUnlessQuiet(describeStart(event))
        this.begin()
        break
      case 'commit':
        this.printUnlessQuiet(describeCommit(event, this.paint))
        break
      case 'deployment':
        if (!this.options.live) this.printUnlessQuiet(`deployment ${shortId(event.id)}`)
        break
      case 'phase':
        if (!this.options.live && !this.isReadOnly) this.printUnlessQuiet(describeGroup(event))
        break
      case 'moves':
        if (event.moves.length > 0) this.printUnlessQuiet(describeReleaseChanges(event, this.paint))
        break
      case 'estimate':
        this.printUnlessQuiet(describeEstimate(event, this.paint))
        break
      case 'queued':
        this.printUnlessQuiet(describeQueued(event))
        break
      case 'turn':
        this.printUnlessQuiet(describeQueueEnd(event))
        break
      case 'restarts':
        this.printUnlessQuiet(describeRestarts(event))
        break
      case 'host':
        if (!this.options.live && this.options.verbose) this.host(event)
        break
      case 'done':
        this.done(event)
        break
      case 'connection':
        this.connection(event)
        break
      case 'waiting':
        if (event.detail === undefined) this.printedWait = { at: performance.now(), answer: undefined }
        else this.printWait(event.detail)
        break
      case 'health': {
        const [colour, word] = event.ok ? [this.paint.green, 'ok'] : [this.paint.red, 'not ok']
        const text = `${colour(`health ${word}:`)} ${oneLine(event.what)}${event.detail === '' ? '' : this.paint.dim(` ${oneLine(event.detail)}`)}`
        if (event.ok) this.printUnlessQuiet(text)
        else this.print(text)
        break
      }
      case 'paused':
        this.printUnlessQuiet(this.paint.yellow(describePause(event)))
        break
      case 'continued':
        this.printUnlessQuiet('the rollout continues')
        break
      case 'warning':
        this.warning(event)
        break
      case 'note':
        this.printUnlessQuiet(this.paint.dim(`note: ${oneLine(event.message)}`))
        break
      case 'end':
        this.end(event.report)
    }
  }

  pause(): void {
    this.isPaused = true
    this.rows.above('')
  }

  resume(): void {
    this.isPaused = false
    const deferred = this.deferred.splice(0)
    if (deferred.length > 0) this.print(deferred.join('\n'))
  }

  close(): void {
    clearInterval(this.timer)
    this.timer = undefined
    this.rows.above('')
    this.resume()
  }

  private begin(): void {
    if (this.options.quiet || this.timer) return
    this.timer = setInterval(
      () => (this.options.live ? this.draw() : this.printLongWork()),
      this.options.live ? 100 : 1000,
    )
    this.timer.unref()
  }

  private draw(): void {
    if (this.isPaused) return
    this.frame = (this.frame + 1) % frames.length
    const size = this.options.size()
    this.rows.draw(table(this.hostStates, size, performance.now(), frames[this.frame] ?? '', this.paint), size)
  }

  /** Without a table: prints each new answer immediately, and repeats the same one after `longStepMs`. */
  private printWait(answer?: string): void {
    const now = performance.now()
    const text = this.hostStates.describeWait(now)
    if (this.options.live || text === null) return
    const { at, answer: before } = this.printedWait
    if ((answer ?? before) === before && now - at < longStepMs) return
    this.printedWait = { at: now, answer: answer ?? before }
    this.printUnlessQuiet(this.paint.dim(text))
  }

  private printLongWork(): void {
    this.printWait()
    for (const line of this.longSteps.lines(this.hostStates.rows, performance.now()))
      this.printUnlessQuiet(this.paint.dim(line))
  }

  private host({ host, phase, step, detail }: FleetEvent & { event: 'host' }): void {
    const texts = [host, phase, step, detail].flatMap((text) => (text === undefined ? [] : oneLine(text)))
    this.printUnlessQuiet(this.paint.dim(texts.join(': ')))
  }

  private done(event: FleetEvent & { event: 'done' }): void {
    const { host, phase, outcome, durationMs, report, status, behind, failure } = event
    // The reports of a hundred hosts are many megabytes.
    if (this.showsChanges && isRunReport(report)) this.runs.push({ host, report })
    const isReached = phase === 'status'
    if (isReached) this.statuses.set(host, { host, status, behind, failure, isReached })
    if (event.lastKnown) {
      const why = failure ?? { code: 'SKIPPED', message: event.reason ?? 'not asked' }
      this.statuses.set(host, { host, status: null, behind, failure: why, isReached, lastKnown: event.lastKnown })
    }
    if (this.options.live || this.isReadOnly) return
    const failed = outcome === 'failed' || outcome === 'lost'
    // A warning reports the reason for a skip as well.
    const isRoutine = outcome === 'unchanged' || outcome === 'skipped'
    if (isRoutine && !this.options.verbose) return
    // The summary gives the reason of a failure once, with its hint, for all hosts that failed in the same way.
    const why = failed ? '' : describeEnd(event)
    const colour = failed ? this.paint.red : String
    const text = `${oneLine(host)}: ${phase}: ${colour(outcome)}${why === '' ? '' : `: ${why}`} ${this.paint.dim(`(${duration(durationMs)})`)}`
    if (failed) this.print(text)
    else this.printUnlessQuiet(text)
  }

  private connection({ host, state, detail }: FleetEvent & { event: 'connection' }): void {
    // In the table it is the state of the host.
    if (this.options.live || state === 'open') return
    const why = detail === undefined ? '' : ` (${oneLine(detail)})`
    const isAtWork = this.hostStates.row(host)?.state === 'cut off'
    const consequence = isAtWork ? 'if the host is up, its run continues' : 'converge connects again'
    this.printUnlessQuiet(
      state === 'lost'
        ? `${oneLine(host)}: ${this.paint.yellow('connection lost')}; ${consequence}${why}`
        : `${oneLine(host)}: connection restored${why}`,
    )
  }

  /** Records a warning of a host: the summary prints it once, with the names of all hosts that it concerns. */
  private warning({ host, message }: FleetEvent & { event: 'warning' }): void {
    if (host === undefined) this.print(`${this.paint.yellow('warning:')} ${oneLine(message)}`)
    else this.warnings.push({ host, message })
  }

  private end(report: RolloutReport): void {
    this.close()
    const { quiet, verbose, live, stackOptions } = this.options
    const { paint, addresses } = this
    const order = new Map(report.hosts.map(({ host }, index) => [host, index]))
    const lines = describeChanges(groupChanges(sorted(this.runs, order), addresses), verbose, paint)
    const warnings = sorted(this.warnings, order)
    const summaryLines = summary(report, { paint, verbose, quiet, addresses, warnings, stackOptions })
    const isSuccessful = ['unchanged', 'changed', 'planned'].includes(report.outcome)
    if (report.action === 'status') {
      const hosts = this.statusesOf(report)
      const width = live ? this.options.size().columns : Number.POSITIVE_INFINITY
      const hidesTable = quiet && isSuccessful && hosts.every(isUnremarkable)
      lines.push(...summaryLines.slice(0, -1), ...(hidesTable ? [] : statusTable(hosts, width, new Date(), paint)))
    } else lines.push(...(quiet && isSuccessful ? summaryLines.slice(0, -1) : summaryLines))
    if (lines.length > 0) this.options.write(`${lines.join('\n')}\n`)
  }

  private statusesOf({ hosts }: RolloutReport): HostStatus[] {
    return hosts.map(({ host, failure, failedIn, reason = 'not asked' }) => {
      const why = { code: 'SKIPPED', message: reason }
      const isReached = failedIn === 'status'
      return this.statuses.get(host) ?? { host, status: null, failure: failure ?? why, isReached }
    })
  }

  /** Writes a line that --quiet leaves out. */
  private printUnlessQuiet(text: string): void {
    if (!this.options.quiet) this.print(text)
  }

  private print(text: string): void {
    if (this.isPaused) this.deferred.push(text)
    else this.rows.above(`${text}\n`)
  }
}

/** Sorts what hosts reported, in the order of the stack file instead of the order in which they finished. */
function sorted<T extends { readonly host: string }>(items: readonly T[], order: ReadonlyMap<string, number>): T[] {
  return items.toSorted((a, b) => (order.get(a.host) ?? order.size) - (order.get(b.host) ?? order.size))
}
