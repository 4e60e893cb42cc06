/** Runs setup and configure: at once where nothing restarts, and in batches on hosts in service that restart something. */

import type { RunReport } from '../../report/events.ts'
import { resolveHostCount, splitIntoBatches } from '../planning/batches.ts'
import type { Phase } from '../types.ts'
import type { HealthGate, RolloutAbort } from './abort.ts'
import type { Announcement } from './announcement.ts'
import type { HostRunner } from './host_runner.ts'
import type { HostInspection } from './inspection.ts'
import type { RolloutPorts } from './ports.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost, RolloutRequest } from './request.ts'
import { hostNames } from './request.ts'

export class SetupPhase {
  constructor(
    private readonly request: RolloutRequest,
    private readonly ports: Pick<RolloutPorts, 'known'>,
    private readonly progress: RolloutProgress,
    private readonly abort: RolloutAbort,
    private readonly runner: HostRunner,
    private readonly inspection: HostInspection,
    private readonly restarts: RestartBatches,
  ) {}

  /** Runs setup on all hosts at once, except those that are in service and restart something. */
  async run(members: readonly RolloutHost[]): Promise<void> {
    const phase = 'setup'
    const { strategy, restartsInTurn } = this.request
    const isParallel = strategy === 'parallel' && !restartsInTurn
    const asked = isParallel || this.abort.isAborted ? [] : await this.hostsInService(members)
    const { restarting, packaging } = await this.restarts.predict(asked, phase)
    this.restarts.announce(phase, restarting)
    const membersOf = (due: readonly HostWithRestarts[]) => due.map(({ member }) => member)
    // With batches requested, package changes are done in batches as well.
    const waiting = new Set([...membersOf(restarting), ...(restartsInTurn ? [] : membersOf(packaging))])
    const warning = packageWarning(packaging.filter(({ member }) => !waiting.has(member)))
    if (warning !== null) this.progress.addWarning(warning)
    const run = (member: RolloutHost) => this.runner.run(member, phase, { kind: 'events', events: [phase] })
    const [inTurn, others] = [true, false].map((isWaiting) =>
      members.filter((member) => waiting.has(member) === isWaiting),
    ) as [RolloutHost[], RolloutHost[]]
    await this.runner.runPhase(phase, others, run)
    await this.restarts.runInBatches(phase, inTurn, run)
  }

  /** Returns the names of the hosts in service on which the deploy of a setup restarts something. */
  async restartsOfDeploy(members: readonly RolloutHost[]): Promise<ReadonlySet<string>> {
    if (this.abort.isAborted) return new Set()
    const due = await this.restarts.findRestarts(await this.hostsInService(members), 'deploy')
    this.restarts.announce('switch', due)
    return new Set(due.map(({ member }) => member.name))
  }

  /**
   * Finds the hosts that visitors already reach; a restart interrupts nothing on a new host. A host with a current
   * release is in service even without a record here, as in a fresh clone of the repository of the stack file.
   */
  private async hostsInService(members: readonly RolloutHost[]): Promise<RolloutHost[]> {
    const { online } = this.ports.known
    const unknown = members.filter(({ name, apps }) => !online.has(name) && apps.length > 0)
    const releases = await this.inspection.currentReleases(unknown)
    const isServing = ({ name }: RolloutHost) => releases.get(name)?.some(({ release }) => release !== null) === true
    return members.filter((member) => online.has(member.name) || isServing(member))
  }
}

/** Events that a host runs after it missed a deployment. */
export const catchUpEvents = ['setup', 'deploy', 'configure']
const phase = 'configure'

export class ConfigurePhase {
  /** Hosts that had missed an earlier deployment, and now have it. */
  readonly caughtUp: string[] = []

  constructor(
    private readonly request: RolloutRequest,
    private readonly ports: RolloutPorts,
    private readonly progress: RolloutProgress,
    private readonly runner: HostRunner,
    private readonly restarts: RestartBatches,
    private readonly announcement: Announcement,
  ) {}

