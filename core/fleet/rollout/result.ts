/** Computes what a rollout changed about the stack: online hosts, hosts that missed it, and the commit of each app. */
import { ConvergeError } from '../../model/errors.ts'
import type { HostOutcome } from '../types.ts'
import type { OnlineHosts } from './online_hosts.ts'
import type { RolloutProgress } from './progress.ts'
import type { RolloutHost, RolloutRequest, StackChanges } from './request.ts'
import { deployActions, hostNames, includesApp, misses } from './request.ts'

/** The state of a rollout when it has ended. */
export interface Ended {
  readonly request: RolloutRequest
  readonly progress: RolloutProgress
  /** All hosts of the stack that are not shut down. */
  readonly members: readonly RolloutHost[]
  readonly participants: readonly RolloutHost[]
  /** Online hosts that did not take part. */
  readonly bystanders: readonly RolloutHost[]
  /** Those of `others` that could not be reached. */
  readonly unreachable: ReadonlySet<string>
  /** Hosts that had missed an earlier deployment, and now have it. */
  readonly caughtUp: readonly string[]
  readonly commits: StackChanges['apps']
  readonly isAborted: boolean
  readonly onlineHosts: OnlineHosts
}

export function stackChanges(ended: Ended): StackChanges {
  const { request, progress, members, participants, bystanders, unreachable, caughtUp, commits } = ended
  const { action } = request
  const deploys = deployActions.includes(action)
  // A host that was only prepared when the rollout aborted does not run the commit.
  const isOver = (name: string) => progress.succeeded(name) && (!deploys || progress.get(name).hasDeployed)
  const did = hostNames(participants.filter(({ name }) => isOver(name)))
  const whole = did.length > 0 && !ended.isAborted
  const apps = !whole ? {} : deploys ? commits : action === 'rollback' ? rolledBackCommits(ended) : {}
  const changesCode = deploys || Object.keys(apps).length > 0
  // Hosts that failed within --max-failures lack the new code, like hosts that were down.
  const without: readonly HostOutcome[] = changesCode ? ['skipped', 'failed', 'lost'] : ['skipped']
  const missing = hostNames(participants).filter((name) => without.includes(progress.get(name).outcome))
  const notConfigured = hostNames(
    bystanders.filter(
      (member) =>
        (unreachable.has(member.name) || progress.missedConfigure(member.name)) && misses(member, request, members),
    ),
  )
  const complete = participants.filter(
    ({ name, apps }) => did.includes(name) && apps.every((app) => includesApp(request, app)),
  )
  // A commit that only some hosts of an app received is not the commit of the stack.
  const isElsewhere = (app: string) => bystanders.some(({ apps }) => apps.includes(app))
  return {
    ...ended.onlineHosts.changes(did),
    outdated: whole && (changesCode || action === 'configure') ? [...missing, ...notConfigured] : [],
    upToDate: [...(deploys ? hostNames(complete) : []), ...caughtUp],
    apps: Object.fromEntries(Object.entries(apps).filter(([app]) => !isElsewhere(app))),
  }
}

/** Returns the commit that all hosts run after a rollback: hosts that catch up later get that one. */
function rolledBackCommits({ request, progress, participants }: Ended): StackChanges['apps'] {
  const took = participants.filter(({ name }) => progress.succeeded(name))
  const apps = new Set(took.flatMap(({ apps }) => apps).filter((app) => includesApp(request, app)))
  return Object.fromEntries(
    [...apps].flatMap((app) => {
      const live = took.flatMap(({ name }) =>
        progress.get(name).currentReleases.filter((one) => one.app === app && one.commit !== null),
      )
      const [commit, ...more] = new Set(live.map(({ commit }) => commit))
      const known = typeof commit === 'string' && /^[0-9a-f]+$/.test(commit) && more.length === 0
      return known ? [[app, { commit, revision: commit }] as const] : []
    }),
  )
}

/** Builds the error for an undeploy of only some of the apps of a host. */
export function partialUndeployError(apps: readonly string[]): ConvergeError {
  return new ConvergeError(`the host runs ${apps.join(', ')} as well, and undeploy removes all apps of a host`, {
    code: 'USAGE',
    hint: 'leave --app out to undeploy all of them, or run converge undeploy --role ROLE on the host itself',
  })
}
