/** Computes the stages and batches of a rollout from the hosts and the options. */
import { type HostCount, resolveHostCount } from './host_count.ts'

export type Strategy = 'parallel' | 'rolling' | 'canary'

/** The properties of a host that decide its position in the order. */
export interface OrderedHost {
  readonly name: string
  /** Index of its first layer in the stack file, from 0: lower layers are set up first. */
  readonly stage: number
}

export interface BatchOptions {
  readonly strategy: Strategy
  /** How many at once (rolling), or how many go first (canary). */
  readonly size: HostCount
  /** Hosts that go before all others of their stage, because their work must be done once and first. */
  readonly first: ReadonlySet<string>
  /** The last layer first: hosts that others depend on shut down after them. */
  readonly reverse: boolean
  /** With `parallel`, hosts that go in batches of `size` after all others of their stage; default: none. */
  readonly inTurn?: ReadonlySet<string>
}

const noHosts: ReadonlySet<string> = new Set()

/**
 * Computes the batches: every host is in exactly one, and no batch has hosts of two stages. Hosts of `first` are in the
 * first batch of their stage; with `parallel`, each is a batch of its own.
 */
export function splitIntoBatches<H extends OrderedHost>(
  hosts: readonly H[],
  { strategy, size, first, reverse, inTurn = noHosts }: BatchOptions,
): H[][] {
  const stages = new Map<number, H[]>()
  for (const host of hosts) stages.set(host.stage, [...(stages.get(host.stage) ?? []), host])
  const ordered = [...stages].sort(([a], [b]) => (reverse ? b - a : a - b)).map(([, hosts]) => hosts)
  return ordered.flatMap((hosts) =>
    strategy === 'parallel'
      ? parallelBatches(splitIntoTurns(hosts, first), inTurn, size)
      : sizedBatches(splitIntoTurns(hosts, first).flat(), strategy, size),
  )
}

/** @param turns hosts that go first, each alone; then all others */
function parallelBatches<H extends OrderedHost>(
  turns: readonly H[][],
  inTurn: ReadonlySet<string>,
  size: HostCount,
): H[][] {
  return turns.flatMap((turn) => {
    const waiting = turn.filter(({ name }) => inTurn.has(name))
    const others = turn.filter(({ name }) => !inTurn.has(name))
    return [others, ...sizedBatches(waiting, 'rolling', size)].filter((batch) => batch.length > 0)
  })
}

/** Splits a batch into turns: each host of `first` alone, then all others at once. */
export function splitIntoTurns<H extends OrderedHost>(batch: readonly H[], first: ReadonlySet<string>): H[][] {
  const ahead = batch.filter(({ name }) => first.has(name))
  const rest = batch.filter(({ name }) => !first.has(name))
  return [...ahead.map((host) => [host]), rest].filter((turn) => turn.length > 0)
}

function sizedBatches<H>(hosts: readonly H[], strategy: Strategy, size: HostCount): H[][] {
  const step = resolveHostCount(size, hosts.length, 1)
  if (strategy === 'canary') return [hosts.slice(0, step), hosts.slice(step)].filter((batch) => batch.length > 0)
  const batches: H[][] = []
  for (let at = 0; at < hosts.length; at += step) batches.push(hosts.slice(at, at + step))
  return batches
}

/** A host that has apps, some of them to migrate. */
interface MigratingHost extends OrderedHost {
  readonly appsToMigrate: readonly string[]
}

/** A host that has apps, some of which share a database with other hosts. */
interface SharingHost extends OrderedHost {
  readonly appsSharingData?: readonly string[] | undefined
}

/**
 * Chooses for each app one host that migrates it.
 * @param isToBeMigrated decides which apps to migrate
 */
export function chooseMigrators(
  hosts: readonly MigratingHost[],
  isToBeMigrated: (app: string) => boolean,
): Set<string> {
  return chooseFirstHosts(hosts, ({ appsToMigrate }) => appsToMigrate, isToBeMigrated)
}

/**
 * Chooses for each app that shares a database the host that creates it: two hosts must not fill an empty database at
 * the same time.
 * @param isNew decides which apps have no database yet
 */
export function chooseDatabaseCreators(hosts: readonly SharingHost[], isNew: (app: string) => boolean): Set<string> {
  return chooseFirstHosts(hosts, ({ appsSharingData = [] }) => appsSharingData, isNew)
}

/** Chooses one host for each app, from its first stage. It prefers a host that was not chosen for another app. */
function chooseFirstHosts<H extends OrderedHost>(
  hosts: readonly H[],
  appsOf: (host: H) => readonly string[],
  includes: (app: string) => boolean,
): Set<string> {
  const hostsWith = (app: string) => hosts.filter((host) => appsOf(host).includes(app))
  const firstStage = (app: string) => Math.min(...hostsWith(app).map(({ stage }) => stage))
  const apps = [...new Set(hosts.flatMap(appsOf))].filter(includes)
  const chosen = new Map<string, H>()
  for (const app of apps.toSorted((a, b) => firstStage(a) - firstStage(b))) {
    if (chosen.has(app)) continue
    const candidates = hostsWith(app).filter(({ stage }) => stage === firstStage(app))
    const representative = candidates.find((host) => !appsOf(host).some((other) => chosen.has(other))) ?? candidates[0]
    for (const otherApp of representative ? appsOf(representative) : [])
      if (representative && !chosen.has(otherApp)) chosen.set(otherApp, representative)
  }
  return new Set([...chosen.values()].map(({ name }) => name))
}

/**
 * Returns the hosts whose names match a list of patterns in the style of Ansible: `web*,!web3`. A list of only
 * exclusions selects all others.
 * @param names in the order of the result
 */
export function matchHostPatterns(names: readonly string[], patterns: readonly string[]): string[] {
  const included = patterns.filter((pattern) => !pattern.startsWith('!')).map(patternExpression)
  const excluded = patterns
    .filter((pattern) => pattern.startsWith('!'))
    .map((pattern) => patternExpression(pattern.slice(1)))
  return names.filter(
    (name) =>
      (included.length === 0 || included.some((one) => one.test(name))) && !excluded.some((one) => one.test(name)),
  )
}

/** Builds an expression from a pattern: `*` for any text, `?` for one letter. */
function patternExpression(pattern: string): RegExp {
  const text = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${text}$`)
}
