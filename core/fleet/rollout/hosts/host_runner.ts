/** Runs a phase on several hosts, at most `parallel` at a time, until the rollout aborts. */
import pLimit from 'p-limit'
import { asConvergeError, type ConvergeError } from '../../../model/errors.ts'
import type { FailureReport, RunReport } from '../../../report/events.ts'
import {
  type HostCommand,
  type HostDocument,
  type HostQuery,
  isDown,
  type PersistMode,
  type RunRequest,
  type RunResult,
} from '../../host_client.ts'
import { splitIntoTurns } from '../../planning/batches.ts'
import type { CurrentRelease, Phase } from '../../types.ts'
import { absentHosts, type RolloutContext } from '../state/context.ts'
import type { DeployedApps } from '../state/deploy_commits.ts'
import type { RolloutHost } from '../state/request.ts'
import { hostNames, missingDeploymentHint } from '../state/request.ts'

/** The state that a host stores after each phase, for its own scheduler; other phases do not change it. */
const persistModes: Partial<Readonly<Record<Phase, PersistMode>>> = {
  setup: 'online',
  switch: 'online',
  configure: 'same',
  rollback: 'same',
  shutdown: 'stopped',
  hooks: 'first',
}

// The warnings of a host stay in memory until the end.
/** The most warnings of one host that are displayed. */
const maxWarnings = 200
/** Characters of a warning that are displayed. */
const maxTextLength = 4000

/** The apps of a missed deployment, for a host that gets it. */
interface MissingDeployment {
  readonly apps: readonly string[]
  readonly currentReleases: readonly CurrentRelease[]
}

export interface RunOptions {
  readonly isDryRun?: boolean
  /** The value of `converge.deployed` in the node JSON. */
  readonly deployed?: DeployedApps
  /** The only apps to deploy, and the current releases of the others, which stay. */
  readonly missing?: MissingDeployment
}

export interface DryRunResult {
  readonly report: RunReport | null
  /** Why the dry run failed. */
  readonly problem: string | undefined
}

interface PhaseOptions {
  readonly batch?: number
  readonly batches?: number
  /** Those of the hosts that migrate or create a database: each runs alone, before the others. */
  readonly first?: ReadonlySet<string>
  /** Decides whether to start no further host; default: when the rollout aborts. */
  readonly isOver?: () => boolean
  /** Whether a pause of the operator holds it back; default true. */
  readonly isPausable?: boolean
}

/** Milliseconds between two progress lines of a step. */
const detailPauseMs = 1000

const noHosts: ReadonlySet<string> = new Set()

export class HostRunner {
  private readonly limit
  /** Number of warnings that each host has sent. */
  private readonly warningCounts = new Map<string, number>()

  constructor(private readonly context: RolloutContext) {
    this.limit = pLimit(Math.max(1, context.request.parallel))
  }

  /** Runs `work` on each host, and waits for all of them, even when one fails. */
  async forEachHost(
    hosts: readonly RolloutHost[],
    work: (host: RolloutHost) => Promise<void>,
    isOver: () => boolean = () => this.context.abort.isAborted,
  ): Promise<void> {
    const runOne = async (host: RolloutHost) => {
      if (!isOver()) await work(host)
    }
    const results = await Promise.allSettled(hosts.map((host) => this.limit(() => runOne(host))))
    const rejected = results.find((end) => end.status === 'rejected')
    if (rejected) throw rejected.reason
  }

  /** Announces a phase, and runs it on its hosts. */
  async runPhase(
    phase: Phase,
    hosts: readonly RolloutHost[],
    work: (host: RolloutHost) => Promise<void>,
    { first = noHosts, isOver, isPausable = true, ...batch }: PhaseOptions = {},
  ): Promise<void> {
    if (hosts.length === 0) return
    this.context.ports.emit({ event: 'phase', phase, hosts: hostNames(hosts), ...batch })
    const isPhaseOver = isOver ?? (() => this.context.abort.isAborted)
    const workAndCheck = async (host: RolloutHost) => {
      if (isPausable) await this.context.pause.pass(isPhaseOver)
      if (isPhaseOver()) return
      await work(host)
      // Other hosts may have failed in the meantime.
      this.context.abort.checkFailures()
    }
    for (const turn of splitIntoTurns(hosts, first)) {
      await this.forEachHost(turn, workAndCheck, isPhaseOver)
      const failed = turn.find(({ name }) => first.has(name) && !this.context.progress.succeeded(name))
      // New code must not run on data that is not migrated.
      if (failed && !this.context.abort.isAborted)
        this.context.abort.trigger(`${failed.name} must succeed before all other hosts, and failed`)
    }
  }

