/** Asks the hosts of a rollout for their releases, their commits and their status. */
import { asConvergeError } from '../../../model/errors.ts'
import { isObject } from '../../../model/json.ts'
import { currentReleases, parseReleases, parseRevisions } from '../../host_answers.ts'
import { clockProblem } from '../../host_clock.ts'
import { changesBetween } from '../../planning/release_changes.ts'
import type { CurrentRelease } from '../../types.ts'
import type { RolloutContext } from '../state/context.ts'
import type { RolloutHost } from '../state/request.ts'
import type { HostRunner } from './host_runner.ts'

export class HostInspection {
  constructor(
    private readonly context: RolloutContext,
    private readonly runner: HostRunner,
  ) {}

  /** Asks each host for its releases before any switch; a host that does not answer has failed. */
  async recordReleasesBefore(hosts: readonly RolloutHost[]): Promise<void> {
    await this.runner.forEachHost(withApps(hosts), async (host) => {
      try {
        const releases = parseReleases(await this.runner.query(host, 'releases'))
        Object.assign(this.context.progress.get(host.name), {
          releasesBefore: releases,
          currentReleases: currentReleases(releases),
        })
      } catch (thrown) {
        this.context.progress.failPhase(host.name, 'look', asConvergeError(thrown))
      }
    })
    this.context.abort.checkFailures()
  }

  /** Asks for the current releases after the switch, on those hosts that may have switched. */
  async recordReleasesAfter(hosts: readonly RolloutHost[]): Promise<void> {
    const touched = withApps(hosts).filter(({ name }) => {
      const { isConnected, phase } = this.context.progress.get(name)
      return isConnected && (phase === 'switch' || phase === 'rollback')
    })
    // The releases from before the switch are out of date.
    for (const { name } of touched) this.context.progress.get(name).currentReleases = []
    const queryReleases = async (host: RolloutHost) => {
      try {
        this.context.progress.get(host.name).currentReleases = currentReleases(
          parseReleases(await this.runner.query(host, 'releases')),
        )
      } catch (thrown) {
        // The failure of a host is recorded already; this one is only a warning.
        this.context.progress.addErrorWarning(asConvergeError(thrown), host.name)
      }
    }
    // A host that another rollout uses answers nothing more.
    const answering = touched.filter(
      ({ name }) => this.context.progress.get(name).lastFailure?.failure.code !== 'HOST_TAKEN',
    )
    await this.runner.forEachHost(answering, queryReleases, () => this.context.abort.hasOperatorQuit)
  }

  /** Returns the current releases; a host that does not answer is left out. */
  async currentReleases(hosts: readonly RolloutHost[]): Promise<ReadonlyMap<string, readonly CurrentRelease[]>> {
    const releasesByHost = new Map<string, readonly CurrentRelease[]>()
    const queryReleases = async (host: RolloutHost) => {
      const releases = await this.runner.query(host, 'releases').then(parseReleases, () => null)
      if (releases !== null) releasesByHost.set(host.name, currentReleases(releases))
    }
    await this.runner.forEachHost(withApps(hosts), queryReleases, () => this.context.abort.isInterrupted)
    return releasesByHost
  }

  /**
   * Queries hosts for the commits that a deploy would resolve now, by host and app. A host without an answer is left out: its
   * dry run reports why.
   */
  async requestedCommits(hosts: readonly RolloutHost[]): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
    const commits = new Map<string, ReadonlyMap<string, string>>()
    await this.runner.forEachHost(hosts, async (host) => {
      const revisions = await this.runner.query(host, 'revisions').then(parseRevisions, () => [])
      const known = revisions.flatMap(({ app, commit }) => (commit === null ? [] : [[app, commit] as const]))
      commits.set(host.name, new Map(known))
    })
    return commits
  }

  /**
   * Runs `work`, which may switch releases, and records what it switched.
   * @param before current releases of the hosts, where they are known
   */
  async recordChanges(
    hosts: readonly RolloutHost[],
    before: ReadonlyMap<string, readonly CurrentRelease[]>,
    work: () => Promise<void>,
  ): Promise<void> {
    const counts = ({ name }: RolloutHost) => this.context.progress.find(name)?.counts.changed ?? 0
    const earlier = new Map(hosts.map((host) => [host, counts(host)]))
    await work()
    const changed = hosts.filter((host) => before.has(host.name) && counts(host) > (earlier.get(host) ?? 0))
    for (const [name, after] of await this.currentReleases(changed)) {
      const changes = changesBetween(before.get(name) ?? [], after)
      if (changes.length > 0) this.context.progress.get(name).changes = changes
    }
  }

  private warnOfClock({ name }: RolloutHost, status: unknown, askedAt: number): void {
    const problem = clockProblem(isObject(status) ? status.time : undefined, {
      askedAt,
      answeredAt: this.context.ports.clock(),
    })
    if (problem) this.context.progress.addHostWarning(name, `${problem.detail}; ${problem.remedy}`)
  }

  async queryStatus(hosts: readonly RolloutHost[], behind: ReadonlyMap<string, string>): Promise<void> {
    await this.runner.forEachHost(hosts, async (host) => {
      const startedAt = this.context.progress.beginPhase(host.name, 'status')
      try {
        const askedAt = this.context.ports.clock()
        const status = await this.runner.query(host, 'status')
        this.warnOfClock(host, status, askedAt)
        this.context.progress.get(host.name).outcome = 'unchanged'
        this.context.progress.endPhase(host.name, 'status', startedAt, { status, behind: behind.get(host.name) })
      } catch (thrown) {
        this.context.progress.failPhase(host.name, 'status', asConvergeError(thrown), startedAt)
      }
    })
  }
}

function withApps(hosts: readonly RolloutHost[]): RolloutHost[] {
  return hosts.filter(({ apps }) => apps.length > 0)
}
