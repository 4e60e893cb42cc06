/**
 * Imitates HAProxy's runtime API (format of version 2.6) for the in-memory host: servers with states, and sessions that
 * end by the host's clock.
 */
import type { ExchangeHandler, VirtualHost } from '../../core/host/virtual.ts'

export interface FakeBalancer {
  /** Path of the socket, or `host:port`. */
  readonly at: string
  /** Names of the servers, by backend. */
  readonly backends: Readonly<Record<string, readonly string[]>>
  /** Level of the socket; default admin. */
  readonly level?: 'admin' | 'operator' | 'user'
  /** Seconds that a drained server still needs for its last session; default 0. */
  readonly busyFor?: number
  /** Whether a cookie binds visitors to a server; default false. */
  readonly sticky?: boolean
  /** Returns the result of a server's health check; default: up. */
  readonly healthy?: (server: string, host: VirtualHost) => boolean
  /** Whether its servers track those of another backend and cannot be set manually; default false. */
  readonly tracking?: boolean
  /** Which changes count for the time since the last change: HAProxy 2.6 includes a drain (default), 3.0 does not. */
  readonly dates?: 'drains' | 'health'
  /** Whether the socket accepts connections; default: yes. */
  readonly listening?: (host: VirtualHost) => boolean
}

interface Server {
  admin: number
  /** When the server stopped receiving new visitors. */
  outSince: number | null
  setUp: boolean
  /** Whether health checks are enabled; if disabled, a run has claimed the server. */
  checks: boolean
  /** When the state last changed, by the host's clock; null: long ago. */
  changed: number | null
}

const stateColumns =
  'be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port'
const statColumns =
  'pxname,svname,qcur,qmax,scur,smax,status,weight,check_status,check_code,last_chk,check_desc,cookie,'

const admins: Readonly<Record<string, number>> = { ready: 0, drain: 8, maint: 1 }

export class FakeHaproxy {
  /** The handler for `exchanges` of a VirtualHost. */
  readonly exchanges: ExchangeHandler
  private readonly worlds = new WeakMap<VirtualHost, Map<string, Server>>()
  private readonly common = new Map<string, Server>()
  /** The number of requests to any of the balancers. */
  calls = 0

  /** @param shared whether all hosts share the balancers; default: each host has its own */
  constructor(
    readonly balancers: readonly FakeBalancer[],
    private readonly shared = false,
  ) {
    this.exchanges = ({ socketPath, host = '127.0.0.1', port, text }, machine) => {
      this.calls++
      const balancer = balancers.find(({ at }) => at === (socketPath ?? `${host}:${port}`))
      if (balancer === undefined || balancer.listening?.(machine) === false) return null
      return text
        .trim()
        .split('; ')
        .map((command) => `${this.answer(balancer, command, machine)}\n`)
        .join('')
    }
  }

  /** Returns a server's state: `ready`, `drain` or `maint`, followed by `down` if the server is not up. */
  state(host: VirtualHost, at: string, name: string): string {
    const balancer = this.balancers.find((one) => one.at === at)
    if (balancer === undefined) throw new Error(`no balancer ${at}`)
    const { admin } = this.server(host, balancer, name)
    const word = Object.entries(admins).find(([, flags]) => flags === admin)?.[0] ?? `${admin}`
    return this.isUp(host, balancer, name) ? word : `${word} down`
  }

  /** Sets a server's state, as an operator would. */
  set(host: VirtualHost, at: string, name: string, state: 'ready' | 'drain' | 'maint'): void {
    this.exchanges({ socketPath: at, text: `set server ${name} state ${state}\n` }, host)
  }

  private serversOf(host: VirtualHost): Map<string, Server> {
    if (this.shared) return this.common
    const known = this.worlds.get(host) ?? new Map<string, Server>()
    this.worlds.set(host, known)
    return known
  }

  private server(host: VirtualHost, { at }: FakeBalancer, name: string): Server {
    const servers = this.serversOf(host)
    const found = servers.get(`${at} ${name}`) ?? {
      admin: 0,
      outSince: null,
      setUp: false,
      checks: true,
      changed: null,
    }
    servers.set(`${at} ${name}`, found)
    return found
  }

