/**
 * Decides when a server may leave its balancers: one after the other over all hosts, and never the last one that is up.
 *
 * Hosts that restart their servers at the same moment share nothing but the balancers. So a run claims its turn there
 * before it drains. Each of two runs claims first and queries the balancers afterwards, so at least one of them finds the claim of the other. The
 * server with the alphabetically first name drains first, and the other run withdraws its claim and waits.
 */
import type { Host } from '../../core/host/types.ts'
import { asConvergeError, ConvergeError } from '../../core/model/errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { Duration, milliseconds, seconds } from '../../core/model/units.ts'
import { Deadline } from '../services/deadline.ts'
import { countUnavailable } from '../services/restart/max_unavailable.ts'
import { drainRecordName } from './drained_servers.ts'
import type { BalancerClient, BalancerServer } from './haproxy_runtime.ts'

/** A server in one of its balancers. */
export interface ServerAtBalancer {
  readonly client: BalancerClient
  readonly state: BalancerServer
  /** The other servers of its backend. */
  readonly others: readonly BalancerServer[]
}

export interface DrainRules {
  /** Servers that this run manages. */
  readonly ownServers: ReadonlySet<string>
  /** How many servers of a backend may be drained at once: a count, or a share such as `'25%'`. */
  readonly maxUnavailable: number | string
  /** How long to wait while others are drained, and enough are up. */
  readonly waitLimit: Duration
  /** How long a restart may take on another host: until then a drained server is expected back. */
  readonly restartLimit: Duration
  /**
   * Servers of hosts that the rollout cannot reach: while one of them is down, only the last server that is up waits
   * for it. Default: none.
   */
  readonly absent?: ReadonlySet<string> | undefined
}

export interface DrainTurnPorts {
  readonly find: () => Promise<readonly ServerAtBalancer[]>
  /** Servers of this run that are drained now, each with a promise that settles when the server is ready again. */
  readonly drained: ReadonlyMap<string, Promise<unknown>>
  readonly isStopped: () => boolean
  /** Texts that another server of this run has reported already. */
  readonly reported: Set<string>
  readonly reporter: Pick<Context, 'progress' | 'warn'>
}

/** A claim lasts until its run has queried the balancers once more. A longer one belongs to a run that was killed. */
const longestClaim = seconds(15)
const rivalPause = milliseconds(50)
const shortestPause = 300
const longestPause = 1200

export class DrainTurn {
  private readonly clock: Deadline
  /** When this run first found a claim, by balancer and server; in milliseconds of the clock. */
  private readonly claims = new Map<string, number>()
  private states = ''
  /** When the state of another server last changed; in milliseconds of the clock. */
  private lastChange = 0
  private lastProgress = ''

  constructor(
    private readonly host: Host,
    private readonly server: string,
    private readonly rules: DrainRules,
    private readonly ports: DrainTurnPorts,
  ) {
    this.clock = new Deadline(host, new Duration(Number.MAX_SAFE_INTEGER))
  }

  /**
   * Waits until the server may be drained, and claims its turn.
   * @returns the server at each of its balancers; null if the run has been stopped meanwhile
   * @throws OTHERS_DRAINED if no other server is up, and one of another host stays drained
   */
  async waitForTurn(): Promise<readonly ServerAtBalancer[] | null> {
    for (;;) {
      const found = await this.waitForOthers()
      if (found === null) return null
      for (const server of found) this.refuseLast(server)
      const claimed = await this.claim(found)
      if (claimed === null) return null
      if (claimed !== 'lost') return claimed
      await this.backOff()
    }
  }

  /** Decides whether no other server of the backend takes visitors. */
  isLastServer(server: ServerAtBalancer): boolean {
    return this.othersWithVisitors(server).length === 0
  }

  /**
   * Decides whether two hosts have drained the last servers at the same moment. That can happen if a server has no
   * health checks, and so cannot be claimed.
   * @returns whether this server must take visitors again
   */
  async isOvertaken(): Promise<boolean> {
    const isFirst = (other: BalancerServer) => this.isForeign(other) && other.setAside && other.name < this.server
    const servers = await this.ports.find()
    return servers.some(
      (server) =>
        server.state.setAside && !server.state.checked && this.isLastServer(server) && server.others.some(isFirst),
    )
  }

  backOff(): Promise<boolean> {
    return this.clock.pause(milliseconds(shortestPause + Math.random() * (longestPause - shortestPause)))
  }

  private async waitForOthers(): Promise<readonly ServerAtBalancer[] | null> {
    for (;;) {
      const servers = await this.ports.find()
      if (this.ports.isStopped()) return null
      this.noteStates(servers)
      const serversToAwait = servers.flatMap((server) =>
        server.state.admin === 'ready' ? this.serversToAwait(server) : [],
      )
      if (serversToAwait.length === 0) return servers
      const localDrains = [...this.ports.drained.values()]
      const names = [...new Set(serversToAwait.map(({ name }) => name))].join(', ')
      this.reportOnce(`${this.server} waits until ${localDrains.length > 0 ? 'another one' : names} is back`)
      if (localDrains.length > 0) await Promise.race(localDrains)
      else await this.backOff()
    }
  }

  /** Returns the servers that must be back before this one may drain; none if it may drain now. */
  private serversToAwait(server: ServerAtBalancer): readonly BalancerServer[] {
    const expected = this.expectedBack(server)
    const waited = this.clock.passed - this.lastChange
    if (this.isLastServer(server))
      return this.ports.drained.size > 0 || waited < this.rules.restartLimit.ms ? expected : []
    const limit = countUnavailable(this.rules.maxUnavailable, server.others.length + 1)
    if (expected.length < limit || waited >= this.rules.waitLimit.ms) return []
    const reachable = expected.filter((other) => !this.isAbsent(other))
    if (reachable.length >= limit) return reachable
    this.reportAbsent(expected.filter((other) => this.isAbsent(other)))
    return []
  }

