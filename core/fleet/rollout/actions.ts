/** Runs the action of a rollout: which events run on which hosts, and in which order. */
import type { HostCommand } from '../host_client.ts'
import type { Phase } from '../types.ts'
import { CommitResolution } from './commit_resolution.ts'
import { ConfigurePhase, catchUpEvents } from './configure_phase.ts'
import { ConnectPhase } from './connect_phase.ts'
import { FollowUpPhase } from './follow_up_phase.ts'
import { hostOrder } from './hosts/host_order.ts'
import type { RunOptions } from './hosts/host_runner.ts'
import { createPhaseTools, type PhaseTools } from './phase_tools.ts'
import { partialUndeployError } from './result.ts'
import { Rollback } from './rollback.ts'
import { SetupPhase } from './setup_phase.ts'
import { type RolloutContext, reachableBystanders, usableHosts } from './state/context.ts'
import { commandOf, includesApp, type RolloutHost } from './state/request.ts'

/** Events that may build a release and switch to it. */
const buildingEvents = ['deploy', 'rebuild', 'configure']

export class RolloutActions {
  readonly configurePhase: ConfigurePhase
  readonly resolution: CommitResolution
  private readonly tools: PhaseTools
  private readonly setupPhase: SetupPhase
  private readonly rollback: Rollback
  private readonly followUps: FollowUpPhase

  constructor(private readonly context: RolloutContext) {
    this.tools = createPhaseTools(context)
    this.resolution = new CommitResolution(context, this.tools.runner, this.tools.announcement)
    this.setupPhase = new SetupPhase(context, this.tools)
    this.configurePhase = new ConfigurePhase(context, this.tools)
    this.rollback = new Rollback(context, this.tools)
    this.followUps = new FollowUpPhase(context, this.tools.runner)
  }

  private announceNumber(): void {
    const { deploymentId, emit } = this.context.ports
    if (deploymentId !== null) emit({ event: 'deployment', id: deploymentId })
  }

  /** Connects to the hosts, and runs the requested action on them. */
  async run(): Promise<void> {
    const { action, events } = this.context.request
    await new ConnectPhase(this.context, this.tools.runner).connect()
    if (this.context.abort.isAborted) return
    this.context.onlineHosts.expectParticipants()
    if (action !== 'deploy') this.announceNumber()
    switch (action) {
      case 'plan':
        return this.plan(events.length > 0 ? events : catchUpEvents)
      case 'status':
        return this.tools.inspection.queryStatus(this.usableHosts(), this.context.ports.recorded.behind)
      case 'configure':
        await this.configurePhase.run(this.usableHosts())
        return this.followUp()
      case 'hooks':
        return this.runOnAll('hooks', this.usableHosts(), this.command(events))
      case 'run':
        this.tools.announcement.warnOfRun(events, this.usableHosts())
        return this.runEvents(events)
      case 'rollback':
        return this.rollBack()
      case 'shutdown':
        this.tools.announcement.warnOfLastHosts(this.usableHosts())
        await this.configureBystanders()
        return this.inBatches('shutdown', () => this.command(['shutdown']), { reverse: true })
      case 'undeploy':
        return this.undeploy()
      default:
        return this.deploy()
    }
  }

  /** Predicts by a dry run on each host what the events would change. */
  private async plan(events: readonly string[]): Promise<void> {
    const is = (event: string) => events.length === 1 && events[0] === event
    if (is('rollback')) await this.planRollback()
    else if (is('configure')) await this.configurePhase.plan(this.usableHosts())
    else {
      if (events.includes('deploy'))
        await this.configurePhase.announceMissingDeployments(this.usableHosts(), this.context.bystanders)
      await this.runOnAll('plan', this.usableHosts(), this.command(events), { isDryRun: true })
    }
    const changing = this.usableHosts().filter(({ name }) => this.context.progress.get(name).outcome === 'planned')
    this.tools.announcement.warnOfPlan(events, changing)
  }

  /** Runs events by name, some of which build releases from changed attributes. */
  private async runEvents(events: readonly string[]): Promise<void> {
    const builds = events.some((event) => buildingEvents.includes(event))
    const before = await this.tools.inspection.currentReleases(builds ? this.usableHosts() : [])
    const run = () => this.inBatches('run', () => this.command(events))
    await this.tools.inspection.recordChanges(this.usableHosts(), before, run)
  }

  private async deploy(): Promise<void> {
    if (this.context.request.action === 'setup') await this.setupPhase.run(this.usableHosts())
    await this.resolution.resolve(this.usableHosts())
    if (this.context.abort.isAborted) return
    if (this.context.request.action === 'deploy') this.announceNumber()
    await this.tools.inspection.recordReleasesBefore(this.usableHosts())
    const inTurn = this.context.request.restartsInTurn
      ? await this.setupPhase.restartsOfDeploy(this.usableHosts())
      : new Set<string>()
    if (!this.context.abort.isAborted) await this.tools.announcement.announceDeploy(this.usableHosts(), inTurn)
    const building = this.usableHosts().filter(({ events }) => events.has('build'))
    const built = await this.build(building)
    await this.resolution.resolveFetched(this.usableHosts())
    if (this.context.abort.isAborted) return
    this.tools.announcement.announceRebuilds(built)
    await this.switchReleases(inTurn)
    // Roles without a build have fetched only now.
    await this.resolution.resolveFetched([])
    await this.rollback.rollBackAfterFailure(this.context.participants)
    await this.tools.inspection.recordReleasesAfter(this.context.participants)
    await this.configureBystanders()
    await this.followUp()
  }

