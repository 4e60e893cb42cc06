/**
 * Counts the changes of resources that others wait for, so that the others act after each change, however it ends.
 *
 * The state alone does not reveal A -> B -> A, where a service loaded B in between. Before such a resource changes, the account
 * of it does, on the disk; and the account is a part of the digest that others see.
 */
import type { Host } from '../host/types.ts'
import { digestWith } from '../model/digest.ts'
import { digestOf } from '../model/json.ts'
import { Unknown } from '../model/reference.ts'
import type { PlannedResource } from '../model/resource.ts'

/** Of one resource; each text differs after each change that it counts. */
interface Account {
  /** Changes that found what no run had left there: anything may have loaded that. */
  readonly drift: string | null
  /** Changes from what a run had left to something else. */
  readonly turns: string | null
  /** Digest of the state in which the last run left it. */
  readonly left: string | null
}

const noAccount: Account = { drift: null, turns: null, left: null }

/** Records the account that was there before a change, if the change did not happen after all. */
export type Unmark = (state: unknown) => void

export class ChangeMarks {
  private readonly recordedNames = new Map<string, string>()

  /** @param listed names of the resources whose digest others ask for in this plan */
  constructor(
    private readonly host: Host,
    private readonly listed: ReadonlySet<string>,
  ) {}

  /** Keeps the account of a resource under another name than the one it has in this plan. */
  recordAs(name: string, recorded: string): void {
    this.recordedNames.set(name, recorded)
  }

  /** Returns the digest that others see of a resource; plain as long as nothing was counted. */
  digest(name: string, print: unknown): string {
    const { drift, turns } = this.account(name) ?? noAccount
    return digestWith(digestOf(drift === null ? print : [print, drift]), turns)
  }

  /** Whether any change of a resource was counted. */
  isCounted(name: string): boolean {
    const { drift, turns } = this.account(name) ?? noAccount
    return drift !== null || turns !== null
  }

  /** Remembers that others wait for a resource: another event may change it, and has none of them in its plan. */
  watch(resource: PlannedResource, props: unknown, state: unknown): void {
    if (!this.listed.has(resource.name) || this.account(resource.name) !== null) return
    this.record(resource.name, { ...noAccount, left: digestOfPrint(fingerprintOf(resource, props, state)) })
  }

  /** Counts a change that is about to be made, if others wait for the resource and the change matters to them. */
  mark(resource: PlannedResource, props: unknown, now: unknown, desired: unknown): Unmark {
    const { name } = resource
    const known = this.account(name)
    if (known === null && !this.listed.has(name)) return () => undefined
    const print = (state: unknown) => digestOfPrint(fingerprintOf(resource, props, state))
    const [before, after] = [print(now), print(desired)]
    if (before !== null && before === after) return () => undefined
    const { drift, turns, left } = known ?? noAccount
    const isFromRun = left !== null && left === before
    this.record(name, {
      drift: isFromRun ? drift : digestOf([drift, before]),
      turns: isFromRun ? digestOf([turns, before]) : turns,
      left: after,
    })
    return (state) => {
      if (before !== null && print(state) === before) this.record(name, known ?? { ...noAccount, left: before })
    }
  }

  private account(name: string): Account | null {
    const text = this.host.recorded(this.keyOf(name))
    if (text === null) return null
    const [drift = null, turns = null, left = null] = JSON.parse(text) as (string | null)[]
    return { drift, turns, left }
  }

  private record(name: string, { drift, turns, left }: Account): void {
    this.host.record(this.keyOf(name), JSON.stringify([drift, turns, left]))
  }

  private keyOf(name: string): string {
    return `changes of ${this.recordedNames.get(name) ?? name}`
  }
}

/** Returns the part of a resource's state that other resources see, of which a digest is made. */
export function fingerprintOf(
  { definition }: Pick<PlannedResource, 'definition'>,
  props: unknown,
  state: unknown,
): unknown {
  const { fingerprint } = definition.implementation
  return fingerprint ? fingerprint(props, state) : state
}

/** Returns null if a dry run cannot know it. */
function digestOfPrint(print: unknown): string | null {
  return print instanceof Unknown ? null : digestOf(print)
}
