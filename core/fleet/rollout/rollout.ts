/** Runs a rollout: builds on all hosts first, then switches batch by batch, then configures the other hosts. */
import { asConvergeError } from '../../model/errors.ts'
import type { Phase, RolloutReport } from '../types.ts'
import { aftermathOf, means, namesOf, switching } from './aftermath.ts'
import { Board, outcomeOf } from './board.ts'
import { Brake } from './brake.ts'
import { careful, neverBack } from './careful.ts'
import { Commits } from './commits.ts'
import { Configuring, defaultEvents } from './configuring.ts'
import { Connecting } from './connecting.ts'
import { Crew, type RunMore } from './crew.ts'
import { FollowUps } from './follow_up.ts'
import { Forecast } from './forecast.ts'
import { Gate } from './gate.ts'
import { Looking } from './looking.ts'
import { orderOf } from './order.ts'
import { Preparing } from './preparing.ts'
import { whoIsThere, whoWillBeThere } from './presence.ts'
import {
  type Aftermath,
  type Interruption,
  type Member,
  orderName,
  type Ports,
  type RolloutRequest,
} from './request.ts'
import { Restarts } from './restarts.ts'
import { Rollback } from './rollback.ts'
import { runsMore } from './undeploy.ts'

interface Ended {
  readonly report: RolloutReport
  readonly aftermath: Aftermath
  /** Hosts locked by another rollout: in that case this rollout has not begun. */
  readonly busy: readonly BusyHost[]
}

/** A host that another rollout has locked, and its message. */
export interface BusyHost {
  readonly host: string
  readonly message: string
}

export async function rollout(request: RolloutRequest, ports: Ports): Promise<Ended> {
  return new Rollout(request, ports).go()
}

class Rollout {
  private readonly ports: Ports
  private readonly board: Board
  private readonly brake: Brake
  private readonly commits: Commits
  private readonly crew: Crew
  private readonly looking: Looking
  private readonly gate: Gate
  private readonly preparing: Preparing
  private readonly configuring: Configuring
  private readonly rollback: Rollback
  private readonly forecast: Forecast
  private readonly followUps: FollowUps
  private readonly taking: readonly Member[]
  private readonly others: readonly Member[]
  /** Those of `others` that could not be reached. */
  private missed: ReadonlySet<string> = new Set()
  private readonly begun: number

  constructor(
    private readonly request: RolloutRequest,
    given: Ports,
  ) {
    const { members, selected, known } = given
    this.ports = careful({ ...given, clock: neverBack(given.clock) }, (message) => this.board.warnings.push(message))
    const { tell, clock, interrupted } = this.ports
    this.begun = clock()
    this.taking = members.filter(({ name }) => selected.has(name))
    this.others = members.filter(({ name }) => !selected.has(name) && known.online.has(name))
    this.board = new Board(namesOf(this.taking), tell, clock)
    this.brake = new Brake(request, this.board, this.taking, interrupted)
    this.commits = new Commits(request, known.apps, this.others, tell)
    this.crew = new Crew(request, this.ports, this.board, this.brake, this.commits)
    this.looking = new Looking(this.board, this.brake, this.crew)
    this.gate = new Gate(this.ports, this.board, this.brake)
    const { board, brake, crew, commits, looking } = this
    this.forecast = new Forecast(request, this.ports, board, commits, looking)
    const restarts = new Restarts(request, this.ports, board, brake, crew, this.gate)
    this.preparing = new Preparing(request, this.ports, board, brake, crew, looking, restarts)
    this.configuring = new Configuring(request, this.ports, board, crew, restarts, this.forecast)
    this.rollback = new Rollback(request, this.ports, board, brake, crew, looking, commits, this.forecast)
    this.followUps = new FollowUps(request, this.ports, board, brake, commits, crew)
  }

  async go() {
    const { action, stack } = this.request
    const { id, tell, members } = this.ports
    const strategy = orderName(this.request)
    const addresses = Object.fromEntries(members.map(({ name, address }) => [name, address]))
    tell({ event: 'start', id, stack, action, hosts: namesOf(this.taking), strategy, addresses })
    const leave = this.ports.onInterrupt((state) => this.heardInterruption(state))
    try {
      await this.work()
    } catch (thrown) {
      this.brake.stop(asConvergeError(thrown).message)
      this.board.warn(asConvergeError(thrown))
    } finally {
      leave()
      for (const { host } of members) host.close()
    }
    const report = this.report()
    const busy = this.busy(report)
    // Nothing was begun: the caller waits, or reports an error.
    if (busy.length === 0) tell({ event: 'end', report })
    const { request, board, taking, others, missed } = this
    const { caughtUp } = this.configuring
    const ended = { request, board, taking, others, missed, caughtUp, commits: this.commits.found }
    return { report, aftermath: aftermathOf({ ...ended, isStopped: this.brake.isOn }), busy }
  }

