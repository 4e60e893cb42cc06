/** Runs a rollout from its first event to its report, handles interrupts, and closes the connections. */
import { asConvergeError, type ConvergeError } from '../../model/errors.ts'
import { omitUndefined } from '../../model/omit_undefined.ts'
import type { RolloutReport } from '../types.ts'
import { RolloutActions } from './actions.ts'
import { stackChanges } from './result.ts'
import { createContext, type RolloutContext } from './state/context.ts'
import type { Interruption, RolloutPorts } from './state/ports.ts'
import { rolloutOutcome } from './state/progress.ts'
import { hostNames, orderName, type RolloutRequest, type StackChanges } from './state/request.ts'

interface RolloutEnd {
  readonly report: RolloutReport
  readonly changes: StackChanges
  /** Hosts locked by another rollout: in that case this rollout has not begun. */
  readonly lockedHosts: readonly BusyHost[]
  /** Why it was refused before it changed anything; null otherwise. */
  readonly refusal: ConvergeError | null
}

/** A host that another rollout has locked, and its message. */
export interface BusyHost {
  readonly host: string
  readonly message: string
}

export async function rollout(request: RolloutRequest, ports: RolloutPorts): Promise<RolloutEnd> {
  return new Rollout(request, ports).run()
}

class Rollout {
  private readonly context: RolloutContext
  private readonly actions: RolloutActions
  private readonly startedAt: number

  constructor(request: RolloutRequest, ports: RolloutPorts) {
    this.context = createContext(request, ports)
    this.startedAt = this.context.ports.clock()
    this.actions = new RolloutActions(this.context)
  }

  async run() {
    const { action, stack } = this.context.request
    const { emit, hosts } = this.context.ports
    const strategy = orderName(this.context.request)
    const addresses = Object.fromEntries(hosts.map(({ name, address }) => [name, address]))
    // Another rollout may have locked the hosts: the number is final once they are locked by this one.
    emit({ event: 'start', id: null, stack, action, hosts: hostNames(this.context.participants), strategy, addresses })
    const removeListener = this.context.ports.onInterrupt((state) => this.onInterruption(state))
    const endWatch = this.context.pause.watch()
    try {
      await this.actions.run()
    } catch (thrown) {
      this.context.abort.trigger(asConvergeError(thrown).message)
      this.context.progress.addErrorWarning(asConvergeError(thrown))
    } finally {
      removeListener()
      endWatch()
      for (const { client } of hosts) client.close()
    }
    const report = this.report()
    const lockedHosts = this.findLockedHosts(report)
    // Nothing was begun: the caller waits, or reports an error.
    if (lockedHosts.length === 0 && this.actions.resolution.refusal === null) emit({ event: 'end', report })
    const changes = stackChanges(this.context, this.actions.configurePhase.caughtUp)
    return { report, changes, lockedHosts, refusal: this.actions.resolution.refusal }
  }

  private findLockedHosts({ hosts }: RolloutReport): BusyHost[] {
    return hosts.flatMap(({ host, failure, failedIn }) =>
      failure?.code === 'HOST_HELD' && failedIn === 'connect' ? [{ host, message: failure.message }] : [],
    )
  }

  private onInterruption(state: Interruption): void {
    const { hosts } = this.context.ports
    if (state === 'leave') for (const { client } of hosts) client.close()
    if (state !== 'finish steps') return
    for (const { client, name } of hosts)
      client
        .interrupt()
        .catch((thrown: unknown) => this.context.progress.addErrorWarning(asConvergeError(thrown), name))
  }

  private report(): RolloutReport {
    const { action, stack, comment, operator } = this.context.request
    const strategy = orderName(this.context.request)
    const { startedAt } = this
    const { progress, abort } = this.context
    const hosts = progress.reports()
    const hostWarnings = progress.hostWarnings()
    return {
      id: this.context.ports.deploymentId,
      stack,
      action,
      comment,
      by: operator,
      strategy,
      hosts,
      started: new Date(startedAt).toISOString(),
      durationMs: this.context.ports.clock() - startedAt,
      outcome: rolloutOutcome(hosts, abort.reason !== undefined, this.context.ports.interruption()),
      commits: Object.fromEntries(Object.entries(this.context.commits.byApp).map(([app, { commit }]) => [app, commit])),
      warnings: progress.warnings,
      ...(hostWarnings.length === 0 ? {} : { hostWarnings }),
      ...omitUndefined({ stopped: abort.reason }),
    }
  }
}
