/** Builds what a page shows of a rollout from its events: the state of each host, and a log. */

export interface HostRow {
  readonly name: string
  readonly phase: string
  readonly step: string
  readonly detail: string
  /** Undefined while it works. */
  readonly outcome?: string
  readonly failure?: string
  /** Milliseconds of all phases that have ended. */
  readonly durationMs: number
}

export interface LogLine {
  /** Undefined for a line of the rollout itself. */
  readonly host?: string
  readonly text: string
  readonly kind: 'plain' | 'warning' | 'failure' | 'good'
}

export interface RolloutView {
  readonly hosts: ReadonlyMap<string, HostRow>
  readonly phase: string
  readonly batch: string
  /** The page for which the health gate waits; empty while it does not wait. */
  readonly waiting: string
  /** The operator who has paused the rollout, and the reason; null if it is not paused. */
  readonly pausedBy: string | null
}

export const emptyView: RolloutView = { hosts: new Map(), phase: '', batch: '', waiting: '', pausedBy: null }

/** Each line of the page has the same height. */
const lineEnd = /\r\n|[\n\r]/

/** An event of `converge stack … --json-output`. */
export type RolloutEvent = Readonly<Record<string, unknown>> & { readonly event?: unknown }

export interface RolloutUpdate {
  readonly view: RolloutView
  /** The lines of the events. */
  readonly lines: readonly LogLine[]
}

/** Adds several events at once: thousands may arrive together. */
export function addEvents(view: RolloutView, events: readonly RolloutEvent[]): RolloutUpdate {
  const hosts = new Map(view.hosts)
  const lines: LogLine[] = []
  let { phase, batch, waiting, pausedBy } = view
  const say = (message: string, kind: LogLine['kind'] = 'plain', host?: string) => {
    for (const text of message.split(lineEnd)) lines.push(host === undefined ? { text, kind } : { host, text, kind })
  }
  const row = (name: string): HostRow => hosts.get(name) ?? { name, phase: '', step: '', detail: '', durationMs: 0 }
  for (const event of events)
    switch (event.event) {
      case 'start':
        for (const name of list(event.hosts)) hosts.set(name, row(name))
        say(`${text(event.action)} of ${text(event.stack)}, ${text(event.strategy)}`)
        break
      case 'phase': {
        phase = text(event.phase)
        batch = event.batches === undefined ? '' : `batch ${event.batch} of ${event.batches}`
        waiting = ''
        say(`${[phase, batch].filter(Boolean).join(', ')}: ${list(event.hosts).join(', ')}`)
        break
      }
      case 'host': {
        const name = text(event.host)
        const { outcome, failure, ...rest } = row(name)
        hosts.set(name, { ...rest, phase: text(event.phase), step: text(event.step), detail: text(event.detail) })
        if (event.step !== undefined) say(`${text(event.step)} ${text(event.detail)}`.trim(), 'plain', name)
        break
      }
      case 'done': {
        const name = text(event.host)
        const failure = messageOf(event.failure)
        const before = row(name)
        hosts.set(name, {
          name,
          phase: text(event.phase),
          step: '',
          detail: text(event.reason),
          outcome: text(event.outcome),
          ...(failure === '' ? {} : { failure }),
          durationMs: before.durationMs + Number(event.durationMs ?? 0),
        })
        const kind = failure === '' ? 'good' : 'failure'
        say(
          `${text(event.phase)}: ${[text(event.outcome), text(event.reason), failure].filter(Boolean).join(', ')}`,
          kind,
          name,
        )
        break
      }
      case 'connection':
        say(`connection ${text(event.state)} ${text(event.detail)}`.trim(), 'plain', text(event.host))
        break
      case 'waiting':
        waiting = `${text(event.what)} ${text(event.detail)}`.trim()
        break
      case 'health':
        waiting = ''
        say(`health check ${text(event.what)}: ${text(event.detail)}`, event.ok === true ? 'good' : 'failure')
        break
      case 'warning':
        say(text(event.message), 'warning', event.host === undefined ? undefined : text(event.host))
        break
      case 'note':
        say(text(event.message))
        break
      case 'queued':
        waiting = `another rollout that uses ${list(event.hosts).join(', ')}`
        break
      case 'turn':
        waiting = ''
        break
      case 'paused':
        pausedBy = [text(event.by), text(event.comment)].filter(Boolean).join(': ')
        say(`paused by ${pausedBy}`, 'warning')
        break
      case 'continued':
        pausedBy = null
        say('the rollout continues')
        break
      case 'end':
        waiting = ''
        pausedBy = null
        for (const report of reports(event.report)) hosts.set(report.name, { ...row(report.name), ...report })
        break
      case 'error':
        say(text(event.message), 'failure')
        break
      default:
    }
  return { view: { hosts, phase, batch, waiting, pausedBy }, lines }
}

/** Returns the final outcome of each host; one that took no part in a phase has no event of its own. */
function reports(report: unknown): (Pick<HostRow, 'name'> & Partial<HostRow>)[] {
  const hosts = (report as { readonly hosts?: readonly RolloutEvent[] } | undefined)?.hosts ?? []
  return hosts.map(({ host, outcome, failure }) => {
    const message = messageOf(failure)
    return { name: text(host), outcome: text(outcome), step: '', ...(message === '' ? {} : { failure: message }) }
  })
}

function text(value: unknown): string {
  return value === undefined || value === null ? '' : String(value)
}

function list(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : []
}

function messageOf(failure: unknown): string {
  return typeof failure === 'object' && failure !== null && 'message' in failure ? text(failure.message) : ''
}
