/** Queries the hosts of a stack for their states, as `converge stack status` does, and shares recent answers. */
import { hostStatusSchema } from '../../fleet/screen/host_status.ts'
import { isUnremarkable } from '../../fleet/screen/status.ts'
import type { FleetEvent } from '../../fleet/types.ts'
import { parseEvent } from '../deployments/event_file.ts'
import type { HostState, StackState } from './host_state.ts'
import type { StackCommand, StackLocation } from './stack_command.ts'

/** How long an answer is reused after it has arrived: each opened page requests one, and each query connects to every host. */
const reuseMs = 15_000
/** Time limit for all hosts together, in seconds. */
const timeout = 300

interface Query {
  readonly state: Promise<StackState>
  /** Time in milliseconds at which the answer arrived; null while the query runs. */
  answered: number | null
}

export class HostStates {
  private readonly queries = new Map<string, Query>()

  constructor(
    private readonly command: StackCommand,
    private readonly now: () => Date,
  ) {}

  /**
   * Returns the states of the hosts. Requests share a running query, and its answer for some seconds more.
   * @throws STACK_UNREADABLE
   */
  statesOf(location: StackLocation): Promise<StackState> {
    const key = keyOf(location)
    const known = this.queries.get(key)
    if (known !== undefined && this.isReusable(known)) return known.state
    const query: Query = { state: this.query(location), answered: null }
    this.queries.set(key, query)
    query.state.then(
      () => {
        query.answered = this.now().getTime()
      },
      () => {
        if (this.queries.get(key) === query) this.queries.delete(key)
      },
    )
    return query.state
  }

  /** Discards the known states, also those of a running query: the next request queries the hosts again. */
  discard(location: StackLocation): void {
    this.queries.delete(keyOf(location))
  }

  private isReusable({ answered }: Query): boolean {
    return answered === null || this.now().getTime() - answered < reuseMs
  }

  private async query(location: StackLocation): Promise<StackState> {
    // Status 1: a host needs attention.
    const output = await this.command(location, ['status', '--json-output'], { timeout, accept: [0, 1] })
    const hosts = output.split('\n').flatMap((line) => {
      const event = parseEvent(line) as FleetEvent | null
      return event?.event === 'done' ? [stateOf(event)] : []
    })
    return { checked: this.now().toISOString(), hosts }
  }
}

function keyOf({ directory, options }: StackLocation): string {
  return JSON.stringify([directory, options])
}

function stateOf({ host, status, behind, failure }: Extract<FleetEvent, { event: 'done' }>): HostState {
  const parsed = failure === undefined ? hostStatusSchema.safeParse(status) : undefined
  const missed = behind ?? null
  if (parsed?.success) {
    const state = isUnremarkable({ host, status, behind }) ? 'good' : 'attention'
    return { host, state, reason: null, hint: null, missed, status: parsed.data }
  }
  const reason = failure?.message ?? 'the host printed a state that this version cannot read'
  return { host, state: 'unknown', reason, hint: failure?.hint ?? null, missed, status: null }
}
