/** Finds a server at its balancers, and reports the balancers that do not answer. */
import type { Host } from '../../core/host/types.ts'
import { asConvergeError, type ConvergeError } from '../../core/model/errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import { Deadline } from '../services/deadline.ts'
import type { ServerAtBalancer } from './drain_turn.ts'
import { requireUnreachable } from './drained_servers.ts'
import { type Balancer, BalancerClient, type BalancerServer } from './haproxy_runtime.ts'

export type Reporter = Pick<Context, 'progress' | 'warn'>

export class BalancerLookup {
  readonly clients: readonly BalancerClient[]
  /** Balancers that did not answer once: asked again only if a server is still drained there. */
  private readonly unreachable = new Set<string>()
  /** Servers that do not run. */
  private readonly idle = new Set<string>()
  /** Why a balancer cannot be reached, kept until it is reported for a server that runs. */
  private readonly unreported = new Map<string, string>()

  constructor(
    private readonly host: Host,
    balancers: readonly Balancer[],
    private readonly reporter: Reporter,
    private readonly verb: 'restart' | 'stop',
  ) {
    this.clients = balancers.map((balancer) => new BalancerClient(host, balancer))
  }

  /** Records that a server does not run: it causes no warnings about balancers. */
  markIdle(server: string): void {
    this.idle.add(server)
  }

  isReachable({ label }: BalancerClient): boolean {
    return !this.unreachable.has(label)
  }

  /** Finds the server at all balancers that answer. */
  async findAtAll(server: string): Promise<ServerAtBalancer[]> {
    const servers: ServerAtBalancer[] = []
    for (const client of this.clients) {
      const found = await this.findServer(client, server)
      if (found) servers.push(found)
    }
    return servers
  }

  /** Queries a balancer again, for a few seconds: it answered before, and may be reloading. */
  async retryFindServer(client: BalancerClient, server: string): Promise<ServerAtBalancer | null> {
    const deadline = new Deadline(this.host, seconds(5))
    this.unreachable.delete(client.label)
    for (;;) {
      try {
        return this.select(client, server, await client.servers())
      } catch (thrown) {
        const error = requireUnreachable(thrown)
        if (await deadline.pause()) continue
        this.reportLost(client, error)
        return null
      }
    }
  }

  /** Reports that a balancer no longer answers; it is not asked again. */
  reportLost(client: BalancerClient, error: ConvergeError): void {
    const { message } = error
    this.unreachable.add(client.label)
    this.reporter.warn(`${message}; the next run that reaches it sets the servers ready again${hintSuffix(error)}`)
  }

  /** Finds the server at a balancer; null if the balancer does not answer, or does not have the server. */
  async findServer(client: BalancerClient, server: string): Promise<ServerAtBalancer | null> {
    if (this.unreachable.has(client.label)) {
      this.reportUnreachable(client, server)
      return null
    }
    try {
      return this.select(client, server, await client.servers())
    } catch (thrown) {
      const error = asConvergeError(thrown)
      if (!['BALANCER_UNREACHABLE', 'BALANCER_REFUSED', 'BALANCER_DENIED'].includes(error.code)) throw thrown
      this.unreachable.add(client.label)
      const message = `${error.message}; the ${this.verb} continues without it${this.coordinationWarning()}${hintSuffix(error)}`
      this.unreported.set(client.label, message)
      this.reportUnreachable(client, server)
      return null
    }
  }

  private reportUnreachable({ label }: BalancerClient, server: string): void {
    const message = this.unreported.get(label)
    if (message === undefined || this.idle.has(server)) return
    this.unreported.delete(label)
    this.reporter.warn(message)
  }

  /** Returns the end of a warning if no balancer answers: hosts coordinate through the balancers only. */
  private coordinationWarning(): string {
    const isUnknown = this.clients.every(({ label }) => this.unreachable.has(label))
    return this.verb === 'restart' && isUnknown ? ', and other hosts may restart theirs at the same time' : ''
  }

  private select(client: BalancerClient, name: string, servers: readonly BalancerServer[]): ServerAtBalancer | null {
    const state = servers.find((server) => server.name === name)
    if (state === undefined) {
      const message = `the balancer at ${client.label} has no server ${name}, so nothing is drained there (configure its host)`
      // A new server gets its entry in the balancer's configuration once it is online. One that stops for good has lost
      // its entry already.
      if (this.verb === 'restart' && !this.idle.has(name)) this.reporter.warn(message)
      return null
    }
    const others = servers.filter((server) => server.backend === state.backend && server.name !== name)
    return { client, state, others }
  }
}

export function hintSuffix({ hint }: ConvergeError): string {
  return hint === undefined ? '' : ` (${hint})`
}
