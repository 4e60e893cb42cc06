/** Decides which hosts of a stack are online: for the node JSON of the other hosts, and for the record of the stack. */
import type { StackState } from '../../records/stack_state.ts'
import type { Stack } from '../../stack/stack.ts'
import type { Action } from '../../types.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost } from './request.ts'
import { deployActions } from './request.ts'

/** Returns the hosts that are online by the stack file and the record of the stack. */
export function recordedOnline(stack: Stack, { hosts }: StackState): ReadonlySet<string> {
  const online = stack.hosts.filter(({ name, status }) => status === 'online' && hosts[name]?.status === 'online')
  return new Set(online.map(({ name }) => name))
}

/** Whether the host was shut down, by the record. */
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
    /** All hosts of the stack that are not shut down. */
    private readonly stackHosts: readonly RolloutHost[],
  ) {
    this.expected = recorded
  }

  /** Names of the hosts that the node JSON lists as online. */
  get names(): ReadonlySet<string> {
    return this.expected
  }

  /**
   * Decides whether the site of these hosts was in service before the rollout. Each of their apps needs a host that was
   * online, and so does each layer without apps, such as the frontends: the welcome page of a package may answer there.
   */
  servedSiteOf(hosts: readonly RolloutHost[]): boolean {
    const online = this.stackHosts.filter((host) => this.wasOnline(host))
    const apps = new Set(online.flatMap((host) => host.apps))
    const frontends = new Set(online.filter(runsNoApp).map(layerOf))
    const hasFrontends = this.stackHosts.filter(runsNoApp).every((host) => frontends.has(layerOf(host)))
    return online.length > 0 && hasFrontends && hosts.every((host) => host.apps.every((app) => apps.has(app)))
  }

  wasOnline({ name }: RolloutHost): boolean {
    return this.recorded.has(name)
  }

  /**
   * Lists the connected hosts as online already: other hosts are configured only once, with the hosts that are online at
   * the end.
   */
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

function runsNoApp({ apps }: RolloutHost): boolean {
  return apps.length === 0
}

/** Identifies the layer of a host: its position in the order of layers, and its roles. */
function layerOf({ stage, roles }: RolloutHost): string {
  return JSON.stringify([stage, [...roles].sort()])
}