  /** @returns the names of the hosts whose build changed something */
  private async build(hosts: readonly RolloutHost[]): Promise<ReadonlySet<string>> {
    const changesOf = ({ name }: RolloutHost) => this.context.progress.get(name).counts.changed
    const before = new Map(hosts.map((host) => [host.name, changesOf(host)]))
    await this.runOnAll('build', hosts, { kind: 'events', events: ['build'] })
    return new Set(hosts.filter((host) => changesOf(host) !== before.get(host.name)).map(({ name }) => name))
  }

  /** Switches the hosts to the new releases; one host migrates each app. */
  private switchReleases(inTurn: ReadonlySet<string>): Promise<void> {
    const { retryFailed } = this.context.request
    const command = (_: RolloutHost, migrate: boolean) =>
      ({ kind: 'events', events: ['deploy'], migrate, retryFailed }) as const
    return this.inBatches('switch', command, { usesGate: true, inTurn })
  }

  private command(events: readonly string[]): HostCommand {
    return commandOf(events, this.context.request)
  }

  /** Runs follow-ups after configure, which may deploy to a host that had missed an earlier deployment. */
  private followUp(): Promise<void> {
    const reachable = reachableBystanders(this.context)
    return this.followUps.run(this.context.participants, reachable, this.configurePhase.caughtUp)
  }

  /** Rolls all hosts back to one commit of each app: the requested one, or the one before its last change. */
  private async rollBack(): Promise<void> {
    const { hosts, commandFor } = await this.rollback.plan(this.usableHosts())
    await this.inBatches('rollback', commandFor, { usesGate: true, hosts })
    await this.tools.inspection.recordReleasesAfter(this.context.participants)
    await this.followUp()
  }

  /** Plans a rollback of the stack. The release of a host may differ from the one before its current one. */
  private async planRollback(): Promise<void> {
    const { hosts, commandFor } = await this.rollback.plan(this.usableHosts())
    const run = (host: RolloutHost) => this.tools.runner.run(host, 'plan', commandFor(host), { isDryRun: true })
    await this.tools.runner.runPhase('plan', hosts, run)
  }

  /** Undeploys hosts. The undeploy event removes all apps of a host, so it is refused for only some of them. */
  private async undeploy(): Promise<void> {
    for (const { name, apps } of this.usableHosts()) {
      const otherApps = apps.filter((app) => !includesApp(this.context.request, app))
      if (otherApps.length > 0) this.context.progress.failPhase(name, 'look', partialUndeployError(otherApps))
    }
    this.context.abort.checkFailures()
    if (!this.context.abort.isAborted) this.tools.announcement.warnOfLastHosts(this.usableHosts())
    await this.inBatches('undeploy', () => this.command(['undeploy']), { reverse: true })
    await this.configureBystanders()
  }

  /** Configures the hosts that did not take part, and after a setup those that were set up before others joined. */
  private async configureBystanders(): Promise<void> {
    if (this.context.abort.isAborted) return
    const { action } = this.context.request
    const setUp =
      action === 'setup' ? this.context.participants.filter(({ name }) => this.context.progress.succeeded(name)) : []
    const reachable = reachableBystanders(this.context)
    for (const { name } of reachable) this.context.progress.addBystander(name)
    this.context.onlineHosts.excludeFailedHosts()
    await this.configurePhase.run([...setUp, ...reachable], setUp)
  }

  private usableHosts(): RolloutHost[] {
    return usableHosts(this.context)
  }

  private runOnAll(
    phase: Phase,
    hosts: readonly RolloutHost[],
    command: HostCommand,
    options: RunOptions = {},
  ): Promise<void> {
    return this.tools.runner.runPhase(phase, hosts, (host) => this.tools.runner.run(host, phase, command, options))
  }

  /**
   * Runs batch after batch; with a gate, the health check follows each batch. A site that failed the check before,
   * because it is new or broken, is checked only at the end: otherwise the rollout could never fix it.
   */
  private async inBatches(
    phase: Phase,
    commandFor: (host: RolloutHost, isMigrator: boolean) => HostCommand,
    { reverse = false, usesGate = false, inTurn = new Set(), hosts = this.usableHosts() }: BatchOptions = {},
  ): Promise<void> {
    if (this.context.abort.isAborted) return
    const order = hostOrder(hosts, this.context, { reverse, inTurn })
    const { batches, migrators, first } = order
    const isCheckedAfterEach = usesGate && batches.length > 1 && (await this.tools.gate.passesBeforeSwitch(hosts))
    const run = (host: RolloutHost) => this.tools.runner.run(host, phase, commandFor(host, migrators.has(host.name)))
    for (const [index, batch] of batches.entries()) {
      if (this.context.abort.isAborted) return
      await this.tools.runner.runPhase(phase, batch, run, { first, batch: index + 1, batches: batches.length })
      const isChecked =
        index === batches.length - 1 || (isCheckedAfterEach && batch.some(({ apps }) => apps.length > 0))
      if (usesGate && isChecked && !this.context.abort.isAborted) await this.tools.gate.check()
    }
  }
}

interface BatchOptions {
  readonly reverse?: boolean
  readonly usesGate?: boolean
  /** Hosts that go in batches, even with a strategy in which the others run at once. */
  readonly inTurn?: ReadonlySet<string>
  /** Default: all hosts that have not failed. */
  readonly hosts?: readonly RolloutHost[]
}
