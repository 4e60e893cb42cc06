/** Describes the request for a rollout, and the hosts of the stack file that it is for. */
import type { HookSchedule, HostClient, HostCommand } from '../../host_client.ts'
import type { OrderedHost, Strategy } from '../../planning/batches.ts'
import type { HostCount } from '../../planning/host_count.ts'
import type { Action } from '../../types.ts'

/** A host of the stack file, as a rollout needs it. */
export interface RolloutHost extends OrderedHost {
  readonly roles: readonly string[]
  /** Short names of the apps it runs. */
  readonly apps: readonly string[]
  /** Those of `apps` with `deploy.<app>.migrate` set. */
  readonly appsToMigrate: readonly string[]
  /** Those of `apps` that share a database with other hosts. */
  readonly appsSharingData?: readonly string[] | undefined
  /** Events that it runs after the hosts of an app have switched, wherever those are. */
  readonly followUps?: readonly { readonly app: string; readonly event: string }[] | undefined
  /** Events for which one of its roles has a recipe. */
  readonly events: ReadonlySet<string>
  readonly address: string
  readonly client: HostClient
}

export interface RolloutRequest {
  readonly action: Action
  /** Events of the action `run`; other actions imply their events. */
  readonly events: readonly string[]
  /** Roles of the action `run`; empty for those of each host. */
  readonly roles: readonly string[]
  readonly stack: string
  readonly comment: string
  readonly operator: string
  readonly strategy: Strategy
  /** Whether hosts that restart something take turns, and all others run at once: the default of setup. */
  readonly restartsInTurn: boolean
  readonly batchSize: HostCount
  /** Maximum number of hosts at the same time. */
  readonly parallel: number
  readonly maxFailures: HostCount
  readonly rollbackOnFailure: boolean
  /** Decides whether the rollout fails if hosts cannot be reached when it begins, or skips them. */
  readonly onUnreachable: 'fail' | 'skip'
  /** Apps that one host migrates before the others switch; `new`: those whose commit the stack does not run yet. */
  readonly migration: 'all' | 'none' | 'new'
  /** Whether hosts may switch to a release that failed its smoke test before. */
  readonly retryFailed: boolean
  /** Apps to deploy; empty for all. */
  readonly apps: readonly string[]
  /** The revision to deploy instead of the one in the stack file; of one app. */
  readonly revision: string | null
  /** Commit, or id of a release, of a rollback; null for the release before the last change. */
  readonly rollbackTo: string | null
  /** Whether an undeploy also removes data. */
  readonly purge: boolean
  /** When the timers of `hooks` run. */
  readonly schedule: HookSchedule
}

/** Builds the command that runs the events on each host. */
export function commandOf(events: readonly string[], { purge, schedule }: RolloutRequest): HostCommand {
  const [firstEvent = ''] = events
  return firstEvent.startsWith('hooks_')
    ? { kind: 'hooks', action: firstEvent.slice('hooks_'.length), ...schedule }
    : { kind: 'events', events, purge }
}

/** Actions that install new code. */
export const deployActions: readonly Action[] = ['setup', 'deploy']

/** Decides whether the request includes an app. */
export function includesApp({ apps }: RolloutRequest, app: string): boolean {
  return apps.length === 0 || apps.includes(app)
}

/**
 * Decides whether a host that was down missed the rollout itself, and not only the configure after it. A host with apps
 * misses a deploy or rollback of one of them. A host without apps, such as a frontend, misses only one of all apps. Every
 * host misses another action.
 */
export function hasMissedRollout(
  { apps }: RolloutHost,
  request: RolloutRequest,
  hosts: readonly RolloutHost[],
): boolean {
  const isOfApps = request.action === 'deploy' || request.action === 'rollback'
  const includes = (app: string) => includesApp(request, app)
  if (!isOfApps || apps.some(includes)) return true
  return apps.length === 0 && hosts.every((host) => host.apps.every(includes))
}

/** Names what a host missed that takes no part and is down, and what to do about it. */
export function missingDeploymentHint(
  host: RolloutHost,
  request: RolloutRequest,
  hosts: readonly RolloutHost[],
): string {
  const consequence = hasMissedRollout(host, request, hosts)
    ? `the host missed this ${request.action}`
    : 'it is not configured'
  const hint = 'run converge stack configure when it can be reached'
  return `${consequence} (${hint})`
}

export function hostNames(hosts: readonly RolloutHost[]): string[] {
  return hosts.map(({ name }) => name)
}

/** Names the order of hosts, for the screen and the records. */
export function orderName({ strategy, restartsInTurn }: Pick<RolloutRequest, 'strategy' | 'restartsInTurn'>): string {
  return restartsInTurn ? 'restarts in turn' : strategy
}

/** The changes that a rollout made to the stack, to be recorded. */
export interface StackChanges {
  readonly online: readonly string[]
  readonly stopped: readonly string[]
  /** Hosts that missed the rollout. */
  readonly outdated: readonly string[]
  /** By host of `outdated`, those of its apps that the rollout was for. */
  readonly missedApps: Readonly<Record<string, readonly string[]>>
  /** Hosts that are up to date again. */
  readonly upToDate: readonly string[]
  /** By host, the apps that it received: it no longer misses an earlier deployment of these. */
  readonly receivedApps: Readonly<Record<string, readonly string[]>>
  /** Commits that the whole stack runs now. */
  readonly apps: Readonly<Record<string, { readonly commit: string; readonly revision: string }>>
}