  /** Runs a command on a host; a host none of whose roles has a recipe for its events stays unchanged. */
  async run(
    host: RolloutHost,
    phase: Phase,
    command: HostCommand,
    { isDryRun = false, deployed, missing }: RunOptions = {},
  ): Promise<void> {
    const { name } = host
    const startedAt = this.context.progress.beginPhase(name, phase)
    const hasRequestedRoles = this.context.request.roles.length > 0
    const roles = hasRequestedRoles ? this.context.request.roles : host.roles
    const possible = hasRequestedRoles ? command : possibleCommand(command, host)
    if (possible === null) {
      this.context.progress.recordRun(name, phase, null, null)
      return this.context.progress.endPhase(name, phase, startedAt)
    }
    try {
      const request = {
        command: possible,
        roles,
        documents: this.documents(host, deployed, missing),
        isDryRun,
        persist: persistModes[phase],
        absentHosts: absentHosts(this.context),
      }
      const result = await this.runOn(host, phase, request)
      const failure = failureOf(result)
      // Of a plan with --only or --skip, some hosts declare nothing of what is named.
      const hasNoMatch = phase === 'plan' && failure?.code === 'INVALID_SELECTION'
      if (hasNoMatch) this.context.progress.addWarning(failure.message, name)
      this.context.progress.recordRun(name, phase, result.report, hasNoMatch ? null : failure)
      this.context.progress.endPhase(name, phase, startedAt, result.report === null ? {} : { report: result.report })
    } catch (thrown) {
      const error = asConvergeError(thrown)
      if (this.context.progress.get(name).isBystander && isDown(error))
        this.skipBystander(host, phase, error, startedAt)
      else this.context.progress.failPhase(name, phase, error, startedAt)
    }
  }

  /** Runs a request, and reports its steps and warnings. */
  private async runOn({ name: host, client }: RolloutHost, phase: Phase, request: RunRequest): Promise<RunResult> {
    let step: string | undefined
    const detail = new StepDetail((line) => this.context.ports.emit({ event: 'host', host, phase, step, detail: line }))
    try {
      return await client.run(request, (event) => {
        this.context.ports.log(host, event)
        if (event.event === 'applying') {
          detail.end()
          step = shortenedText(event.name)
          this.context.ports.emit({ event: 'host', host, phase, step })
        } else if (event.event === 'progress' && typeof event.line === 'string') {
          const line = event.line.trim()
          if (step !== undefined && line !== '') detail.add(line.slice(0, maxTextLength))
        } else if (event.event === 'warning') this.addHostWarning(host, event.message)
      })
    } finally {
      detail.end()
    }
  }

  /** Skips a host that takes no part and went down: the rollout does not depend on it. */
  private skipBystander(host: RolloutHost, phase: Phase, error: ConvergeError, startedAt: number): void {
    this.context.progress.skipHost(host.name, phase, error.message, startedAt)
    this.context.progress.addErrorWarning(
      error,
      host.name,
      missingDeploymentHint(host, this.context.request, this.context.ports.hosts),
    )
  }

  /** Predicts by a dry run what a run would do, or why nobody knows: what prevents the dry run prevents the run as well. */
  async dryRun(host: RolloutHost, events: readonly string[]): Promise<DryRunResult> {
    const { roles, client } = host
    const command = { kind: 'events', events } as const
    const request = { command, roles, documents: this.documents(host), isDryRun: true }
    try {
      const result = await client.run(request, () => undefined)
      return { report: result.report, problem: failureOf(result)?.message }
    } catch (thrown) {
      return { report: null, problem: asConvergeError(thrown).message }
    }
  }

  query(host: RolloutHost, query: HostQuery): Promise<unknown> {
    return host.client.query(query, { roles: host.roles, documents: this.documents(host) })
  }

  private documents(host: RolloutHost, deployed?: DeployedApps, missing?: MissingDeployment): readonly HostDocument[] {
    const current = missing?.currentReleases ?? this.context.progress.currentReleasesOf(host.name)
    const layer = this.context.commits.deploymentLayer(host, current, missing?.apps)
    const converge = 'converge' in layer ? (layer.converge as object) : {}
    const deployment = deployed === undefined ? layer : { ...layer, converge: { ...converge, deployed } }
    return this.context.ports.documents(host.name, this.context.onlineHosts.names, deployment)
  }

  private addHostWarning(host: string, message: unknown): void {
    const count = (this.warningCounts.get(host) ?? 0) + 1
    this.warningCounts.set(host, count)
    if (count > maxWarnings || typeof message !== 'string') return
    const text = count === maxWarnings ? `more than ${maxWarnings - 1} warnings: the rest is in its log` : message
    this.context.progress.addHostWarning(host, text.slice(0, maxTextLength))
  }
}

/** Shortens a step to the length that a screen displays. */
function shortenedText(name: unknown): string | undefined {
  return typeof name === 'string' ? name.slice(0, maxTextLength) : undefined
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

/** Limits the progress lines of a step: a build prints thousands, and the screen and JSON readers need the last one. */
export class StepDetail {
  private timer: NodeJS.Timeout | undefined
  private latest: string | undefined

  /** @param emit called with the first line at once, then with the latest one, at most once in each interval */
  constructor(private readonly emit: (line: string) => void) {}

  add(line: string): void {
    this.latest = line
    if (this.timer === undefined) this.pass()
  }

  /** Ends the step: a line that waits is dropped. */
  end(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.latest = undefined
  }

  private pass(): void {
    this.timer = undefined
    if (this.latest === undefined) return
    this.emit(this.latest)
    this.latest = undefined
    this.timer = setTimeout(() => this.pass(), detailPauseMs)
    this.timer.unref()
  }
}
