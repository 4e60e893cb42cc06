/** Predicts by dry runs what hosts restart, and restarts them in batches, with a health check after each. */
import { splitIntoBatches } from '../../planning/batches.ts'
import { resolveHostCount } from '../../planning/host_count.ts'
import type { Phase } from '../../types.ts'
import type { RolloutContext } from '../state/context.ts'
import type { RolloutHost } from '../state/request.ts'
import type { HealthGate } from './health_gate.ts'
import type { DryRunResult, HostRunner } from './host_runner.ts'

/** A host that restarts something, or changes packages. */
export interface HostPrediction {
  readonly host: RolloutHost
  /** The restarts, or the packages. */
  readonly details: readonly string[]
}

interface Prediction {
  readonly restarting: readonly HostPrediction[]
  /** Hosts that install or remove packages, whose scripts may restart services; no dry run can predict which. */
  readonly packaging: readonly HostPrediction[]
  /** All hosts that change something, as far as a dry run can predict. */
  readonly changing: readonly RolloutHost[]
}

interface BatchOptions {
  /** Whether the site answered before; default: the health gate checks it. */
  readonly hasAnswered?: boolean
  /**
   * Called with the hosts that are not restarted because too many others failed. Without it they are restarted, unless
   * the rollout aborts.
   */
  readonly onRemaining?: (hosts: readonly RolloutHost[]) => void
}

export class RestartBatches {
  constructor(
    private readonly context: RolloutContext,
    private readonly runner: HostRunner,
    private readonly gate: HealthGate,
  ) {}

  /** Finds by a dry run the hosts on which the event restarts something. */
  async findRestarts(hosts: readonly RolloutHost[], event: string): Promise<readonly HostPrediction[]> {
    return (await this.predict(hosts, event)).restarting
  }

  /** Finds by a dry run what the event restarts on each host, and which packages it installs or removes. */
  async predict(hosts: readonly RolloutHost[], event: string): Promise<Prediction> {
    const reports = new Map<RolloutHost, DryRunResult>()
    const predicted = hosts.filter(({ events }) => events.has(event))
    await this.runner.forEachHost(predicted, async (host) => {
      reports.set(host, await this.runner.dryRun(host, [event]))
    })
    const hostsWith = (wordsIn: (result: DryRunResult) => readonly string[]) =>
      [...hosts].flatMap((host) => {
        const report = reports.get(host)
        const details = report === undefined ? [] : wordsIn(report)
        return details.length > 0 ? [{ host, details }] : []
      })
    const changing = predicted.filter((host) => reports.get(host)?.report?.outcome !== 'unchanged')
    return { restarting: hostsWith(restartTexts), packaging: hostsWith(changedPackages), changing }
  }

  announce(phase: Phase, due: readonly HostPrediction[]): void {
    if (due.length === 0) return
    const hosts = due.map(({ host, details }) => ({ host: host.name, what: details }))
    this.context.ports.emit({ event: 'restarts', phase, hosts })
  }

  /** Returns the batches of `runInBatches`. */
  batches(hosts: readonly RolloutHost[]): RolloutHost[][] {
    return splitIntoBatches(hosts, {
      strategy: 'rolling',
      size: this.context.request.batchSize,
      first: new Set(),
      reverse: false,
    })
  }

  /**
   * Runs one batch after the other, and checks the site after each, if it answered before.
   * @returns whether the site was checked after the last batch
   */
  async runInBatches(
    phase: Phase,
    hosts: readonly RolloutHost[],
    run: (host: RolloutHost) => Promise<void>,
    { hasAnswered, onRemaining }: BatchOptions = {},
  ): Promise<boolean> {
    const batches = this.batches(hosts)
    if (batches.length === 0 || this.context.abort.isAborted) return false
    const isCheckedAfterEach = hasAnswered ?? (await this.gate.passesBeforeSwitch(hosts))
    for (const [at, batch] of batches.entries()) {
      if (this.context.abort.isAborted) break
      if (onRemaining !== undefined && this.haveTooManyFailed(hosts)) {
        onRemaining(batches.slice(at).flat())
        break
      }
      await this.runner.runPhase(phase, batch, run, { batch: at + 1, batches: batches.length })
      if (isCheckedAfterEach && !this.context.abort.isAborted) await this.gate.check()
    }
    return isCheckedAfterEach
  }

  /** Decides whether to stop: a restart that fails on one host may fail on the next, until no host answers. */
  private haveTooManyFailed(hosts: readonly RolloutHost[]): boolean {
    const failed = hosts.filter(({ name }) => this.context.progress.hasFailed(name)).length
    return failed > resolveHostCount(this.context.request.maxFailures, hosts.length, 0)
  }
}

/** Characters of a host's text: the host decides how much it sends. */
const maxTextLength = 400

/** Describes the restarts of a dry run. */
function restartTexts({ report, problem }: DryRunResult): readonly string[] {
  if (report === null || report.outcome === 'failed') {
    const reason = problem === undefined ? '' : `: ${problem}`
    return [`not known, since its dry run failed${reason}`.slice(0, maxTextLength)]
  }
  return report.resources.flatMap(({ type, key, outcome, words }) => {
    if (type !== 'service_restart') return []
    if (outcome === 'unknown') return [`${key} (possibly)`.slice(0, maxTextLength)]
    const named = /(?:^|; )restart ([^;]+)/.exec(words ?? '')?.[1]
    return outcome === 'planned' && named !== undefined ? [named.slice(0, maxTextLength)] : []
  })
}

/** Lists the packages that a dry run would install or remove. */
function changedPackages({ report }: DryRunResult): readonly string[] {
  if (report === null) return []
  return report.resources.flatMap(({ type, key, outcome }) =>
    type === 'package' && outcome === 'planned' ? key.slice(0, maxTextLength).split(' ') : [],
  )
}