  /** @param settled hosts whose run ended moments ago: they have nothing to restart */
  async run(members: readonly RolloutHost[], settled: readonly RolloutHost[] = []): Promise<void> {
    const due = await this.hostsWithRestarts(members.filter((member) => !settled.includes(member)))
    const restarting = due.map(({ member }) => member)
    this.restarts.announce(phase, due)
    const others = members.filter((member) => !restarting.includes(member))
    await this.announcement.announceCatchUp(restarting.filter(({ name }) => this.ports.known.behind.has(name)))
    if (this.request.action === 'configure') {
      const batches = Math.max(1, this.restarts.batches(restarting).length)
      this.announcement.announceDuration(members, restarting.length > 0, [], batches)
    }
    await this.runner.runPhase(phase, others, (member) => this.configure(member, settled.includes(member)))
    await this.restarts.runInBatches(
      phase,
      restarting,
      (member) => this.configure(member),
      (left) => this.skipRemaining(left),
    )
  }

  /** Runs configure on a host; a host that missed a deployment gets that first. */
  private async configure(member: RolloutHost, isSettled = false): Promise<void> {
    const late = isSettled ? undefined : this.ports.known.behind.get(member.name)
    if (late === undefined) return this.runner.run(member, phase, { kind: 'events', events: [phase] })
    this.progress.addWarning(`the host missed deployment ${late}, and gets it now`, member.name)
    await this.runner.run(member, phase, { kind: 'events', events: catchUpEvents, migrate: false })
    if (this.progress.succeeded(member.name)) this.caughtUp.push(member.name)
  }

  private skipRemaining(members: readonly RolloutHost[]): void {
    const reason = 'not restarted, because another host failed'
    for (const { name } of members) this.progress.skipHost(name, phase, reason)
    const names = hostNames(members)
    this.progress.addWarning(
      `${names.join(', ')} ${names.length === 1 ? 'was' : 'were'} ${reason}; repair it, then run converge stack configure`,
    )
  }

  /** Finds the hosts that restart something; a host that missed a deployment counts, whatever that changes. */
  private async hostsWithRestarts(members: readonly RolloutHost[]): Promise<readonly HostWithRestarts[]> {
    const { behind } = this.ports.known
    const asked = members.filter(({ name }) => !behind.has(name))
    const due = new Map((await this.restarts.findRestarts(asked, phase)).map((one) => [one.member, one]))
    return members.flatMap((member) => {
      const missed = behind.get(member.name)
      if (missed !== undefined) return [{ member, what: [`all of deployment ${missed}, which it missed`] }]
      return due.get(member) ?? []
    })
  }
}

/** A host that restarts something, with a description of each restart. */
export interface HostWithRestarts {
  readonly member: RolloutHost
  readonly what: readonly string[]
}

interface Prediction {
  readonly restarting: readonly HostWithRestarts[]
  /** Hosts that install or remove packages, whose scripts may restart services; no dry run can tell which. */
  readonly packaging: readonly HostWithRestarts[]
}

export class RestartBatches {
  constructor(
    private readonly request: RolloutRequest,
    private readonly ports: RolloutPorts,
    private readonly progress: RolloutProgress,
    private readonly abort: RolloutAbort,
    private readonly runner: HostRunner,
    private readonly gate: HealthGate,
  ) {}

  /** Finds by a dry run the hosts on which the event restarts something. */
  async findRestarts(members: readonly RolloutHost[], event: string): Promise<readonly HostWithRestarts[]> {
    return (await this.predict(members, event)).restarting
  }

  /** Finds by a dry run what the event restarts on each host, and which packages it installs or removes. */
  async predict(members: readonly RolloutHost[], event: string): Promise<Prediction> {
    const found = new Map<RolloutHost, RunReport | null>()
    const asked = members.filter(({ events }) => events.has(event))
    await this.runner.forEachHost(asked, async (member) => {
      found.set(member, await this.runner.dryRun(member, [event]))
    })
    const due = (wordsIn: (report: RunReport | null) => readonly string[]) =>
      [...members].flatMap((member) => {
        const report = found.get(member)
        const what = report === undefined ? [] : wordsIn(report)
        return what.length > 0 ? [{ member, what }] : []
      })
    return { restarting: due(restartTexts), packaging: due(changedPackages) }
  }

