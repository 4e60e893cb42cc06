/** Who goes when: the stages and batches of a rollout, as pure functions of the stack and what was asked for. */
import { ConvergeError } from '../../model/errors.ts'

export type Strategy = 'parallel' | 'rolling' | 'canary'

/** A host as the order of things depends on it. */
export interface PlannedHost {
  readonly name: string
  /** Place of its first layer in the stack file, from 0: the lower ones are there first. */
  readonly stage: number
}

/** A count, or a share of the hosts it is taken of. */
export type Amount = { readonly count: number } | { readonly percent: number }

/** @throws USAGE where the text is neither `3` nor `25%` */
export function parseAmount(text: string, option: string, least: number): Amount {
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

/** Shares are rounded down: 25% of five hosts is one. */
export function amountOf(amount: Amount, total: number, least: number): number {
  const wanted = 'count' in amount ? amount.count : Math.floor((total * amount.percent) / 100)
  return Math.max(least, Math.min(wanted, total))
}

export interface BatchOptions {
  readonly strategy: Strategy
  /** How many at once (rolling), or how many go first (canary). */
  readonly size: Amount
  /** Hosts that go before all others and alone, since what they do has to be done once and first. */
  readonly first: ReadonlySet<string>
  /** The last layer first: what others depend on goes down after them. */
  readonly reverse: boolean
}

/** Every host is in exactly one batch; no batch holds hosts of two stages. */
export function batchesOf<H extends PlannedHost>(
  hosts: readonly H[],
  { strategy, size, first, reverse }: BatchOptions,
): H[][] {
  const stages = new Map<number, H[]>()
  for (const host of hosts) stages.set(host.stage, [...(stages.get(host.stage) ?? []), host])
  const ordered = [...stages].sort(([a], [b]) => (reverse ? b - a : a - b)).map(([, members]) => members)
  return ordered.flatMap((members) => {
    const alone = members.filter(({ name }) => first.has(name))
    const rest = members.filter(({ name }) => !first.has(name))
    const batches = inBatches(rest, strategy, size, members.length)
    return [...alone.map((host) => [host]), ...batches]
  })
}

function inBatches<H>(hosts: readonly H[], strategy: Strategy, size: Amount, total: number): H[][] {
  if (hosts.length === 0) return []
  if (strategy === 'parallel') return [[...hosts]]
  const step = amountOf(size, total, 1)
  if (strategy === 'canary') return [hosts.slice(0, step), hosts.slice(step)].filter((batch) => batch.length > 0)
  const batches: H[][] = []
  for (let at = 0; at < hosts.length; at += step) batches.push(hosts.slice(at, at + step))
  return batches
}

/**
 * The hosts whose names fit a list of patterns as Ansible has them: `web*,!web3`. Where only exclusions are given, all others are meant.
 * @param names in the order they are to keep
 */
export function limited(names: readonly string[], patterns: readonly string[]): string[] {
  const wanted = patterns.filter((pattern) => !pattern.startsWith('!')).map(expression)
  const unwanted = patterns.filter((pattern) => pattern.startsWith('!')).map((pattern) => expression(pattern.slice(1)))
  return names.filter(
    (name) => (wanted.length === 0 || wanted.some((one) => one.test(name))) && !unwanted.some((one) => one.test(name)),
  )
}

/** `*` for any text, `?` for one letter. */
function expression(pattern: string): RegExp {
  const text = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${text}$`)
}
