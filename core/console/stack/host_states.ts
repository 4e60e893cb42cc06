/** Asks the hosts of a stack for their state, as `converge stack status` does. */
import { hostStatusSchema } from '../../fleet/screen/host_status.ts'
import { isUnremarkable } from '../../fleet/screen/status.ts'
import type { FleetEvent } from '../../fleet/types.ts'
import { parseEvent } from '../deployments/event_file.ts'
import type { HostState, StackState } from './host_state.ts'
import type { StackCommand, StackLocation } from './stack_command.ts'

/** How long an answer is used again: every page that is opened asks, and each answer is a connection to every host. */
const freshMs = 15_000
/** Seconds for all hosts. */
const timeout = 300

export class HostStates {
  private readonly states = new Map<string, { readonly time: number; readonly state: Promise<StackState> }>()

  constructor(
    private readonly command: StackCommand,
    private readonly now: () => Date,
  ) {}

  /** @throws STACK_UNREADABLE */
  ask(source: StackLocation): Promise<StackState> {
    const key = JSON.stringify([source.directory, source.options])
    const known = this.states.get(key)
    if (known !== undefined && this.now().getTime() - known.time < freshMs) return known.state
    const state = this.query(source)
    // While it is under way, the same answer serves everybody; then for some seconds more.
    this.states.set(key, { time: Number.POSITIVE_INFINITY, state })
    state.then(
      () => this.states.set(key, { time: this.now().getTime(), state }),
      () => this.states.delete(key),
    )
    return state
  }

  /** Has the next request ask the hosts again. */
  forget(source: StackLocation): void {
    this.states.delete(JSON.stringify([source.directory, source.options]))
  }

  private async query(source: StackLocation): Promise<StackState> {
    // Status 1: a host needs attention.
    const output = await this.command(source, ['status', '--json-output'], { timeout, accept: [0, 1] })
    const hosts = output.split('\n').flatMap((line) => {
      const event = parseEvent(line) as FleetEvent | null
      return event?.event === 'done' ? [stateOf(event)] : []
    })
    return { checked: this.now().toISOString(), hosts }
  }
}

function stateOf({ host, status, behind, failure }: Extract<FleetEvent, { event: 'done' }>): HostState {
  const parsed = failure === undefined ? hostStatusSchema.safeParse(status) : undefined
  const missed = behind ?? null
  if (parsed?.success) {
    const state = isUnremarkable({ host, status, behind }) ? 'good' : 'attention'
    return { host, state, reason: null, hint: null, missed, status: parsed.data }
  }
  const reason = failure?.message ?? 'the host has printed a state that this version cannot read'
  return { host, state: 'unknown', reason, hint: failure?.hint ?? null, missed, status: null }
}
