/** Connects to the hosts of a rollout: those that take part, and those that must learn of the change. */
import { asConvergeError } from '../../model/errors.ts'
import { isUnreachable } from '../host_client.ts'
import type { Action, EmitEvent } from '../types.ts'
import type { RolloutAbort } from './abort.ts'
import type { HostRunner } from './host_runner.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost, RolloutRequest } from './request.ts'
import { hostNames } from './result.ts'

/** Actions after which the other hosts must adapt: the set of online hosts or the code changes. */
const actionsForBystanders: readonly Action[] = ['setup', 'deploy', 'undeploy', 'shutdown']
/** Read-only actions. They do not lock the host, because another rollout may be running on it. */
const readOnlyActions: readonly Action[] = ['plan', 'status']
const maxNames = 5

export class ConnectPhase {
  constructor(
    private readonly request: RolloutRequest,
    private readonly progress: RolloutProgress,
    private readonly abort: RolloutAbort,
    private readonly runner: HostRunner,
    private readonly emit: EmitEvent,
  ) {}

  /** @returns names of those of `others` that could not be reached */
  async connect(taking: readonly RolloutHost[], others: readonly RolloutHost[]): Promise<ReadonlySet<string>> {
    const { action } = this.request
    const missed = new Set<string>()
    const followers = action === 'rollback' ? others.filter(({ followUps = [] }) => followUps.length > 0) : []
    const news = actionsForBystanders.includes(action) ? others : followers
    const isOver = () => this.abort.isInterrupted
    this.emit({ event: 'phase', phase: 'connect', hosts: hostNames(taking) })
    await Promise.all([
      this.runner.forEachHost(taking, (member) => this.connectParticipant(member), isOver),
      this.runner.forEachHost(news, (member) => this.connectBystander(member, missed), isOver),
    ])
    if (action !== 'status' && !this.abort.isInterrupted) this.abortIfUnusable(taking)
    return missed
  }

  private async connectParticipant({ name, client }: RolloutHost): Promise<void> {
    const { action, down } = this.request
    const begun = this.progress.beginPhase(name, 'connect')
    try {
      await client.connect(!readOnlyActions.includes(action))
      this.progress.get(name).isConnected = true
    } catch (thrown) {
      const error = asConvergeError(thrown)
      if (!isUnreachable(error) || (down === 'fail' && action !== 'status'))
        return this.progress.failPhase(name, 'connect', error, begun)
      this.progress.skipHost(name, 'connect', error.message, begun)
    }
  }

  private async connectBystander({ name, client }: RolloutHost, missed: Set<string>): Promise<void> {
    const { action } = this.request
    try {
      await client.connect(true)
    } catch (thrown) {
      missed.add(name)
      const hint = 'run converge stack configure once it can be reached'
      this.progress.addErrorWarning(asConvergeError(thrown), name, `it misses this ${action} (${hint})`)
    }
  }

  private abortIfUnusable(taking: readonly RolloutHost[]): void {
    const { progress, abort } = this
    if (taking.every(({ name }) => !progress.get(name).isConnected)) return abort.trigger('no host can be used')
    const failed = taking.filter(({ name }) => progress.hasFailed(name))
    if (failed.length === 0) return
    const down = failed.every(({ name }) =>
      ['CONNECT_FAILED', 'HOST_SILENT'].includes(progress.get(name).failure?.code ?? ''),
    )
    const hint = 'add --down skip to continue without them'
    // With more hosts, the summary names each one and the reason.
    const who = failed.length > maxNames ? `${failed.length} hosts` : hostNames(failed).join(', ')
    abort.trigger(`${who} cannot be used; nothing was begun${down ? `; ${hint}` : ''}`)
  }
}