  /** Whether the server is down on a host that the rollout cannot reach; one that is up may be set ready by its own run. */
  private isAbsent({ name, up }: BalancerServer): boolean {
    return !up && this.rules.absent?.has(name) === true
  }

  private reportAbsent(servers: readonly BalancerServer[]): void {
    const names = servers.map(({ name }) => name).join(', ')
    const text = `not waiting for ${names}: the rollout cannot reach ${servers.length === 1 ? 'its host' : 'their hosts'}`
    if (this.ports.reported.has(text)) return
    this.ports.reported.add(text)
    this.ports.reporter.progress(text)
  }

  private othersWithVisitors({ client, others }: ServerAtBalancer): readonly BalancerServer[] {
    return others.filter((other) => other.takesVisitors && !this.isClaimed(client, other))
  }

  /** Returns other servers that take no visitors, or soon will not, and are expected back. */
  private expectedBack(server: ServerAtBalancer): readonly BalancerServer[] {
    const taking = new Set(this.othersWithVisitors(server))
    const isRecent = (other: BalancerServer) => other.unchangedFor * 1000 < this.rules.restartLimit.ms
    return server.others.filter((other) => {
      if (taking.has(other)) return false
      if (!this.isForeign(other)) return this.ports.drained.has(other.name)
      return other.takesVisitors || isRecent(other)
    })
  }

  private isForeign({ name }: BalancerServer): boolean {
    return !this.rules.ownServers.has(name)
  }

  private isClaimed(client: BalancerClient, server: BalancerServer): boolean {
    const key = `${client.label} ${server.name}`
    if (!server.claimed) {
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
  private noteStates(servers: readonly ServerAtBalancer[]): void {
    const states = servers
      .flatMap(({ client, others }) => others.map(({ name, admin, up }) => `${client.label} ${name} ${admin} ${up}`))
      .join('\n')
    if (states !== this.states) this.lastChange = this.clock.passed
    this.states = states
  }

  /**
   * Throws if a server of another host stays drained, so that this one is the last.
   * @throws OTHERS_DRAINED
   */
  private refuseLast(server: ServerAtBalancer): void {
    const { client, state, others } = server
    if (state.admin !== 'ready' || !this.isLastServer(server)) return
    const foreign = others.filter((other) => this.isForeign(other))
    const drained = foreign.filter(({ setAside }) => setAside).map(({ name }) => name)
    if (drained.length > 0)
      throw new ConvergeError(
        `${state.name} is the only server that is up at ${client.label}, and was not restarted: ${drained.join(', ')} ${drained.length === 1 ? 'is' : 'are'} drained there`,
        {
          code: 'OTHERS_DRAINED',
          hint: `run converge on the host of that server, or set it ready: converge balancer ready ${drained[0]?.split('/')[1]}`,
        },
      )
    const down = foreign.map(({ name }) => name)
    const text = `${state.name} is the only one up at ${client.label}`
    if (down.length === 0) this.ports.reporter.progress(`${text}: restarted without draining`)
    else
      this.ports.reporter.warn(
        `${text}: visitors get errors while it restarts, since ${down.join(', ')} ${down.length === 1 ? 'is' : 'are'} down (start ${down.length === 1 ? 'it' : 'them'} before the next restart)`,
      )
  }

  /**
   * Claims the turn at all balancers.
   * @returns the servers as they are now; `lost` if another server goes first; null if the run has been stopped
   */
  private async claim(servers: readonly ServerAtBalancer[]): Promise<readonly ServerAtBalancer[] | 'lost' | null> {
    const claimed: BalancerClient[] = []
    for (const server of servers) {
      const { client, state, others } = server
      const isContested = others.some((other) => this.isForeign(other)) && !this.isLastServer(server)
      if (state.admin === 'ready' && state.checked && isContested && (await this.claimAt(client))) claimed.push(client)
    }
    if (claimed.length === 0) return servers
    const outcome = await this.waitForRivals()
    if (outcome === null || outcome === 'lost') for (const client of claimed) await this.withdraw(client)
    return outcome
  }

  /** Waits for runs that have not seen this claim: they drain their server, or withdraw, after their next query. */
  private async waitForRivals(): Promise<readonly ServerAtBalancer[] | 'lost' | null> {
    for (;;) {
      const servers = await this.ports.find()
      if (this.ports.isStopped()) return null
      const rivals = servers.flatMap(({ client, others }) =>
        others.filter((other) => this.isForeign(other) && other.takesVisitors && this.isClaimed(client, other)),
      )
      if (rivals.some(({ name }) => name < this.server)) return 'lost'
      if (rivals.length > 0) await this.clock.pause(rivalPause)
      else return servers.some((server) => this.mustWait(server)) ? 'lost' : servers
    }
  }

  private mustWait(server: ServerAtBalancer): boolean {
    return server.state.admin === 'ready' && this.serversToAwait(server).length > 0
  }

  private async claimAt(client: BalancerClient): Promise<boolean> {
    const record = drainRecordName(client.balancer, this.server)
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
      this.host.record(drainRecordName(client.balancer, this.server), '')
    } catch (thrown) {
      const error = asConvergeError(thrown)
      if (!error.code.startsWith('BALANCER_')) throw thrown
      this.ports.reporter.warn(`${error.message}; the next run resumes the health checks of ${this.server} there`)
    }
  }

  private reportOnce(text: string): void {
    if (text !== this.lastProgress) this.ports.reporter.progress(text)
    this.lastProgress = text
  }
}
