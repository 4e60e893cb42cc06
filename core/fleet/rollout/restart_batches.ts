/** Finds the hosts that restart something in a phase, announces them, and runs the phase on them in batches. */
import type { RunReport } from '../../report/events.ts'
import type { Phase } from '../types.ts'
import type { RolloutAbort } from './abort.ts'
import { resolveHostCount, splitIntoBatches } from './batches.ts'
import type { HealthGate } from './health_gate.ts'
import type { HostRunner } from './host_runner.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost, RolloutPorts, RolloutRequest } from './request.ts'

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
    const answers = batches.length > 1 && !this.abort.isAborted && (await this.gate.passesBefore(true))
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
