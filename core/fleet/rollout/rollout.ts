/** Runs a rollout: builds on all hosts first, then switches batch by batch, then configures the other hosts. */
import { asConvergeError, type ConvergeError } from '../../model/errors.ts'
import type { HostCommand } from '../host_client.ts'
import type { Phase, RolloutReport } from '../types.ts'
import { HealthGate, RolloutAbort } from './abort.ts'
import { Announcement } from './announcement.ts'
import { CommitResolution } from './commit_resolution.ts'
import { DeployCommits } from './commits.ts'
import { FollowUpPhase } from './follow_up_phase.ts'
import { hostOrder } from './host_order.ts'
import { HostRunner, type RunOptions } from './host_runner.ts'
import { ConnectPhase, HostInspection } from './inspection.ts'
import { OnlineHosts } from './online_hosts.ts'
import { type Interruption, isolateFailures, monotonicClock, type RolloutPorts } from './ports.ts'
import { RolloutProgress, rolloutOutcome } from './progress.ts'
import {
  commandOf,
  hostNames,
  includesApp,
  orderName,
  type RolloutHost,
  type RolloutRequest,
  type StackChanges,
} from './request.ts'
import { partialUndeployError, stackChanges } from './result.ts'
import { Rollback } from './rollback.ts'
import { ConfigurePhase, catchUpEvents, RestartBatches, SetupPhase } from './setup_and_configure.ts'

interface RolloutEnd {
  readonly report: RolloutReport
  readonly changes: StackChanges
  /** Hosts locked by another rollout: in that case this rollout has not begun. */
  readonly busy: readonly BusyHost[]
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
  private readonly ports: RolloutPorts
  private readonly progress: RolloutProgress
  private readonly abort: RolloutAbort
  private readonly commits: DeployCommits
  private readonly runner: HostRunner
  private readonly onlineHosts: OnlineHosts
  private readonly inspection: HostInspection
  private readonly healthGate: HealthGate
  private readonly setupPhase: SetupPhase
  private readonly configurePhase: ConfigurePhase
  private readonly rollback: Rollback
  private readonly announcement: Announcement
  private readonly resolution: CommitResolution
  private readonly followUps: FollowUpPhase
  private readonly participants: readonly RolloutHost[]
  private readonly bystanders: readonly RolloutHost[]
  /** Those of the bystanders that could not be reached. */
  private unreachable: ReadonlySet<string> = new Set()
  private readonly begun: number

  constructor(
    private readonly request: RolloutRequest,
    given: RolloutPorts,
  ) {
    const { members, selected, known } = given
    this.ports = isolateFailures({ ...given, clock: monotonicClock(given.clock) }, (message) =>
      this.progress.warnings.push(message),
    )
    const { emit, clock, interruption } = this.ports
    this.begun = clock()
    this.participants = members.filter(({ name }) => selected.has(name))
    this.bystanders = members.filter(({ name }) => !selected.has(name) && known.online.has(name))
    this.progress = new RolloutProgress(hostNames(this.participants), emit, clock)
    this.abort = new RolloutAbort(request, this.progress, this.participants, interruption)
    this.commits = new DeployCommits(request, known.apps, this.bystanders, this.progress, emit)
    this.onlineHosts = new OnlineHosts(request.action, known.online, this.participants, this.progress, members)
    this.runner = new HostRunner(request, this.ports, this.progress, this.abort, this.commits, this.onlineHosts)
    this.inspection = new HostInspection(this.progress, this.abort, this.runner)
    this.healthGate = new HealthGate(this.ports, this.progress, this.abort, this.onlineHosts)
    const { progress, abort, runner, commits, inspection } = this
    this.announcement = new Announcement(request, this.ports, progress, commits, inspection)
    this.resolution = new CommitResolution(request, progress, abort, runner, commits, this.announcement)
    const restarts = new RestartBatches(request, this.ports, progress, abort, runner, this.healthGate)
    this.setupPhase = new SetupPhase(request, this.ports, progress, abort, runner, inspection, restarts)
    this.configurePhase = new ConfigurePhase(request, this.ports, progress, runner, restarts, this.announcement)
    this.rollback = new Rollback(request, this.ports, progress, abort, runner, inspection, commits, this.announcement)
    this.followUps = new FollowUpPhase(request, this.ports, progress, abort, commits, runner)
  }

