/** Runs a phase on several hosts, at most `parallel` at a time, until the rollout aborts. */
import pLimit from 'p-limit'
import { asConvergeError, type ConvergeError } from '../../model/errors.ts'
import type { FailureReport, RunReport } from '../../report/events.ts'
import {
  type HostCommand,
  type HostDocument,
  type HostQuery,
  isDown,
  type PersistMode,
  type RunEvent,
  type RunResult,
} from '../host_client.ts'
import { splitIntoTurns } from '../planning/batches.ts'
import type { Phase } from '../types.ts'
import type { RolloutAbort } from './abort.ts'
import type { DeployCommits } from './commits.ts'
import type { DeployedApps } from './follow_up_phase.ts'
import type { OnlineHosts } from './online_hosts.ts'
import type { RolloutPorts } from './ports.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost, RolloutRequest } from './request.ts'
import { hostNames, missedHint } from './request.ts'

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
  private readonly limit
  /** Number of warnings that each host has sent. */
  private readonly warningCounts = new Map<string, number>()

  constructor(
    private readonly request: RolloutRequest,
    private readonly ports: RolloutPorts,
    private readonly progress: RolloutProgress,
    private readonly abort: RolloutAbort,
    private readonly commits: DeployCommits,
    private readonly onlineHosts: OnlineHosts,
  ) {
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
      if (failed && !this.abort.isAborted)
        this.abort.trigger(`${failed.name} must succeed before all other hosts, and failed`)
    }
  }

  /** Runs a command on a host; a host none of whose roles has a recipe for its events stays unchanged. */
  async run(
    member: RolloutHost,
    phase: Phase,
    command: HostCommand,
    { dry = false, deployed }: RunOptions = {},
  ): Promise<void> {
    const { name, client } = member
    const begun = this.progress.beginPhase(name, phase)
    const own = this.request.roles.length > 0
    const roles = own ? this.request.roles : member.roles
    const possible = own ? command : possibleCommand(command, member)
    if (possible === null) {
      this.progress.recordRun(name, phase, null, null)
      return this.progress.endPhase(name, phase, begun)
    }
    try {
      const request = {
        command: possible,
        roles,
        documents: this.documents(member, deployed),
        dry,
        persist: persistModes[phase],
      }
      const result = await client.run(request, (event) => this.handleEvent(name, phase, event))
      this.progress.recordRun(name, phase, result.report, failureOf(result))
      this.progress.endPhase(name, phase, begun, result.report === null ? {} : { report: result.report })
    } catch (thrown) {
      const error = asConvergeError(thrown)
      if (this.progress.get(name).isBystander && isDown(error)) this.skipBystander(member, phase, error, begun)
      else this.progress.failPhase(name, phase, error, begun)
    }
  }

  /** Skips a host that takes no part and went down: the rollout does not depend on it. */
  private skipBystander(member: RolloutHost, phase: Phase, error: ConvergeError, begun: number): void {
    this.progress.skipHost(member.name, phase, error.message, begun)
    this.progress.addErrorWarning(error, member.name, missedHint(member, this.request, this.ports.members))
  }

  /** Predicts by a dry run what a run would do; null where the dry run fails. */
  async dryRun(member: RolloutHost, events: readonly string[]): Promise<RunReport | null> {
    const { roles, client } = member
    const command = { kind: 'events', events } as const
    const request = { command, roles, documents: this.documents(member), dry: true }
    try {
      return (await client.run(request, () => undefined)).report
    } catch {
      // A failure that prevents the dry run prevents the run as well, and is reported then.
      return null
    }
  }

  query(member: RolloutHost, query: HostQuery): Promise<unknown> {
    return member.client.query(query, { roles: member.roles, documents: this.documents(member) })
  }

  private documents(member: RolloutHost, deployed?: DeployedApps): readonly HostDocument[] {
    const told = this.commits.deploymentLayer(member, this.progress.live(member.name))
    const converge = 'converge' in told ? (told.converge as object) : {}
    const all = deployed === undefined ? told : { ...told, converge: { ...converge, deployed } }
    return this.ports.documents(member.name, this.onlineHosts.names, all)
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

/**
 * Limits a command to the events for which a role of the host has a recipe; null where it has none. Hooks belong to no
 * role, and every host has a scheduler to call.
 */
function possibleCommand(command: HostCommand, { events }: RolloutHost): HostCommand | null {
  if (command.kind === 'hooks') return command
  if (command.kind === 'rollback') return events.has('rollback') ? command : null
  const possible = command.events.filter((event) => events.has(event))
  return possible.length === 0 ? null : { ...command, events: possible }
}

const interrupted: FailureReport = {
  code: 'INTERRUPTED',
  message: 'the run was interrupted, and ended after the current step',
  hint: 'run it again to finish',
}

function failureOf({ status, report, failure }: RunResult): FailureReport | null {
  if (failure !== null || status === 0) return failure
  return report?.outcome === 'interrupted'
    ? interrupted
    : { code: 'REMOTE_FAILED', message: `exit status ${status ?? 'none: it was killed'}` }
}
