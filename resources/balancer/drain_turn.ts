/**
 * Decides when a server may leave its balancers: one after the other over all hosts, and never the last one that is up.
 *
 * Hosts that restart their servers at the same moment share nothing but the balancers. So a run claims its turn there
 * before it drains. Each of two runs claims first and looks afterwards, so at least one of them sees the other. The
 * server with the alphabetically first name drains first, and the other run withdraws its claim and waits.
 */
import type { Host } from '../../core/host/types.ts'
import { asConvergeError, ConvergeError } from '../../core/model/errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { Duration, milliseconds, seconds } from '../../core/model/units.ts'
import { atOnce } from '../services/restart/max_unavailable.ts'
import { Deadline } from '../services/restart/service_restarter.ts'
import { recordOf } from './drained_servers.ts'
import type { BalancerClient, BalancerServer } from './haproxy_runtime.ts'

/** A server in one of its balancers. */
export interface Place {
  readonly client: BalancerClient
  readonly now: BalancerServer
  /** The other servers of its backend. */
  readonly others: readonly BalancerServer[]
}

export interface TurnRules {
  /** Servers that this run manages. */
  readonly own: ReadonlySet<string>
  /** How many servers of a backend may be drained at once: a count, or a share such as `'25%'`. */
  readonly atOnce: number | string
  /** How long to wait while others are drained, and enough are up. */
  readonly patience: Duration
  /** How long a restart may take on another host: until then a drained server is expected back. */
  readonly restart: Duration
}

export interface TurnPorts {
  readonly look: () => Promise<readonly Place[]>
  /** Servers of this run that are drained now, each with a promise that settles when the server is ready again. */
  readonly out: ReadonlyMap<string, Promise<unknown>>
  readonly stopped: () => boolean
  readonly tell: Pick<Context, 'progress' | 'warn'>
}

/** A claim lasts until its run has looked at the balancers once more. A longer one belongs to a run that was killed. */
const longestClaim = seconds(15)
const rivalPause = milliseconds(50)
const shortestPause = 300
const longestPause = 1200

export class Turn {
  private readonly clock: Deadline
  /** When a claim was first seen, by balancer and server; in milliseconds of the clock. */
  private readonly claims = new Map<string, number>()
  private states = ''
  /** When the state of another server last changed; in milliseconds of the clock. */
  private changed = 0
  private said = ''

  constructor(
    private readonly host: Host,
    private readonly server: string,
    private readonly rules: TurnRules,
    private readonly ports: TurnPorts,
  ) {
    this.clock = new Deadline(host, new Duration(Number.MAX_SAFE_INTEGER))
  }

  /**
   * Waits until the server may be drained, and claims its turn.
   * @returns its places; null if the run has been stopped meanwhile
   * @throws OTHERS_DRAINED if no other server is up, and one of another host stays drained
   */
  async come(): Promise<readonly Place[] | null> {
    for (;;) {
      const found = await this.waitForOthers()
      if (found === null) return null
      for (const place of found) this.refuseLast(place)
      const claimed = await this.claim(found)
      if (claimed === null) return null
      if (claimed !== 'lost') return claimed
      await this.backOff()
    }
  }

  /** Decides whether no other server of the backend takes visitors. */
  isAlone(place: Place): boolean {
    return this.taking(place).length === 0
  }

  /**
   * Decides whether two hosts have drained the last servers at the same moment. That can happen if a server has no
   * health checks, and so cannot be claimed.
   * @returns whether this server must take visitors again
   */
  async hasOvertaken(): Promise<boolean> {
    const isFirst = (one: BalancerServer) => this.isForeign(one) && one.setAside && one.name < this.server
    const places = await this.ports.look()
    return places.some(
      (place) => place.now.setAside && !place.now.checked && this.isAlone(place) && place.others.some(isFirst),
    )
  }

  backOff(): Promise<boolean> {
    return this.clock.pause(milliseconds(shortestPause + Math.random() * (longestPause - shortestPause)))
  }

  private async waitForOthers(): Promise<readonly Place[] | null> {
    for (;;) {
      const found = await this.ports.look()
      if (this.ports.stopped()) return null
      this.watch(found)
      const awaited = found.flatMap((place) => (place.now.admin === 'ready' ? this.awaited(place) : []))
      if (awaited.length === 0) return found
      const own = [...this.ports.out.values()]
      const names = [...new Set(awaited.map(({ name }) => name))].join(', ')
      this.say(`${this.server} waits until ${own.length > 0 ? 'another one' : names} is back`)
      if (own.length > 0) await Promise.race(own)
      else await this.backOff()
    }
  }

  /** Returns the servers that must be back before this one may leave a place; none if it may leave now. */
  private awaited(place: Place): readonly BalancerServer[] {
    const out = this.comingBack(place)
    const waited = this.clock.passed - this.changed
    if (this.isAlone(place)) return this.ports.out.size > 0 || waited < this.rules.restart.ms ? out : []
    const isFull = out.length >= atOnce(this.rules.atOnce, place.others.length + 1)
    return isFull && waited < this.rules.patience.ms ? out : []
  }

  private taking({ client, others }: Place): readonly BalancerServer[] {
    return others.filter((one) => one.takesVisitors && !this.isClaimed(client, one))
  }