  async run() {
    const { action, stack } = this.request
    const { emit, members } = this.ports
    const strategy = orderName(this.request)
    const addresses = Object.fromEntries(members.map(({ name, address }) => [name, address]))
    // Another rollout may have locked the hosts: the number is final once they are locked by this one.
    emit({ event: 'start', id: null, stack, action, hosts: hostNames(this.participants), strategy, addresses })
    const leave = this.ports.onInterrupt((state) => this.onInterruption(state))
    try {
      await this.runAction()
    } catch (thrown) {
      this.abort.trigger(asConvergeError(thrown).message)
      this.progress.addErrorWarning(asConvergeError(thrown))
    } finally {
      leave()
      for (const { client } of members) client.close()
    }
    const report = this.report()
    const lockedHosts = this.findLockedHosts(report)
    // Nothing was begun: the caller waits, or reports an error.
    if (lockedHosts.length === 0 && this.resolution.refusal === null) emit({ event: 'end', report })
    const { request, progress, participants, bystanders, unreachable, onlineHosts } = this
    const { caughtUp } = this.configurePhase
    const changes = stackChanges({
      ...{ request, progress, members, participants, bystanders, unreachable, caughtUp, onlineHosts },
      commits: this.commits.byApp,
      isAborted: this.abort.isAborted,
    })
    return { report, changes, busy: lockedHosts, refusal: this.resolution.refusal }
  }

  private announceNumber(): void {
    const { id, emit } = this.ports
    if (id !== null) emit({ event: 'deployment', id })
  }

  private async runAction(): Promise<void> {
    const { action, events } = this.request
    const connecting = new ConnectPhase(this.request, this.progress, this.abort, this.runner, this.ports)
    this.unreachable = await connecting.connect(this.participants, this.bystanders)
    if (this.abort.isAborted) return
    this.onlineHosts.expectParticipants()
    if (action !== 'deploy') this.announceNumber()
    switch (action) {
      case 'plan':
        if (events.length === 1 && events[0] === 'rollback') return this.planRollback()
        return this.runOnAll('plan', this.usableHosts(), this.command(events.length > 0 ? events : catchUpEvents), {
          dry: true,
        })
      case 'status':
        return this.inspection.queryStatus(this.usableHosts(), this.ports.known.behind)
      case 'configure':
        await this.configurePhase.run(this.usableHosts())
        return this.followUp()
      case 'hooks':
        return this.runOnAll('hooks', this.usableHosts(), this.command(events))
      case 'run':
        this.announcement.warnOfRun(events, this.usableHosts())
        return this.inBatches('run', () => this.command(events))
      case 'rollback':
        return this.rollBack()
      case 'shutdown':
        await this.configureBystanders()
        return this.inBatches('shutdown', () => this.command(['shutdown']), { reverse: true })
      case 'undeploy':
        return this.undeploy()
      default:
        return this.deploy()
    }
  }

  private async deploy(): Promise<void> {
    if (this.request.action === 'setup') await this.setupPhase.run(this.usableHosts())
    await this.resolution.resolve(this.usableHosts())
    if (this.abort.isAborted) return
    if (this.request.action === 'deploy') this.announceNumber()
    await this.inspection.recordReleasesBefore(this.usableHosts())
    const inTurn = this.request.restartsInTurn
      ? await this.setupPhase.restartsOfDeploy(this.usableHosts())
      : new Set<string>()
    if (!this.abort.isAborted) await this.announcement.announceDeploy(this.usableHosts(), inTurn)
    const building = this.usableHosts().filter(({ events }) => events.has('build'))
    await this.runOnAll('build', building, { kind: 'events', events: ['build'] })
    await this.resolution.resolveFetched(this.usableHosts())
    if (this.abort.isAborted) return
    await this.switchReleases(inTurn)
    // Roles without a build have fetched only now.
    await this.resolution.resolveFetched([])
    await this.rollback.rollBackAfterFailure(this.participants)
    await this.inspection.recordReleasesAfter(this.participants)
    await this.configureBystanders()
    await this.followUp()
  }

  /** Switches the hosts to the new releases; one host migrates each app. */
  private switchReleases(inTurn: ReadonlySet<string>): Promise<void> {
    const { retryFailed } = this.request
    const command = (_: RolloutHost, migrate: boolean) =>
      ({ kind: 'events', events: ['deploy'], migrate, retryFailed }) as const
    return this.inBatches('switch', command, { gate: true, inTurn })
  }

  private command(events: readonly string[]): HostCommand {
    return commandOf(events, this.request)
  }

  /** Runs follow-ups after configure, which may deploy to a host that had missed an earlier deployment. */
  private followUp(): Promise<void> {
    const reached = this.bystanders.filter(({ name }) => !this.unreachable.has(name))
    return this.followUps.run(this.participants, reached, this.configurePhase.caughtUp)
  }

  /** Rolls all hosts back to one commit of each app: the requested one, or the one before its last change. */
  private async rollBack(): Promise<void> {
    const { hosts, commandFor } = await this.rollback.plan(this.usableHosts())
    await this.inBatches('rollback', commandFor, { gate: true, members: hosts })
    await this.inspection.recordReleasesAfter(this.participants)
    await this.followUp()
  }

