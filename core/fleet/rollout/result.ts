/** Computes what a rollout changed about the stack: online hosts, hosts that missed it, and the commit of each app. */
import { ConvergeError } from '../../model/errors.ts'
import type { HostOutcome } from '../types.ts'
import type { RolloutContext } from './state/context.ts'
import type { RolloutHost, StackChanges } from './state/request.ts'
import { deployActions, hasMissedRollout, hostNames, includesApp } from './state/request.ts'

/** @param caughtUp names of hosts that had missed an earlier deployment, and now have it */
export function stackChanges(context: RolloutContext, caughtUp: readonly string[]): StackChanges {
  const { request, progress, participants, bystanders, unreachable, abort, commits, onlineHosts } = context
  const { hosts, recorded } = context.ports
  const { action } = request
  const deploys = deployActions.includes(action)
  // A host that was only prepared when the rollout aborted does not run the commit.
  const isOver = (name: string) => progress.succeeded(name) && (!deploys || progress.get(name).hasDeployed)
  const completed = hostNames(participants.filter(({ name }) => isOver(name)))
  const isSuccessful = completed.length > 0 && !abort.isAborted
  const apps = !isSuccessful ? {} : deploys ? commits.byApp : action === 'rollback' ? rolledBackCommits(context) : {}
  const changesCode = deploys || Object.keys(apps).length > 0
  // Hosts that failed within --max-failures lack the new code, like hosts that were down.
  const outcomesWithoutCode: readonly HostOutcome[] = changesCode ? ['skipped', 'failed', 'lost'] : ['skipped']
  const missing = hostNames(participants).filter((name) => outcomesWithoutCode.includes(progress.get(name).outcome))
  const notConfigured = hostNames(
    bystanders.filter(
      (host) =>
        (unreachable.has(host.name) || progress.hasMissingConfigure(host.name)) &&
        hasMissedRollout(host, request, hosts),
    ),
  )
  const appsOf = ({ apps }: RolloutHost) => apps.filter((app) => includesApp(request, app))
  const received = participants.filter(({ name }) => completed.includes(name))
  const isComplete = (host: RolloutHost) => {
    const missing = recorded.missedApps?.get(host.name) ?? host.apps
    return missing.every((app) => appsOf(host).includes(app))
  }
  const outdated = isSuccessful && (changesCode || action === 'configure') ? [...missing, ...notConfigured] : []
  // A commit that only some hosts of an app received is not the commit of the stack.
  const isElsewhere = (app: string) => bystanders.some(({ apps }) => apps.includes(app))
  return {
    ...onlineHosts.changes(completed),
    outdated,
    missedApps: appsByHost(
      hosts.filter(({ name }) => outdated.includes(name)),
      // A configure deploys nothing.
      (host) => (changesCode ? appsOf(host) : []),
    ),
    upToDate: [...(deploys ? hostNames(received.filter(isComplete)) : []), ...caughtUp],
    receivedApps: appsByHost(changesCode ? received : [], appsOf),
    apps: Object.fromEntries(Object.entries(apps).filter(([app]) => !isElsewhere(app))),
  }
}

function appsByHost(hosts: readonly RolloutHost[], appsOf: (host: RolloutHost) => readonly string[]) {
  return Object.fromEntries(hosts.map((host) => [host.name, appsOf(host)]))
}

/** Returns the commit that all hosts run after a rollback: hosts that catch up later get that one. */
function rolledBackCommits({ request, progress, participants }: RolloutContext): StackChanges['apps'] {
  const succeeded = participants.filter(({ name }) => progress.succeeded(name))
  const apps = new Set(succeeded.flatMap(({ apps }) => apps).filter((app) => includesApp(request, app)))
  return Object.fromEntries(
    [...apps].flatMap((app) => {
      const current = succeeded.flatMap(({ name }) =>
        progress.get(name).currentReleases.filter((one) => one.app === app && one.commit !== null),
      )
      const [commit, ...others] = new Set(current.map(({ commit }) => commit))
      const known = typeof commit === 'string' && /^[0-9a-f]+$/.test(commit) && others.length === 0
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
