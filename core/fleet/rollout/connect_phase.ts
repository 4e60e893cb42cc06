/** Connects to the hosts of a rollout, and decides which of those that cannot be reached end it. */
import { asConvergeError } from '../../model/errors.ts'
import { isUnreachable } from '../host_client.ts'
import type { Action } from '../types.ts'
import type { HostRunner } from './hosts/host_runner.ts'
import type { RolloutContext } from './state/context.ts'
import { hostNames, missingDeploymentHint, type RolloutHost } from './state/request.ts'

/** Actions after which the other hosts must adapt: the set of online hosts or the code changes. */
const actionsForBystanders: readonly Action[] = ['setup', 'deploy', 'undeploy', 'shutdown']
/** Read-only actions. They do not lock the host, because another rollout may be running on it. */
const readOnlyActions: readonly Action[] = ['plan', 'status']
const maxNames = 5

export class ConnectPhase {
  constructor(
    private readonly context: RolloutContext,
    private readonly runner: HostRunner,
  ) {}

  async connect(): Promise<void> {
    const { request, participants, bystanders } = this.context
    const { action } = request
    const followers = action === 'rollback' ? bystanders.filter(({ followUps = [] }) => followUps.length > 0) : []
    const adapting = actionsForBystanders.includes(action) ? bystanders : followers
    const isOver = () => this.context.abort.isInterrupted
    this.context.ports.emit({ event: 'phase', phase: 'connect', hosts: hostNames(participants) })
    await Promise.all([
      this.runner.forEachHost(participants, (host) => this.connectParticipant(host), isOver),
      this.runner.forEachHost(adapting, (host) => this.connectBystander(host), isOver),
    ])
    if (action !== 'status' && !this.context.abort.isInterrupted) this.abortIfUnusable(participants)
  }

  private async connectParticipant({ name, client }: RolloutHost): Promise<void> {
    const { action, onUnreachable } = this.context.request
    const startedAt = this.context.progress.beginPhase(name, 'connect')
    try {
      await client.connect(!readOnlyActions.includes(action))
      this.context.progress.get(name).isConnected = true
      this.context.ports.emit({ event: 'connection', host: name, state: 'open' })
    } catch (thrown) {
      const error = asConvergeError(thrown)
      if (!isUnreachable(error) || (onUnreachable === 'fail' && action !== 'status'))
        return this.context.progress.failPhase(name, 'connect', error, startedAt)
      this.context.progress.skipHost(name, 'connect', error.message, startedAt)
    }
  }

  private async connectBystander(host: RolloutHost): Promise<void> {
    const { name, client } = host
    try {
      await client.connect(true)
    } catch (thrown) {
      this.context.unreachable.add(name)
      this.context.progress.addErrorWarning(
        asConvergeError(thrown),
        name,
        missingDeploymentHint(host, this.context.request, this.context.ports.hosts),
      )
    }
  }

  private abortIfUnusable(participants: readonly RolloutHost[]): void {
    const { progress, abort } = this.context
    if (participants.every(({ name }) => !progress.get(name).isConnected)) return abort.trigger('no host is usable')
    const failed = participants.filter(({ name }) => progress.hasFailed(name))
    if (failed.length === 0) return
    const allUnreachable = failed.every(({ name }) =>
      ['CONNECT_FAILED', 'HOST_SILENT'].includes(progress.get(name).failure?.code ?? ''),
    )
    const hint = `add --down skip to continue without ${failed.length === 1 ? 'it' : 'them'}`
    // With more hosts, the summary names each one and the reason.
    const names = failed.length > maxNames ? `${failed.length} hosts` : hostNames(failed).join(', ')
    abort.trigger(`${names} cannot be used; nothing was changed${allUnreachable ? `; ${hint}` : ''}`)
  }
}