  /** Plans a rollback of the stack. The release of a host may differ from the one before its current one. */
  private async planRollback(): Promise<void> {
    const { hosts, commandFor } = await this.rollback.plan(this.usableHosts())
    const run = (member: RolloutHost) => this.runner.run(member, 'plan', commandFor(member), { dry: true })
    await this.runner.runPhase('plan', hosts, run)
  }

  /** Undeploys hosts. The undeploy event removes all apps of a host, so it is refused for only some of them. */
  private async undeploy(): Promise<void> {
    for (const { name, apps } of this.usableHosts()) {
      const kept = apps.filter((app) => !this.includesApp(app))
      if (kept.length > 0) this.progress.failPhase(name, 'look', partialUndeployError(kept))
    }
    this.abort.checkFailures()
    await this.inBatches('undeploy', () => this.command(['undeploy']), { reverse: true })
    await this.configureBystanders()
  }

  /** Configures the hosts that did not take part, and after a setup those that were set up before others joined. */
  private async configureBystanders(): Promise<void> {
    if (this.abort.isAborted) return
    const { action } = this.request
    const also = action === 'setup' ? this.participants.filter(({ name }) => this.progress.succeeded(name)) : []
    const hear = this.bystanders.filter(({ name }) => !this.unreachable.has(name))
    for (const { name } of hear) this.progress.addBystander(name)
    this.onlineHosts.excludeFailedHosts()
    await this.configurePhase.run([...also, ...hear], also)
  }

  private usableHosts(): RolloutHost[] {
    return this.participants.filter(({ name }) => this.progress.isUsable(name))
  }

  private includesApp(app: string): boolean {
    return includesApp(this.request, app)
  }

  private runOnAll(
    phase: Phase,
    members: readonly RolloutHost[],
    command: HostCommand,
    options: RunOptions = {},
  ): Promise<void> {
    return this.runner.runPhase(phase, members, (member) => this.runner.run(member, phase, command, options))
  }

  /**
   * Runs batch after batch; with a gate, the health check follows each batch. A site that failed the check before,
   * because it is new or broken, is checked only at the end: otherwise the rollout could never fix it.
   */
  private async inBatches(
    phase: Phase,
    commandFor: (member: RolloutHost, isMigrator: boolean) => HostCommand,
    { reverse = false, gate = false, inTurn = new Set(), members = this.usableHosts() }: BatchOptions = {},
  ): Promise<void> {
    if (this.abort.isAborted) return
    const order = hostOrder(members, this.request, this.ports, this.commits, { reverse, inTurn })
    const { batches, migrators, first } = order
    const answers = gate && batches.length > 1 && (await this.healthGate.passesBefore(members))
    const run = (member: RolloutHost) => this.runner.run(member, phase, commandFor(member, migrators.has(member.name)))
    for (const [at, batch] of batches.entries()) {
      if (this.abort.isAborted) return
      await this.runner.runPhase(phase, batch, run, { first, batch: at + 1, batches: batches.length })
      const isChecked = at === batches.length - 1 || (answers && batch.some(({ apps }) => apps.length > 0))
      if (gate && isChecked && !this.abort.isAborted) await this.healthGate.check()
    }
  }

  private findLockedHosts({ hosts }: RolloutReport): BusyHost[] {
    return hosts.flatMap(({ host, failure, failedIn }) =>
      failure?.code === 'HOST_HELD' && failedIn === 'connect' ? [{ host, message: failure.message }] : [],
    )
  }

  private onInterruption(state: Interruption): void {
    const { members } = this.ports
    if (state === 'leave') for (const { client } of members) client.close()
    if (state !== 'finish steps') return
    for (const { client, name } of members)
      client.interrupt().catch((thrown: unknown) => this.progress.addErrorWarning(asConvergeError(thrown), name))
  }

  private report(): RolloutReport {
    const { action, stack, comment, by } = this.request
    const strategy = orderName(this.request)
    const { begun, progress, abort } = this
    const hosts = progress.reports()
    const hostWarnings = progress.hostWarnings()
    return {
      id: this.ports.id,
      ...{ stack, action, comment, by, strategy, hosts },
      started: new Date(begun).toISOString(),
      durationMs: this.ports.clock() - begun,
      outcome: rolloutOutcome(hosts, abort.reason !== undefined, this.ports.interruption()),
      commits: Object.fromEntries(Object.entries(this.commits.byApp).map(([app, { commit }]) => [app, commit])),
      warnings: progress.warnings,
      ...(hostWarnings.length === 0 ? {} : { hostWarnings }),
      ...(abort.reason === undefined ? {} : { stopped: abort.reason }),
    }
  }
}

interface BatchOptions {
  readonly reverse?: boolean
  readonly gate?: boolean
  /** Hosts that take turns where the others run at once. */
  readonly inTurn?: ReadonlySet<string>
  /** Default: all hosts that have not failed. */
  readonly members?: readonly RolloutHost[]
}
