/** Drains servers at their balancers before a restart or a stop, and sets them ready after a restart. */
import type { Host } from '../../core/host/types.ts'
import { asConvergeError, ConvergeError } from '../../core/model/errors.ts'
import { type Duration, seconds } from '../../core/model/units.ts'
import { Deadline } from '../services/deadline.ts'
import { BalancerLookup, hintSuffix, type Reporter } from './balancer_lookup.ts'
import { type DrainRules, DrainTurn, type ServerAtBalancer } from './drain_turn.ts'
import { drainRecordName, isDrainedByUs, requireUnreachable } from './drained_servers.ts'
import type { Balancer, BalancerClient, BalancerServer } from './haproxy_runtime.ts'

/** The two reasons to drain a server, each with its past participle. */
const participles = { restart: 'restarted', stop: 'stopped' } as const

/** The default rules: the server alone, one at a time. */
const defaultRules: DrainRules = {
  ownServers: new Set(),
  maxUnavailable: 1,
  waitLimit: seconds(60),
  restartLimit: seconds(180),
}

export class ServerDrainer {
  private readonly lookup: BalancerLookup
  /** Servers that are drained now, each with a promise that settles when the server is ready again. */
  private readonly drained = new Map<string, Promise<unknown>>()
  private readonly reported = new Set<string>()
  /** The end of the previous turn: a server looks at the others and leaves before the next one looks. */
  private turn: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly host: Host,
    balancers: readonly Balancer[],
    private readonly limit: Duration,
    private readonly reporter: Reporter,
    private readonly verb: keyof typeof participles = 'restart',
    private readonly rules: DrainRules = defaultRules,
  ) {
    this.lookup = new BalancerLookup(host, balancers, reporter, verb)
  }

  /** Records that a server does not run: a balancer that cannot drain it is no reason for a warning then. */
  markIdle(server: string): void {
    this.lookup.markIdle(server)
  }

  /**
   * Restarts a server without visitors: drains it at each balancer that has another server for the visitors, calls
   * `restart`, and sets it ready. If `restart` fails, the server stays drained.
   * @param back how long a balancer may take to show the server up
   * @param stopped whether the run has failed meanwhile, so that no further server should be drained
   * @returns false if the restart did not begin for that reason
   */
  async restartDrained(
    server: string,
    restart: () => Promise<void>,
    back: Duration,
    stopped: () => boolean,
  ): Promise<boolean> {
    let isBack: () => void = () => undefined
    const taking = this.turn.then(async () => {
      const servers = await this.drainEverywhere(server, stopped)
      if (servers) this.drained.set(server, new Promise<void>((resolve) => (isBack = resolve)))
      return servers
    })
    this.turn = taking.catch(() => undefined)
    const servers = await taking
    if (servers === null) return false
    try {
      await this.waitUntilIdle(server, servers)
      await restart()
      await this.setReady(server, back)
    } finally {
      this.drained.delete(server)
      isBack()
    }
    return true
  }

  /**
   * Stops a server without visitors: drains it at each balancer, even if it is the only server there, and calls `stop`.
   * Afterwards it counts as down there. When someone starts it again, its own health check finds it. A server without a
   * check stays drained until a run sets it ready.
   */
  async stopDrained(server: string, stop: () => Promise<void>): Promise<void> {
    const servers: ServerAtBalancer[] = []
    for (const { client, state } of await this.lookup.findAtAll(server))
      if (state.admin === 'ready' ? await this.drain(client, state) : isDrainedByUs(this.host, client.balancer, server))
        servers.push({ client, state, others: [] })
    await this.waitUntilIdle(server, servers)
    await stop()
    for (const { client, state } of servers) if (state.checked) await this.setReadyAndDown(client, server)
  }

  private async setReadyAndDown(client: BalancerClient, server: string): Promise<void> {
    try {
      await client.readyAndDown(server)
    } catch (thrown) {
      const error = asConvergeError(thrown)
      if (['BALANCER_UNREACHABLE', 'BALANCER_REFUSED', 'BALANCER_DENIED'].includes(error.code))
        return this.lookup.reportLost(client, error)
      // A server that the balancer no longer has cannot be drained there.
      if (error.code !== 'NO_SERVER') throw thrown
    }
    this.host.record(drainRecordName(client.balancer, server), '')
  }

  /**
   * Drains the server.
   * @returns the balancers that send it no visitors any more; null if the restart did not begin
   */
  private async drainEverywhere(server: string, stopped: () => boolean): Promise<ServerAtBalancer[] | null> {
    const find = () => this.lookup.findAtAll(server)
    const turn = new DrainTurn(this.host, server, this.rules, {
      find,
      drained: this.drained,
      isStopped: stopped,
      reported: this.reported,
      reporter: this.reporter,
    })
    for (;;) {
      const found = await turn.waitForTurn()
      if (found === null) return null
      const servers: ServerAtBalancer[] = []
      for (const one of found) if (await this.drainUnlessLast(one, turn)) servers.push(one)
      const drained = servers.filter(({ state }) => state.admin === 'ready')
      if (drained.every(({ state }) => state.checked) || !(await turn.isOvertaken())) return servers
      for (const { client } of drained) await this.undoDrain(client, server)
      await turn.backOff()
    }
  }

  private async drainUnlessLast(server: ServerAtBalancer, turn: DrainTurn): Promise<boolean> {
    const { client, state } = server
    if (state.admin === 'ready') return !turn.isLastServer(server) && (await this.drain(client, state))
    if (!isDrainedByUs(this.host, client.balancer, state.name))
      this.reporter.progress(`${state.name} is in ${state.admin} at ${client.label} already, and stays in it`)
    return true
  }

  /** Sets a server ready that was not stopped. */
  private async undoDrain(client: BalancerClient, server: string): Promise<void> {
    try {
      await client.ready(server)
      this.host.record(drainRecordName(client.balancer, server), '')
    } catch (error) {
      this.lookup.reportLost(client, requireUnreachable(error))
    }
  }

  private async drain(client: BalancerClient, server: BalancerServer): Promise<boolean> {
    const { name } = server
    const record = drainRecordName(client.balancer, name)
    if (!isDrainedByUs(this.host, client.balancer, name)) this.host.record(record, 'taken out')
    try {
      await client.drain(server)
      this.reporter.progress(`draining ${name} at ${client.label}`)
      return true
    } catch (thrown) {
      const error = asConvergeError(thrown)
      if (!['BALANCER_DENIED', 'NO_SERVER', 'BALANCER_REFUSED', 'BALANCER_UNREACHABLE'].includes(error.code))
        throw thrown
      // A balancer that did not answer may nevertheless have executed the command.
      if (error.code !== 'BALANCER_UNREACHABLE') this.host.record(record, '')
      this.reporter.warn(
        `${error.message}; what it balances is ${participles[this.verb]} without draining${hintSuffix(error)}`,
      )
      return false
    }
  }

  /** Waits for the last response of the server at all balancers; continues with a warning after the deadline. */
  private async waitUntilIdle(server: string, servers: readonly ServerAtBalancer[]): Promise<void> {
    const deadline = new Deadline(this.host, this.limit)
    for (const { client } of servers) {
      // Idle twice in a row: a request on its way to the server counts only a moment later.
      for (let idle = 0; idle < 2; ) {
        const found = await this.lookup.findServer(client, server)
        if (found === null) break
        const busy = found.state.sessions + found.state.queue
        idle = busy === 0 ? idle + 1 : 0
        if (idle === 2 || (await deadline.pause())) continue
        if (busy > 0)
          this.reporter.warn(
            `${server} still had ${busy} ${busy === 1 ? 'session' : 'sessions'} at ${client.label} after ${this.limit}, and is ${participles[this.verb]} now (raise converge.balancer.drain_deadline_seconds to wait longer)`,
          )
        break
      }
    }
  }

  /**
   * Sets a server ready wherever this program drained it. If a health check has found it down meanwhile, it counts as
   * up at once.
   * @throws SERVER_NOT_UP if a balancer that had drained the server does not show it up
   */
  async setReady(server: string, limit: Duration): Promise<void> {
    for (const client of this.lookup.clients) {
      const ours = isDrainedByUs(this.host, client.balancer, server)
      const found = ours
        ? await this.lookup.retryFindServer(client, server)
        : await this.lookup.findServer(client, server)
      // The operator drained it, or nothing needs to change.
      if (!ours && (found === null || found.state.admin !== 'ready' || found.state.up)) continue
      try {
        if (found !== null) await this.setReadyAt(found, { limit, ours })
        // A server that the balancer no longer has cannot be drained; a balancer that does not answer may still have it
        // drained.
        if (ours && this.lookup.isReachable(client)) this.host.record(drainRecordName(client.balancer, server), '')
      } catch (error) {
        this.lookup.reportLost(client, requireUnreachable(error))
      }
    }
  }

  private async setReadyAt(
    { client, state }: ServerAtBalancer,
    { limit, ours }: { readonly limit: Duration; readonly ours: boolean },
  ): Promise<void> {
    // The run was killed before it drained the server.
    if (state.claimed) await client.release(state.name)
    // The balancer never drained the server, or has lost its state.
    if (state.admin === 'ready' && state.up) return
    try {
      await client.setHealthUp(state.name)
    } catch (error) {
      // HAProxy refuses this for a server that tracks the checks of another one: its health checks decide then.
      if (!['BALANCER_REFUSED', 'BALANCER_DENIED'].includes(asConvergeError(error).code)) throw error
    }
    if (state.admin !== 'ready') {
      this.reporter.progress(`setting ${state.name} ready at ${client.label}`)
      await client.ready(state.name)
    }
    const problem = await this.waitUntilUp(client, state.name, limit)
    if (problem === null) return
    // If the server was down before the restart, no one waits for it.
    if (ours) throw problem
    this.reporter.warn(`${problem.message}${hintSuffix(problem)}`)
  }

  private async waitUntilUp(client: BalancerClient, server: string, limit: Duration): Promise<ConvergeError | null> {
    const deadline = new Deadline(this.host, limit)
    for (;;) {
      const found = await this.lookup.findServer(client, server)
      if (found === null || found.state.up || found.state.admin !== 'ready') return null
      if (await deadline.pause()) continue
      const { status, check } = found.state
      return new ConvergeError(`${server} is ready, but ${client.label} does not report it up after ${limit}`, {
        code: 'SERVER_NOT_UP',
        output: `${status} ${check}`.trim(),
        hint: 'compare the request of its health check (option httpchk in haproxy.cfg) with the answer of the server',
      })
    }
  }
}
