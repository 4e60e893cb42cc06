/** Computes the batches of a rollout, and which hosts go before all others of their layer. */
import { chooseDatabaseCreators, chooseMigrators, splitIntoBatches } from '../../planning/batches.ts'
import type { RolloutContext } from '../state/context.ts'
import type { RolloutPorts } from '../state/ports.ts'
import type { RolloutHost, RolloutRequest } from '../state/request.ts'
import { deployActions, includesApp } from '../state/request.ts'

export interface HostOrder {
  readonly batches: readonly (readonly RolloutHost[])[]
  /** Hosts that migrate an app. */
  readonly migrators: ReadonlySet<string>
  /** Hosts that migrate or create a database: each runs alone, before the others. */
  readonly first: ReadonlySet<string>
}

interface OrderOptions {
  /** Whether the last layer goes first; default: the first layer does. */
  readonly reverse?: boolean
  /** Hosts that go in batches, even with a strategy in which the others run at once; default: none. */
  readonly inTurn?: ReadonlySet<string>
}

export function hostOrder(
  hosts: readonly RolloutHost[],
  context: Pick<RolloutContext, 'request' | 'ports' | 'commits'>,
  { reverse = false, inTurn = new Set() }: OrderOptions = {},
): HostOrder {
  const { request, ports, commits } = context
  const { strategy, batchSize: size, action, migration } = request
  const deploying = deployActions.includes(action) ? hosts : []
  /** By default only apps whose commit is new to the stack: a new host does not change the data. */
  const isToBeMigrated = (app: string) =>
    includesApp(request, app) && (migration === 'all' || (migration === 'new' && !commits.isKnown(app)))
  const migrators = chooseMigrators(deploying, isToBeMigrated)
  const first = new Set([...migrators, ...chooseDatabaseCreators(deploying, (app) => isNewApp(app, request, ports))])
  return { batches: splitIntoBatches(hosts, { strategy, size, first, reverse, inTurn }), migrators, first }
}

/** Decides whether no host has the app yet, and so nobody has created its database. */
function isNewApp(
  app: string,
  request: RolloutRequest,
  { hosts, recorded }: Pick<RolloutPorts, 'hosts' | 'recorded'>,
): boolean {
  const hasOnlineHost = hosts.some(({ name, apps }) => recorded.online.has(name) && apps.includes(app))
  return includesApp(request, app) && recorded.apps[app] === undefined && !hasOnlineHost
}