  announce(phase: Phase, due: readonly HostWithRestarts[]): void {
    if (due.length === 0) return
    const hosts = due.map(({ member, what }) => ({ host: member.name, what }))
    this.ports.emit({ event: 'restarts', phase, hosts })
  }

  /** Returns the batches that `inTurn` uses. */
  batches(members: readonly RolloutHost[]): RolloutHost[][] {
    return splitIntoBatches(members, {
      strategy: 'rolling',
      size: this.request.batch,
      first: new Set(),
      reverse: false,
    })
  }

  /**
   * Runs one batch after the other, and checks the site after each, if it answered before.
   * @param leave called with the hosts that are not restarted because too many others failed. Without it they are
   * restarted, unless the rollout aborts.
   */
  async runInBatches(
    phase: Phase,
    members: readonly RolloutHost[],
    run: (member: RolloutHost) => Promise<void>,
    leave?: (members: readonly RolloutHost[]) => void,
  ): Promise<void> {
    const batches = this.batches(members)
    const answers = batches.length > 1 && !this.abort.isAborted && (await this.gate.passesBefore(members))
    for (const [at, batch] of batches.entries()) {
      if (this.abort.isAborted) return
      if (leave !== undefined && this.haveTooManyFailed(members)) return leave(batches.slice(at).flat())
      await this.runner.runPhase(phase, batch, run, { batch: at + 1, batches: batches.length })
      if (answers && !this.abort.isAborted) await this.gate.check()
    }
  }

  /** Decides whether to stop: a restart that fails on one host may fail on the next, until no host answers. */
  private haveTooManyFailed(members: readonly RolloutHost[]): boolean {
    const failed = members.filter(({ name }) => this.progress.hasFailed(name)).length
    return failed > resolveHostCount(this.request.maxFailures, members.length, 0)
  }
}

/** Returns a warning about packages that hosts in service change at the same time; null where none does. */
export function packageWarning(packaging: readonly HostWithRestarts[]): string | null {
  if (packaging.length === 0) return null
  const hosts = packaging.map(({ member }) => member.name)
  const packages = [...new Set(packaging.flatMap(({ what }) => what))].sort()
  return `setup changes packages on ${listNames(hosts, 'hosts')} at the same time: ${listNames(packages, 'packages')}; their scripts may restart services, which a dry run cannot predict; --strategy rolling takes one batch of hosts after the other`
}

/** With more names, a message shows only their number. */
const maxNames = 5

function listNames(names: readonly string[], kind: string): string {
  return names.length > maxNames ? `${names.length} ${kind}` : names.join(', ')
}

/** Characters of a host's text: the host decides how much it sends. */
const maxTextLength = 400

/** Describes the restarts of a dry run. */
function restartTexts(report: RunReport | null): readonly string[] {
  if (report === null || report.outcome === 'failed') return ['not known, since its dry run failed']
  return report.resources.flatMap(({ type, key, outcome, words }) => {
    if (type !== 'service_restart') return []
    if (outcome === 'unknown') return [`${key} (possibly)`.slice(0, maxTextLength)]
    const named = /(?:^|; )restart ([^;]+)/.exec(words ?? '')?.[1]
    return outcome === 'planned' && named !== undefined ? [named.slice(0, maxTextLength)] : []
  })
}

/** Lists the packages that a dry run would install or remove. */
function changedPackages(report: RunReport | null): readonly string[] {
  if (report === null) return []
  return report.resources.flatMap(({ type, key, outcome }) =>
    type === 'package' && outcome === 'planned' ? key.slice(0, maxTextLength).split(' ') : [],
  )
}
