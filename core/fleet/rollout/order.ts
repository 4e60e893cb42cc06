/** Computes the batches of a rollout, and which hosts go before all others of their layer. */
import { means, switching } from './aftermath.ts'
import type { Commits } from './commits.ts'
import { batchesOf, foundersOf, migratorsOf } from './plan.ts'
import type { Member, Ports, RolloutRequest } from './request.ts'

export interface Order {
  readonly batches: readonly (readonly Member[])[]
  /** Hosts that migrate an app. */
  readonly migrators: ReadonlySet<string>
  /** Hosts that migrate or create a database: each runs alone, before the others. */
  readonly first: ReadonlySet<string>
}

interface OrderOptions {
  /** The last layer first; default: the first one. */
  readonly reverse?: boolean
  /** Hosts that take turns where the others run at once; default: none. */
  readonly inTurn?: ReadonlySet<string>
}

export function orderOf(
  members: readonly Member[],
  request: RolloutRequest,
  ports: Pick<Ports, 'members' | 'known'>,
  commits: Commits,
  { reverse = false, inTurn = new Set() }: OrderOptions = {},
): Order {
  const { strategy, batch: size, action, migrates } = request
  const deploying = switching.includes(action) ? members : []
  /** By default only apps whose commit is new to the stack: a new host does not change the data. */
  const isToBeMigrated = (app: string) =>
    means(request, app) && migrates !== false && !(migrates === 'new' && commits.isKnown(app))
  const migrators = migratorsOf(deploying, isToBeMigrated)
  const first = new Set([...migrators, ...foundersOf(deploying, (app) => isNew(app, request, ports))])
  return { batches: batchesOf(members, { strategy, size, first, reverse, inTurn }), migrators, first }
}

/** Decides whether no host has the app yet, and so nobody has created its database. */
function isNew(app: string, request: RolloutRequest, { members, known }: Pick<Ports, 'members' | 'known'>): boolean {
  const isThere = members.some(({ name, apps }) => known.online.has(name) && apps.includes(app))
  return means(request, app) && known.apps[app] === undefined && !isThere
}
