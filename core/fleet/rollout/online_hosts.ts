/** Decides which hosts of a stack are online: for the node JSON of the other hosts, and for the record of the stack. */
import type { StackState } from '../records/stack_state.ts'
import type { Stack } from '../stack/stack.ts'
import type { Action } from '../types.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost } from './request.ts'
import { deployActions } from './request.ts'

/** Returns the hosts that are online by the stack file and the record of the stack. */
export function recordedOnline(stack: Stack, { hosts }: StackState): ReadonlySet<string> {
  const online = stack.hosts.filter(({ name, status }) => status === 'online' && hosts[name]?.status === 'online')
  return new Set(online.map(({ name }) => name))
}

/** Whether the record says that the host was shut down. */
export function isShutDown(name: string, { hosts }: StackState): boolean {
  return hosts[name]?.status === 'stopped'
}

export class OnlineHosts {
  private expected: ReadonlySet<string>

  /** @param recorded hosts that were online before the rollout */
  constructor(
    private readonly action: Action,
    private readonly recorded: ReadonlySet<string>,
    private readonly participants: readonly RolloutHost[],
    private readonly progress: RolloutProgress,
  ) {
    this.expected = recorded
  }

  /** Names of the hosts that the node JSON lists as online. */
  get names(): ReadonlySet<string> {
    return this.expected
  }

  /** Whether no host of the stack was online before the rollout. */
  get isNewStack(): boolean {
    return this.recorded.size === 0
  }

  wasOnline({ name }: RolloutHost): boolean {
    return this.recorded.has(name)
  }

  /** Expects the connected hosts to be online in the end. Others are configured only once, so they learn it now. */
  expectParticipants(): void {
    const { action, progress } = this
    if (action === 'status') return
    const names = new Set(this.expected)
    for (const { name } of this.participants)
      if (action === 'shutdown') names.delete(name)
      else if (progress.isUsable(name)) names.add(name)
    this.expected = names
  }

  /** Leaves out the new hosts that failed. */
  excludeFailedHosts(): void {
    const failed = this.participants.filter((host) => !this.wasOnline(host) && !this.progress.succeeded(host.name))
    const names = new Set(this.expected)
    for (const { name } of failed) names.delete(name)
    this.expected = names
  }

  /** Returns the hosts to record as online or stopped. */
  changes(completed: readonly string[]): { readonly online: readonly string[]; readonly stopped: readonly string[] } {
    return {
      online: deployActions.includes(this.action) ? completed : [],
      stopped: this.action === 'shutdown' ? completed : [],
    }
  }
}