  /** Returns other servers that take no visitors, or soon will not, and are expected back. */
  private comingBack(place: Place): readonly BalancerServer[] {
    const taking = new Set(this.taking(place))
    const isRecent = (one: BalancerServer) => one.unchangedFor * 1000 < this.rules.restart.ms
    return place.others.filter((one) => {
      if (taking.has(one)) return false
      if (!this.isForeign(one)) return this.ports.out.has(one.name)
      return one.takesVisitors || isRecent(one)
    })
  }

  private isForeign({ name }: BalancerServer): boolean {
    return !this.rules.own.has(name)
  }

  private isClaimed(client: BalancerClient, one: BalancerServer): boolean {
    const key = `${client.where} ${one.name}`
    if (!one.claimed) {
      this.claims.delete(key)
      return false
    }
    const since = this.claims.get(key) ?? this.clock.passed
    this.claims.set(key, since)
    return this.clock.passed - since < longestClaim.ms
  }

  /**
   * Restarts the waiting time whenever a server of another host leaves or returns: the restarts elsewhere make
   * progress.
   */
  private watch(places: readonly Place[]): void {
    const states = places
      .flatMap(({ client, others }) => others.map(({ name, admin, up }) => `${client.where} ${name} ${admin} ${up}`))
      .join('\n')
    if (states !== this.states) this.changed = this.clock.passed
    this.states = states
  }

  /**
   * Throws if a server of another host stays drained, so that this one is the last.
   * @throws OTHERS_DRAINED
   */
  private refuseLast(place: Place): void {
    const { client, now, others } = place
    if (now.admin !== 'ready' || !this.isAlone(place)) return
    const foreign = others.filter((one) => this.isForeign(one))
    const drained = foreign.filter(({ setAside }) => setAside).map(({ name }) => name)
    if (drained.length > 0)
      throw new ConvergeError(
        `${now.name} is the only server that is up at ${client.where}, and was not restarted: ${drained.join(', ')} ${drained.length === 1 ? 'is' : 'are'} drained there`,
        {
          code: 'OTHERS_DRAINED',
          hint: `run converge on the host of that server, or set it ready: converge balancer ready ${drained[0]?.split('/')[1]}`,
        },
      )
    const down = foreign.map(({ name }) => name)
    const text = `${now.name} is the only one up at ${client.where}`
    if (down.length === 0) this.ports.tell.progress(`${text}: restarted without draining`)
    else
      this.ports.tell.warn(
        `${text}: restarted without draining, since ${down.join(', ')} ${down.length === 1 ? 'is' : 'are'} down (start ${down.length === 1 ? 'it' : 'them'}, so that visitors get no errors at the next restart)`,
      )
  }

  /**
   * Claims the turn at all places.
   * @returns the places as they are now; `lost` if another server goes first; null if the run has been stopped
   */
  private async claim(found: readonly Place[]): Promise<readonly Place[] | 'lost' | null> {
    const claimed: BalancerClient[] = []
    for (const place of found) {
      const { client, now, others } = place
      const isContested = others.some((one) => this.isForeign(one)) && !this.isAlone(place)
      if (now.admin === 'ready' && now.checked && isContested && (await this.claimAt(client))) claimed.push(client)
    }
    if (claimed.length === 0) return found
    const again = await this.waitForRivals()
    if (again === null || again === 'lost') for (const client of claimed) await this.withdraw(client)
    return again
  }

  /** Waits for runs that have not seen this claim: they drain their server, or withdraw, after their next look. */
  private async waitForRivals(): Promise<readonly Place[] | 'lost' | null> {
    for (;;) {
      const places = await this.ports.look()
      if (this.ports.stopped()) return null
      const rivals = places.flatMap(({ client, others }) =>
        others.filter((one) => this.isForeign(one) && one.takesVisitors && this.isClaimed(client, one)),
      )
      if (rivals.some(({ name }) => name < this.server)) return 'lost'
      if (rivals.length > 0) await this.clock.pause(rivalPause)
      else return places.some((place) => this.mayNotLeave(place)) ? 'lost' : places
    }
  }

  private mayNotLeave(place: Place): boolean {
    return place.now.admin === 'ready' && this.awaited(place).length > 0
  }

  private async claimAt(client: BalancerClient): Promise<boolean> {
    const record = recordOf(client.at, this.server)
    this.host.record(record, 'taken out')
    try {
      await client.claim(this.server)
      return true
    } catch (thrown) {
      const error = asConvergeError(thrown)
      if (!error.code.startsWith('BALANCER_') && error.code !== 'NO_SERVER') throw thrown
      // An error that prevents the claim also prevents the drain, which reports it. A claim without an answer may
      // exist.
      if (error.code !== 'BALANCER_UNREACHABLE') this.host.record(record, '')
      return false
    }
  }

  private async withdraw(client: BalancerClient): Promise<void> {
    try {
      await client.release(this.server)
      this.host.record(recordOf(client.at, this.server), '')
    } catch (thrown) {
      const error = asConvergeError(thrown)
      if (!error.code.startsWith('BALANCER_')) throw thrown
      this.ports.tell.warn(`${error.message}; the next run resumes the health checks of ${this.server} there`)
    }
  }

  private say(text: string): void {
    if (text !== this.said) this.ports.tell.progress(text)
    this.said = text
  }
}
