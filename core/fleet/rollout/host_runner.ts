/** Runs a phase on several hosts, at most `parallel` at a time, until the rollout aborts. */
import pLimit from 'p-limit'
import { asConvergeError } from '../../model/errors.ts'
import type { FailureReport, RunReport } from '../../report/events.ts'
import type { HostDocument, PersistMode, RunEvent, RunResult } from '../host_client.ts'
import type { Phase } from '../types.ts'
import type { RolloutAbort } from './abort.ts'
import { splitIntoTurns } from './batches.ts'
import type { DeployCommits } from './commits.ts'
import type { DeployedApps } from './follow_up_phase.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost, RolloutPorts, RolloutRequest } from './request.ts'
import { hostNames } from './result.ts'

/** The state that a host stores after each phase, for its own scheduler; other phases do not change it. */
const persistModes: Partial<Readonly<Record<Phase, PersistMode>>> = {
  setup: 'online',
  switch: 'online',
  configure: 'same',
  rollback: 'same',
  shutdown: 'stopped',
  hooks: 'first',
}

/** The most warnings of one host that are displayed, and characters of each: all stay in memory until the end. */
const mostWarnings = 200
const longestWarning = 4000

export interface RunOptions {
  readonly dry?: boolean
  /** The value of `converge.deployed` in the node JSON. */
  readonly deployed?: DeployedApps
  readonly options?: readonly string[]
}

interface PhaseOptions {
  readonly batch?: number
  readonly batches?: number
  /** Those of the hosts that migrate or create a database: each runs alone, before the others. */
  readonly first?: ReadonlySet<string>
  /** Decides whether to start no further host; default: when the rollout aborts. */
  readonly isOver?: () => boolean
}

const noHosts: ReadonlySet<string> = new Set()

export class HostRunner {
  /** Hosts that the node JSON of other hosts lists as online. */
  online: ReadonlySet<string>
  private readonly limit
  /** Number of warnings that each host has sent. */
  private readonly warningCounts = new Map<string, number>()

  constructor(
    private readonly request: RolloutRequest,
    private readonly ports: RolloutPorts,
    private readonly progress: RolloutProgress,
    private readonly abort: RolloutAbort,
    private readonly commits: DeployCommits,
  ) {
    this.online = ports.known.online
    this.limit = pLimit(Math.max(1, request.parallel))
  }

  /** Runs `work` on each host, and waits for all of them, even when one fails. */
  async forEachHost(
    members: readonly RolloutHost[],
    work: (member: RolloutHost) => Promise<void>,
    isOver: () => boolean = () => this.abort.isAborted,
  ): Promise<void> {
    const one = async (member: RolloutHost) => {
      if (!isOver()) await work(member)
    }
    const ends = await Promise.allSettled(members.map((member) => this.limit(() => one(member))))
    const broken = ends.find((end) => end.status === 'rejected')
    if (broken) throw broken.reason
  }

  /** Announces a phase, and runs it on its hosts. */
  async runPhase(
    phase: Phase,
    members: readonly RolloutHost[],
    work: (member: RolloutHost) => Promise<void>,
    { first = noHosts, isOver, ...batch }: PhaseOptions = {},
  ): Promise<void> {
    if (members.length === 0) return
    this.ports.emit({ event: 'phase', phase, hosts: hostNames(members), ...batch })
    const counted = async (member: RolloutHost) => {
      await work(member)
      // Other hosts may have failed in the meantime.
      this.abort.checkFailures()
    }
    for (const turn of splitIntoTurns(members, first)) {
      await this.forEachHost(turn, counted, isOver)
      const failed = turn.find(({ name }) => first.has(name) && !this.progress.succeeded(name))
      // New code must not run on data that is not migrated.
      if (failed && !this.abort.isAborted) this.abort.trigger(`${failed.name} had to go before all others, and failed`)
    }
  }

  async runEvents(
    member: RolloutHost,
    phase: Phase,
    events: readonly string[],
    { dry = false, options = [], deployed }: RunOptions = {},
  ): Promise<void> {
    const { name, client } = member
    const begun = this.progress.beginPhase(name, phase)
    const own = this.request.roles.length > 0
    const roles = own ? this.request.roles : member.roles
    const has = own ? events : events.filter((event) => isHook(event) || member.events.has(event))
    // None of its roles has a recipe for these events.
    if (has.length === 0) {
      this.progress.recordRun(name, phase, null, null)
      return this.progress.endPhase(name, phase, begun)
    }
    try {
      const request = {
        events: has,
        roles,
        documents: this.documents(member, deployed),
        dry,
        options,
        persist: persistModes[phase],
      }
      const result = await client.run(request, (event) => this.handleEvent(name, phase, event))
      this.progress.recordRun(name, phase, result.report, failureOf(result))
      this.progress.endPhase(name, phase, begun, result.report === null ? {} : { report: result.report })
    } catch (thrown) {
      this.progress.failPhase(name, phase, asConvergeError(thrown), begun)
    }
  }

  /** Predicts by a dry run what a run would do; null where the dry run fails. */
  async dryRun(member: RolloutHost, events: readonly string[]): Promise<RunReport | null> {
    const { roles, client } = member
    const request = { events, roles, documents: this.documents(member), dry: true, options: [] }
    try {
      return (await client.run(request, () => undefined)).report
    } catch {
      // A failure that prevents the dry run prevents the run as well, and is reported then.
      return null
    }
  }

  query(member: RolloutHost, command: 'revisions' | 'releases' | 'status'): Promise<unknown> {
    return member.client.query([command], { roles: member.roles, documents: this.documents(member) })
  }

  private documents(member: RolloutHost, deployed?: DeployedApps): readonly HostDocument[] {
    const told = this.commits.deploymentLayer(member, this.progress.live(member.name))
    const converge = 'converge' in told ? (told.converge as object) : {}
    const all = deployed === undefined ? told : { ...told, converge: { ...converge, deployed } }
    return this.ports.documents(member.name, this.online, all)
  }

  private handleEvent(host: string, phase: Phase, event: RunEvent): void {
    this.ports.log(host, event)
    if (event.event === 'applying') this.ports.emit({ event: 'host', host, phase, step: shortenedStep(event.name) })
    else if (event.event === 'warning') this.addHostWarning(host, event.message)
  }

  private addHostWarning(host: string, message: unknown): void {
    const count = (this.warningCounts.get(host) ?? 0) + 1
    this.warningCounts.set(host, count)
    if (count > mostWarnings || typeof message !== 'string') return
    const text = count === mostWarnings ? `more than ${mostWarnings - 1} warnings: the rest is in its log` : message
    this.progress.addHostWarning(host, text.slice(0, longestWarning))
  }
}

/** Shortens a step to the length that a screen displays. */
function shortenedStep(name: unknown): string | undefined {
  return typeof name === 'string' ? name.slice(0, longestWarning) : undefined
}

/** Decides whether an event is a hook: it belongs to no role, and every host has a scheduler to call. */
function isHook(event: string): boolean {
  return event.startsWith('hooks_')
}

const interrupted: FailureReport = {
  code: 'INTERRUPTED',
  message: 'the run was told to end, and has ended after the step at hand',
  hint: 'run it again to finish',
}

function failureOf({ status, report, failure }: RunResult): FailureReport | null {
  if (failure !== null || status === 0) return failure
  return report?.outcome === 'interrupted'
    ? interrupted
    : { code: 'REMOTE_FAILED', message: `exit status ${status ?? 'none: it was killed'}` }
}
