/** Connects to the hosts of a rollout, and asks them for their releases and their status. */
import { asConvergeError } from '../../model/errors.ts'
import { currentReleases, parseReleases } from '../host_answers.ts'
import { isUnreachable } from '../host_client.ts'
import type { Action, CurrentRelease } from '../types.ts'
import type { RolloutAbort } from './abort.ts'
import type { HostRunner } from './host_runner.ts'
import type { RolloutPorts } from './ports.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost, RolloutRequest } from './request.ts'
import { hostNames, missedHint } from './request.ts'

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
    private readonly ports: Pick<RolloutPorts, 'emit' | 'members'>,
  ) {}

  /** @returns names of those of `others` that could not be reached */
  async connect(taking: readonly RolloutHost[], others: readonly RolloutHost[]): Promise<ReadonlySet<string>> {
    const { action } = this.request
    const missed = new Set<string>()
    const followers = action === 'rollback' ? others.filter(({ followUps = [] }) => followUps.length > 0) : []
    const news = actionsForBystanders.includes(action) ? others : followers
    const isOver = () => this.abort.isInterrupted
    this.ports.emit({ event: 'phase', phase: 'connect', hosts: hostNames(taking) })
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

  private async connectBystander(member: RolloutHost, missed: Set<string>): Promise<void> {
    const { name, client } = member
    try {
      await client.connect(true)
    } catch (thrown) {
      missed.add(name)
      this.progress.addErrorWarning(asConvergeError(thrown), name, missedHint(member, this.request, this.ports.members))
    }
  }

  private abortIfUnusable(taking: readonly RolloutHost[]): void {
    const { progress, abort } = this
    if (taking.every(({ name }) => !progress.get(name).isConnected)) return abort.trigger('no host is usable')
    const failed = taking.filter(({ name }) => progress.hasFailed(name))
    if (failed.length === 0) return
    const down = failed.every(({ name }) =>
      ['CONNECT_FAILED', 'HOST_SILENT'].includes(progress.get(name).failure?.code ?? ''),
    )
    const hint = 'add --down skip to continue without them'
    // With more hosts, the summary names each one and the reason.
    const who = failed.length > maxNames ? `${failed.length} hosts` : hostNames(failed).join(', ')
    abort.trigger(`${who} cannot be used; nothing was changed${down ? `; ${hint}` : ''}`)
  }
}

export class HostInspection {
  constructor(
    private readonly progress: RolloutProgress,
    private readonly abort: RolloutAbort,
    private readonly runner: HostRunner,
  ) {}

  /** Asks each host for its releases before any switch; a host that does not answer has failed. */
  async recordReleasesBefore(members: readonly RolloutHost[]): Promise<void> {
    await this.runner.forEachHost(withApps(members), async (member) => {
      try {
        const releases = parseReleases(await this.runner.query(member, 'releases'))
        Object.assign(this.progress.get(member.name), {
          releasesBefore: releases,
          currentReleases: currentReleases(releases),
        })
      } catch (thrown) {
        this.progress.failPhase(member.name, 'look', asConvergeError(thrown))
      }
    })
    this.abort.checkFailures()
  }

  /** Asks for the current releases after the switch, on those hosts that may have switched. */
  async recordReleasesAfter(members: readonly RolloutHost[]): Promise<void> {
    const touched = withApps(members).filter(({ name }) => {
      const { isConnected, phase } = this.progress.get(name)
      return isConnected && (phase === 'switch' || phase === 'rollback')
    })
    // The releases from before the switch are out of date.
    for (const { name } of touched) this.progress.get(name).currentReleases = []
    const look = async (member: RolloutHost) => {
      try {
        this.progress.get(member.name).currentReleases = currentReleases(
          parseReleases(await this.runner.query(member, 'releases')),
        )
      } catch (thrown) {
        // The failure of a host is recorded already; this one is only a warning.
        this.progress.addErrorWarning(asConvergeError(thrown), member.name)
      }
    }
    await this.runner.forEachHost(touched, look, () => this.abort.hasOperatorQuit)
  }

  /** Returns the current releases; a host that does not answer is left out. */
  async currentReleases(members: readonly RolloutHost[]): Promise<ReadonlyMap<string, readonly CurrentRelease[]>> {
    const live = new Map<string, readonly CurrentRelease[]>()
    const look = async (member: RolloutHost) => {
      const releases = await this.runner.query(member, 'releases').then(parseReleases, () => null)
      if (releases !== null) live.set(member.name, currentReleases(releases))
    }
    await this.runner.forEachHost(members, look, () => this.abort.isInterrupted)
    return live
  }

  async queryStatus(members: readonly RolloutHost[], behind: ReadonlyMap<string, string>): Promise<void> {
    await this.runner.forEachHost(members, async (member) => {
      const begun = this.progress.beginPhase(member.name, 'status')
      try {
        const status = await this.runner.query(member, 'status')
        this.progress.get(member.name).outcome = 'unchanged'
        this.progress.endPhase(member.name, 'status', begun, { status, behind: behind.get(member.name) })
      } catch (thrown) {
        this.progress.failPhase(member.name, 'status', asConvergeError(thrown), begun)
      }
    })
  }
}

function withApps(members: readonly RolloutHost[]): RolloutHost[] {
  return members.filter(({ apps }) => apps.length > 0)
}