  private isUp(host: VirtualHost, balancer: FakeBalancer, name: string): boolean {
    const healthy = balancer.healthy?.(name, host) ?? true
    const server = this.server(host, balancer, name)
    // A state set manually lasts until health checks find otherwise, which takes several of them.
    return healthy || server.setUp
  }

  private sessions(host: VirtualHost, balancer: FakeBalancer, name: string): number {
    const { outSince } = this.server(host, balancer, name)
    if (!this.isUp(host, balancer, name)) return 0
    return outSince === null || host.clock - outSince < (balancer.busyFor ?? 0) ? 1 : 0
  }

  private answer(balancer: FakeBalancer, command: string, host: VirtualHost): string {
    if (command === 'show servers state') return this.states(balancer, host)
    if (command.startsWith('show stat')) return this.stats(balancer, host)
    const [, word, checked = ''] = /^(enable|disable) health (\S+)$/.exec(command) ?? []
    if (word !== undefined) return this.setChecks(balancer, checked, host, word === 'enable')
    const [, name = '', kind, value = ''] = /^set server (\S+) (state|health) (\w+)$/.exec(command) ?? []
    if (kind === undefined) return 'Unknown command, but maybe one of the following ones is a better match:'
    if (balancer.level !== undefined && balancer.level !== 'admin') return 'Permission denied'
    const [backend = '', server = ''] = name.split('/')
    if (balancer.backends[backend] === undefined) return 'No such backend.'
    if (!balancer.backends[backend]?.includes(server)) return 'No such server.'
    const found = this.server(host, balancer, name)
    if (kind === 'health' && balancer.tracking) return 'cannot change health on a tracking server.'
    if (kind === 'health') {
      found.setUp = value === 'up'
      found.changed = host.clock
      return ''
    }
    const admin = admins[value] ?? 0
    const isDated = balancer.dates !== 'health' || admin === admins.maint || found.admin === admins.maint
    if (found.admin !== admin && isDated) found.changed = host.clock
    Object.assign(found, { admin, outSince: admin === 0 ? null : (found.outSince ?? host.clock) })
    if (admin !== 0) found.setUp = false
    return ''
  }

  private setChecks(balancer: FakeBalancer, name: string, host: VirtualHost, checks: boolean): string {
    if (balancer.level !== undefined && balancer.level !== 'admin') return 'Permission denied'
    const [backend = '', server = ''] = name.split('/')
    if (!balancer.backends[backend]?.includes(server)) return 'No such server.'
    if (balancer.tracking) return 'Health check was not configured on this server, cannot enable.'
    this.server(host, balancer, name).checks = checks
    return ''
  }

  private each<T>({ backends }: FakeBalancer, render: (backend: string, server: string, n: number) => T): T[] {
    return Object.entries(backends).flatMap(([backend, servers]) =>
      servers.map((server, index) => render(backend, server, index + 1)),
    )
  }

  private states(balancer: FakeBalancer, host: VirtualHost): string {
    const rows = this.each(balancer, (backend, server, n) => {
      const name = `${backend}/${server}`
      const operation = this.isUp(host, balancer, name) ? 2 : 0
      const { admin, checks, changed } = this.server(host, balancer, name)
      const ago = changed === null ? 3600 : Math.floor(host.clock - changed)
      const checked = balancer.tracking ? 0 : checks ? 6 : 2
      return `2 ${backend} ${n} ${server} 127.0.0.1 ${operation} ${admin} 1 1 ${ago} 8 2 0 ${checked} 0 0 0 - ${8080 + n} - 0 0 - - 0`
    })
    return `1\n# ${stateColumns}\n${rows.join('\n')}\n`
  }

  private stats(balancer: FakeBalancer, host: VirtualHost): string {
    const rows = this.each(balancer, (backend, server) => {
      const name = `${backend}/${server}`
      const up = this.isUp(host, balancer, name)
      const { admin } = this.server(host, balancer, name)
      const status = admin === 1 ? 'MAINT' : !up ? 'DOWN' : admin === 8 ? 'DRAIN' : 'UP'
      const check = up ? 'L7OK,200,,' : 'L7STS,500,"Service, not available",'
      const sessions = this.sessions(host, balancer, name)
      return `${backend},${server},0,0,${sessions},3,${status},1,${check},${balancer.sticky ? server : ''},`
    })
    return `# ${statColumns}\n${rows.join('\n')}\n`
  }
}