  private async work(): Promise<void> {
    const { action, events, options } = this.request
    const connecting = new Connecting(this.request, this.board, this.brake, this.crew, this.ports.tell)
    this.missed = await connecting.connect(this.taking, this.others)
    if (this.brake.isOn) return
    this.crew.online = whoWillBeThere(action, this.crew.online, this.taking, this.board)
    switch (action) {
      case 'plan':
        if (events.length === 1 && events[0] === 'rollback') return this.planRollback()
        return this.everywhere('plan', this.wanting(), events.length > 0 ? events : defaultEvents, {
          dry: true,
          options,
        })
      case 'status':
        return this.looking.status(this.wanting(), this.ports.known.behind)
      case 'configure':
        await this.configuring.all(this.wanting())
        return this.followUp()
      case 'hooks':
        return this.everywhere('hooks', this.wanting(), events, { options })
      case 'run':
        this.forecast.ofRun(events, this.wanting())
        return this.inBatches('run', events, { options })
      case 'rollback':
        return this.goBack()
      case 'shutdown':
        await this.tellOthers()
        return this.inBatches('shutdown', ['shutdown'], { options, reverse: true })
      case 'undeploy':
        return this.undeploy()
      default:
        return this.deploy()
    }
  }

  private async deploy(): Promise<void> {
    if (this.request.action === 'setup') await this.preparing.setUp(this.wanting())
    await this.resolve()
    if (this.brake.isOn) return
    await this.looking.before(this.wanting())
    const inTurn = this.request.restartsInTurn
      ? await this.preparing.restartsOfDeploy(this.wanting())
      : new Set<string>()
    if (!this.brake.isOn) await this.forecast.ofDeploy(this.wanting(), inTurn)
    const building = this.wanting().filter(({ events }) => events.has('build'))
    await this.everywhere('build', building, ['build'])
    if (this.brake.isOn) return
    await this.inBatches('switch', ['deploy'], { gate: true, inTurn })
    await this.rollback.afterFailure(this.taking)
    await this.looking.after(this.taking)
    await this.tellOthers()
    await this.followUp()
  }

  /** Runs follow-ups after configure, which may deploy to a host that had missed an earlier deployment. */
  private followUp(): Promise<void> {
    const reached = this.others.filter(({ name }) => !this.missed.has(name))
    return this.followUps.run(this.taking, reached, this.configuring.caughtUp)
  }

  /** Resolves one commit for each app, on the first host that deploys it. */
  private async resolve(): Promise<void> {
    if (this.brake.isOn) return
    for (const [member, apps] of this.commits.questions(this.wanting()))
      try {
        this.commits.learn(await this.crew.ask(member, 'revisions'), apps)
        if (this.brake.isOn) return
      } catch (thrown) {
        this.board.fail(member.name, 'look', asConvergeError(thrown))
        return this.brake.stop('which commit to deploy could not be told; nothing was deployed')
      }
  }

  /** Rolls all hosts back to one commit of each app: the requested one, or the one before its last change. */
  private async goBack(): Promise<void> {
    const { going, optionsFor } = await this.rollback.requested(this.wanting())
    await this.inBatches('rollback', ['rollback'], { gate: true, members: going, optionsFor })
    await this.looking.after(this.taking)
    await this.followUp()
  }

  /** Plans a rollback of the stack. The release of a host may differ from the one before its current one. */
  private async planRollback(): Promise<void> {
    const { going, optionsFor } = await this.rollback.requested(this.wanting())
    const run = (member: Member) =>
      this.crew.run(member, 'plan', ['rollback'], { dry: true, options: optionsFor(member) })
    await this.crew.together('plan', going, run)
  }

  /** Undeploys hosts. The undeploy event removes all apps of a host, so it is refused for only some of them. */
  private async undeploy(): Promise<void> {
    for (const { name, apps } of this.wanting()) {
      const kept = apps.filter((app) => !this.means(app))
      if (kept.length > 0) this.board.fail(name, 'look', runsMore(kept))
    }
    this.brake.countFailures()
    const { options } = this.request
    await this.inBatches('undeploy', ['undeploy'], { options, reverse: true })
    await this.tellOthers()
  }

