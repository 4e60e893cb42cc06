/** Runs the setup events: at once where nothing restarts, and in batches on hosts in service that restart something. */
import type { HostPrediction } from './hosts/restart_batches.ts'
import type { PhaseTools } from './phase_tools.ts'
import type { RolloutContext } from './state/context.ts'
import type { RolloutHost } from './state/request.ts'

export class SetupPhase {
  constructor(
    private readonly context: RolloutContext,
    private readonly tools: PhaseTools,
  ) {}

  /** Runs setup on all hosts at once, except those that are in service and restart something. */
  async run(hosts: readonly RolloutHost[]): Promise<void> {
    const phase = 'setup'
    const { strategy, restartsInTurn } = this.context.request
    const isParallel = strategy === 'parallel' && !restartsInTurn
    const queriedHosts = isParallel || this.context.abort.isAborted ? [] : await this.hostsInService(hosts)
    const { restarting, packaging } = await this.tools.restarts.predict(queriedHosts, phase)
    this.tools.restarts.announce(phase, restarting)
    const hostsOf = (due: readonly HostPrediction[]) => due.map(({ host }) => host)
    this.tools.announcement.warnOfLastHosts(hostsOf(restarting))
    // With batches requested, package changes are done in batches as well.
    const waiting = new Set([...hostsOf(restarting), ...(restartsInTurn ? [] : hostsOf(packaging))])
    const warning = packageWarning(packaging.filter(({ host }) => !waiting.has(host)))
    if (warning !== null) this.context.progress.addWarning(warning)
    const run = (host: RolloutHost) => this.tools.runner.run(host, phase, { kind: 'events', events: [phase] })
    const [inTurn, others] = [true, false].map((isWaiting) =>
      hosts.filter((host) => waiting.has(host) === isWaiting),
    ) as [RolloutHost[], RolloutHost[]]
    await this.tools.runner.runPhase(phase, others, run)
    await this.tools.restarts.runInBatches(phase, inTurn, run)
  }

  /** Returns the names of the hosts in service on which the deploy of a setup restarts something. */
  async restartsOfDeploy(hosts: readonly RolloutHost[]): Promise<ReadonlySet<string>> {
    if (this.context.abort.isAborted) return new Set()
    const due = await this.tools.restarts.findRestarts(await this.hostsInService(hosts), 'deploy')
    this.tools.restarts.announce('switch', due)
    return new Set(due.map(({ host }) => host.name))
  }

  /**
   * Finds the hosts that visitors already reach; a restart interrupts nothing on a new host. A host with a current
   * release is in service even without a record here, as in a fresh clone of the repository of the stack file.
   */
  private async hostsInService(hosts: readonly RolloutHost[]): Promise<RolloutHost[]> {
    const { online } = this.context.ports.recorded
    const unknown = hosts.filter(({ name, apps }) => !online.has(name) && apps.length > 0)
    const releases = await this.tools.inspection.currentReleases(unknown)
    const isServing = ({ name }: RolloutHost) => releases.get(name)?.some(({ release }) => release !== null) === true
    return hosts.filter((host) => online.has(host.name) || isServing(host))
  }
}

/** Returns a warning about packages that hosts in service change at the same time; null where none does. */
export function packageWarning(packaging: readonly HostPrediction[]): string | null {
  if (packaging.length === 0) return null
  const hosts = packaging.map(({ host }) => host.name)
  const packages = [...new Set(packaging.flatMap(({ details }) => details))].sort()
  return `setup changes packages on ${listNames(hosts, 'hosts')} at the same time: ${listNames(packages, 'packages')}; their scripts may restart services, which a dry run cannot predict; --strategy rolling takes one batch of hosts after the other`
}

/** With more names, a message shows only their number. */
const maxNames = 5

function listNames(names: readonly string[], kind: string): string {
  return names.length > maxNames ? `${names.length} ${kind}` : names.join(', ')
}
