/** Computes the stages and batches of a rollout from the hosts and the options. */
import { ConvergeError } from '../../model/errors.ts'

export type Strategy = 'parallel' | 'rolling' | 'canary'

/** The properties of a host that decide its place in the order. */
export interface OrderedHost {
  readonly name: string
  /** Index of its first layer in the stack file, from 0: lower layers are set up first. */
  readonly stage: number
}

/** A number of hosts, or a percentage of them. */
export type HostCount = { readonly count: number } | { readonly percent: number }

/** @throws USAGE where the text is neither `3` nor `25%` */
export function parseHostCount(text: string, option: string, least: number): HostCount {
  const [, digits, percent] = /^(\d{1,6})(%?)$/.exec(text.trim()) ?? []
  const number = Number(digits)
  if (digits !== undefined && number >= least && !(percent && number > 100))
    return percent ? { percent: number } : { count: number }
  throw new ConvergeError(`--${option} takes a number of hosts from ${least} up, or a share of them, not ${text}`, {
    code: 'USAGE',
    hint: `for example --${option} 2 or --${option} 25%`,
    usage: true,
  })
}

/** Returns the number of hosts. Percentages are rounded down: 25% of five hosts is one. */
export function resolveHostCount(amount: HostCount, total: number, least: number): number {
  const wanted = 'count' in amount ? amount.count : Math.floor((total * amount.percent) / 100)
  return Math.max(least, Math.min(wanted, total))
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
  const ordered = [...stages].sort(([a], [b]) => (reverse ? b - a : a - b)).map(([, members]) => members)
  return ordered.flatMap((members) =>
    strategy === 'parallel'
      ? parallelBatches(splitIntoTurns(members, first), inTurn, size)
      : sizedBatches(splitIntoTurns(members, first).flat(), strategy, size),
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
interface Migrating extends OrderedHost {
  readonly migrating: readonly string[]
}

/** A host that has apps, some of which share a database with other hosts. */
interface Sharing extends OrderedHost {
  readonly sharing?: readonly string[] | undefined
}

/**
 * Chooses for each app one host that migrates it.
 * @param wanted decides which apps to migrate
 */
export function chooseMigrators(hosts: readonly Migrating[], wanted: (app: string) => boolean): Set<string> {
  return chooseFirstHosts(hosts, ({ migrating }) => migrating, wanted)
}

/**
 * Chooses for each app that shares a database the host that creates it: two hosts must not fill an empty database at
 * the same time.
 * @param isNew decides which apps have no database yet
 */
export function chooseFounders(hosts: readonly Sharing[], isNew: (app: string) => boolean): Set<string> {
  return chooseFirstHosts(hosts, ({ sharing = [] }) => sharing, isNew)
}

/** Chooses one host for each app, from its first stage. It prefers a host that was not chosen for another app. */
function chooseFirstHosts<H extends OrderedHost>(
  hosts: readonly H[],
  appsOf: (host: H) => readonly string[],
  wanted: (app: string) => boolean,
): Set<string> {
  const having = (app: string) => hosts.filter((host) => appsOf(host).includes(app))
  const firstStage = (app: string) => Math.min(...having(app).map(({ stage }) => stage))
  const apps = [...new Set(hosts.flatMap(appsOf))].filter(wanted)
  const chosen = new Map<string, H>()
  for (const app of apps.toSorted((a, b) => firstStage(a) - firstStage(b))) {
    if (chosen.has(app)) continue
    const able = having(app).filter(({ stage }) => stage === firstStage(app))
    const member = able.find((host) => !appsOf(host).some((other) => chosen.has(other))) ?? able[0]
    for (const one of member ? appsOf(member) : []) if (member && !chosen.has(one)) chosen.set(one, member)
  }
  return new Set([...chosen.values()].map(({ name }) => name))
}

/**
 * Returns the hosts whose names match a list of patterns in the style of Ansible: `web*,!web3`. A list of only
 * exclusions selects all others.
 * @param names in the order of the result
 */
export function matchHostPatterns(names: readonly string[], patterns: readonly string[]): string[] {
  const wanted = patterns.filter((pattern) => !pattern.startsWith('!')).map(patternExpression)
  const unwanted = patterns
    .filter((pattern) => pattern.startsWith('!'))
    .map((pattern) => patternExpression(pattern.slice(1)))
  return names.filter(
    (name) => (wanted.length === 0 || wanted.some((one) => one.test(name))) && !unwanted.some((one) => one.test(name)),
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