  /** Configures the hosts that did not take part, and after a setup those that were set up before others joined. */
  private async tellOthers(): Promise<void> {
    if (this.brake.isOn) return
    const { action } = this.request
    const also = action === 'setup' ? this.taking.filter(({ name }) => this.board.succeeded(name)) : []
    const hear = this.others.filter(({ name }) => !this.missed.has(name))
    for (const { name } of hear) this.board.add(name, true)
    this.crew.online = whoIsThere(this.crew.online, this.ports.known.online, this.taking, this.board)
    await this.configuring.all([...also, ...hear], also)
  }

  private wanting(): Member[] {
    return this.taking.filter(({ name }) => this.board.well(name))
  }

  private means(app: string): boolean {
    return means(this.request, app)
  }

  private everywhere(
    phase: Phase,
    members: readonly Member[],
    events: readonly string[],
    more: RunMore = {},
  ): Promise<void> {
    return this.crew.together(phase, members, (member) => this.crew.run(member, phase, events, more))
  }

  /**
   * Runs batch after batch; with a gate, the health check follows each batch. A site that failed the check before,
   * because it is new or broken, is checked only at the end: otherwise the rollout could never fix it.
   */
  private async inBatches(phase: Phase, events: readonly string[], more: BatchMore): Promise<void> {
    if (this.brake.isOn) return
    const { reverse = false, gate = false, options = [], optionsFor = () => options, members = this.wanting() } = more
    const { inTurn = new Set() } = more
    const deploys = switching.includes(this.request.action)
    const { batches, migrators, first } = orderOf(members, this.request, this.ports, this.commits, {
      reverse,
      inTurn,
    })
    const wasThere = this.taking.some(({ name }) => this.ports.known.online.has(name))
    // A new stack has no site yet: the welcome page of a package answers.
    const isNew = this.ports.known.online.size === 0
    const answers = gate && batches.length > 1 && !isNew && (await this.gate.answersBefore(wasThere))
    const run = (member: Member) => {
      const migrate = deploys ? [migrators.has(member.name) ? '--migrate' : '--no-migrate'] : []
      const retry = deploys && this.request.retryFailed ? ['--retry-failed'] : []
      return this.crew.run(member, phase, events, { options: [...optionsFor(member), ...migrate, ...retry] })
    }
    for (const [at, batch] of batches.entries()) {
      if (this.brake.isOn) return
      await this.crew.together(phase, batch, run, { first, batch: at + 1, batches: batches.length })
      const asked = at === batches.length - 1 || (answers && batch.some(({ apps }) => apps.length > 0))
      if (gate && asked && !this.brake.isOn) await this.gate.pass()
    }
  }

  private busy({ hosts }: RolloutReport): BusyHost[] {
    return hosts.flatMap(({ host, failure, failedIn }) =>
      failure?.code === 'HOST_HELD' && failedIn === 'connect' ? [{ host, message: failure.message }] : [],
    )
  }

  private heardInterruption(state: Interruption): void {
    const { members } = this.ports
    if (state === 'leave') for (const { host } of members) host.close()
    if (state !== 'finish steps') return
    for (const { host, name } of members)
      host.interrupt().catch((thrown: unknown) => this.board.warn(asConvergeError(thrown), name))
  }

  private report(): RolloutReport {
    const { action, stack, comment, by } = this.request
    const strategy = orderName(this.request)
    const { begun, board, brake } = this
    const hosts = board.reports()
    const hostWarnings = board.hostWarnings()
    return {
      id: this.ports.id,
      ...{ stack, action, comment, by, strategy, hosts },
      started: new Date(begun).toISOString(),
      durationMs: this.ports.clock() - begun,
      outcome: outcomeOf(hosts, brake.why !== undefined, this.ports.interrupted()),
      commits: Object.fromEntries(Object.entries(this.commits.found).map(([app, { commit }]) => [app, commit])),
      warnings: board.warnings,
      ...(hostWarnings.length === 0 ? {} : { hostWarnings }),
      ...(brake.why === undefined ? {} : { stopped: brake.why }),
    }
  }
}

interface BatchMore {
  readonly reverse?: boolean
  readonly gate?: boolean
  readonly options?: readonly string[]
  readonly optionsFor?: (member: Member) => readonly string[]
  /** Hosts that take turns where the others run at once. */
  readonly inTurn?: ReadonlySet<string>
  /** Default: all hosts that have not failed. */
  readonly members?: readonly Member[]
}
