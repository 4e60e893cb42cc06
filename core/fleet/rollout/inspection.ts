/** Asks hosts for their releases and their status. */
import { asConvergeError } from '../../model/errors.ts'
import { currentReleases, parseReleases } from '../host_answers.ts'
import type { CurrentRelease } from '../types.ts'
import type { RolloutAbort } from './abort.ts'
import type { HostRunner } from './host_runner.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost } from './request.ts'

export class HostInspection {
  constructor(
    private readonly progress: RolloutProgress,
    private readonly abort: RolloutAbort,
    private readonly runner: HostRunner,
  ) {}

  /** Asks each host for its releases before any switch; a host that does not answer has failed. */
  async recordReleasesBefore(members: readonly RolloutHost[]): Promise<void> {
    await this.runner.forEachHost(withApps(members), async (member) => {
      try {
        const releases = parseReleases(await this.runner.query(member, 'releases'))
        Object.assign(this.progress.get(member.name), {
          releasesBefore: releases,
          currentReleases: currentReleases(releases),
        })
      } catch (thrown) {
        this.progress.failPhase(member.name, 'look', asConvergeError(thrown))
      }
    })
    this.abort.checkFailures()
  }

  /** Asks for the current releases after the switch, on those hosts that may have switched. */
  async recordReleasesAfter(members: readonly RolloutHost[]): Promise<void> {
    const touched = withApps(members).filter(({ name }) => {
      const { isConnected, phase } = this.progress.get(name)
      return isConnected && (phase === 'switch' || phase === 'rollback')
    })
    // The releases from before the switch are out of date.
    for (const { name } of touched) this.progress.get(name).currentReleases = []
    const look = async (member: RolloutHost) => {
      try {
        this.progress.get(member.name).currentReleases = currentReleases(
          parseReleases(await this.runner.query(member, 'releases')),
        )
      } catch (thrown) {
        // The failure of a host is recorded already; this one is only a warning.
        this.progress.addErrorWarning(asConvergeError(thrown), member.name)
      }
    }
    await this.runner.forEachHost(touched, look, () => this.abort.hasOperatorQuit)
  }

  /** Returns the current releases; a host that does not answer is left out. */
  async currentReleases(members: readonly RolloutHost[]): Promise<ReadonlyMap<string, readonly CurrentRelease[]>> {
    const live = new Map<string, readonly CurrentRelease[]>()
    const look = async (member: RolloutHost) => {
      const releases = await this.runner.query(member, 'releases').then(parseReleases, () => null)
      if (releases !== null) live.set(member.name, currentReleases(releases))
    }
    await this.runner.forEachHost(members, look, () => this.abort.isInterrupted)
    return live
  }

  async queryStatus(members: readonly RolloutHost[], behind: ReadonlyMap<string, string>): Promise<void> {
    await this.runner.forEachHost(members, async (member) => {
      const begun = this.progress.beginPhase(member.name, 'status')
      try {
        const status = await this.runner.query(member, 'status')
        this.progress.get(member.name).outcome = 'unchanged'
        this.progress.endPhase(member.name, 'status', begun, { status, behind: behind.get(member.name) })
      } catch (thrown) {
        this.progress.failPhase(member.name, 'status', asConvergeError(thrown), begun)
      }
    })
  }
}

function withApps(members: readonly RolloutHost[]): RolloutHost[] {
  return members.filter(({ apps }) => apps.length > 0)
}
