/** Reads and sets the states of HAProxy's servers over its runtime API (HAProxy management guide, 9.3). */
import type { Host, HostReader } from '../../core/host/types.ts'
import { asConvergeError, ConvergeError } from '../../core/model/errors.ts'
import { seconds } from '../../core/model/units.ts'

/** The address of the runtime API: `stats socket` of haproxy.cfg. */
export type Balancer = { readonly socket: string } | { readonly host: string; readonly port: number }

/** The state that an operator or this program has set: `drain` takes no new visitors, `maint` no visitors at all. */
type AdminState = 'ready' | 'drain' | 'maint'

export interface BalancerServer {
  /** `backend/name`. */
  readonly name: string
  readonly backend: string
  readonly address: string
  readonly admin: AdminState
  /** Whether its health checks find it up; a server without checks is up. */
  readonly up: boolean
  /** Whether it has health checks of its own. */
  readonly checked: boolean
  /** Whether HAProxy sends new visitors to it. */
  readonly takesVisitors: boolean
  /** HAProxy's own status: `UP`, `DOWN`, `DRAIN`, `MAINT`, `no check`, `UP 1/3`. */
  readonly status: string
  /** The result of the last health check, e.g. `L7STS/500`; may be empty. */
  readonly check: string
  /** Requests that the server is answering now. */
  readonly sessions: number
  /** Requests that wait for the server. */
  readonly queue: number
  /** Whether a cookie binds visitors to it: HAProxy sends these to it in `drain` as well. */
  readonly sticky: boolean
  /** Whether a command over the runtime API drained it, or put it in maintenance. */
  readonly setAside: boolean
  /** Whether a run has announced that it is about to drain it, see `claim`. */
  readonly claimed: boolean
  /** Seconds since it last went up or down, was drained or set ready. */
  readonly unchangedFor: number
}

export function balancerName(balancer: Balancer): string {
  return 'socket' in balancer ? balancer.socket : `${balancer.host}:${balancer.port}`
}

const limit = seconds(5)
/** The commands `show servers state`, and `show stat` for all processes, limited to servers. */
const everything = 'show servers state; show stat -1 4 -1'

export class BalancerReader {
  readonly label: string

  constructor(
    private readonly reading: HostReader,
    readonly balancer: Balancer,
  ) {
    this.label = balancerName(balancer)
  }

  /**
   * Returns all servers of all backends, in the order of haproxy.cfg.
   * @throws BALANCER_UNREACHABLE if HAProxy does not answer, BALANCER_REFUSED for an unexpected answer
   */
  async servers(): Promise<BalancerServer[]> {
    const answer = await reach(this.label, () => this.reading.querySocket(message(this.balancer, everything)))
    const [states = '', stats = ''] = answer.split(/^(?=# pxname,)/m)
    const found = parseServers(states, stats)
    if (found === null) throw commandRefused(this.label, answer)
    return found
  }
}

export class BalancerClient extends BalancerReader {
  constructor(
    private readonly host: Host,
    at: Balancer,
  ) {
    super(host, at)
  }

  /**
   * Sends no further visitors to a server; it finishes its current requests. If a cookie binds visitors to it, this
   * sets `maint`: HAProxy sends these visitors even to a drained server, which would never become idle.
   * @throws BALANCER_UNREACHABLE, NO_SERVER, BALANCER_DENIED if the level of the socket is too low, else
   * BALANCER_REFUSED
   */
  drain({
    name,
    sticky,
    checked,
    claimed = false,
  }: Pick<BalancerServer, 'name' | 'sticky' | 'checked'> & { readonly claimed?: boolean }): Promise<void> {
    const drain = `set server ${name} state ${sticky ? 'maint' : 'drain'}`
    // From 3.0 on, a drain alone does not restart `srv_time_since_last_change`, by which other runs see that it is new.
    const date = checked && !sticky ? [`set server ${name} health stopping`] : []
    return this.send(name, [drain, ...date, ...(claimed ? [`enable health ${name}`] : [])])
  }

  /**
   * Announces to the runs of other hosts that this run is about to drain the server. Its health checks pause meanwhile:
   * every client of the runtime API sees that, and visitors do not notice. Only for a server with checks.
   */
  claim(server: string): Promise<void> {
    return this.send(server, [`disable health ${server}`])
  }

  /** Withdraws the claim. */
  release(server: string): Promise<void> {
    return this.send(server, [`enable health ${server}`])
  }

  /**
   * Sends visitors to a server again, as soon as its health checks find it up.
   * @param server `backend/name`
   */
  ready(server: string): Promise<void> {
    return this.set(server, 'state ready')
  }

  /** Marks a server as up now, without waiting for the next health check. */
  setHealthUp(server: string): Promise<void> {
    return this.set(server, 'health up')
  }

  /**
   * Sets a server ready and down: it gets visitors again once a health check finds it up. All commands are sent
   * together: out of maintenance the server would count as up until its first check.
   */
  readyAndDown(server: string): Promise<void> {
    return this.set(server, 'health down', 'state ready', 'health down')
  }

  private set(server: string, ...settings: readonly string[]): Promise<void> {
    return this.send(
      server,
      settings.map((setting) => `set server ${server} ${setting}`),
    )
  }

  private async send(server: string, commands: readonly string[]): Promise<void> {
    const answer = await reach(this.label, () => this.host.sendToSocket(message(this.balancer, commands.join('; '))))
    if (answer.trim() !== '') throw commandRefused(this.label, answer, server)
  }
}

function message(at: Balancer, command: string) {
  const endpoint = 'socket' in at ? { socketPath: at.socket } : at
  return { ...endpoint, text: `${command}\n`, timeout: limit }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'no process listens there',
  EACCES: 'this account may not use the socket',
  REQUEST_TIMEOUT: `no answer within ${limit}`,
}

async function reach(address: string, exchange: () => Promise<string>): Promise<string> {
  try {
    return await exchange()
  } catch (thrown) {
    const error = asConvergeError(thrown)
    // An error that does not concern the connection, such as a dry run that may not do this.
    if (error.code === 'INTERNAL' || error.code === 'NOT_PREDICTABLE') throw thrown
    throw new ConvergeError(`the balancer at ${address} cannot be queried: ${reasons[error.code] ?? error.message}`, {
      code: 'BALANCER_UNREACHABLE',
      hint:
        error.code === 'EACCES'
          ? 'run converge as root, or let the account use the socket: set user, group or mode after "stats socket" in haproxy.cfg'
          : 'start haproxy (service haproxy start), or set the balancer to the path or address after "stats socket" in haproxy.cfg',
      cause: thrown,
    })
  }
}

function commandRefused(address: string, answer: string, server?: string): ConvergeError {
  const response = answer.trim().split('\n')[0] ?? ''
  if (/^Permission denied/.test(response))
    return new ConvergeError(`the balancer at ${address} refuses commands: ${response}`, {
      code: 'BALANCER_DENIED',
      hint: 'add "level admin" to the line "stats socket" of haproxy.cfg, then reload haproxy',
    })
  if (server !== undefined && /^(No such|Can't find|Require)/.test(response))
    return new ConvergeError(`the balancer at ${address} has no server ${server}: ${response}`, {
      code: 'NO_SERVER',
      hint: 'correct the name: converge balancer list shows the servers of the balancer',
    })
  return new ConvergeError(`the balancer at ${address} answered: ${response || 'nothing'}`, {
    code: 'BALANCER_REFUSED',
  })
}

/** Parses the output of the two commands; null if the output has another format. */
function parseServers(states: string, stats: string): BalancerServer[] | null {
  const lines = states.split('\n')
  const head = lines.find((line) => line.startsWith('# be_id'))
  if (head === undefined || stats === '') return null
  const columns = head.slice(2).split(' ')
  const figures = new Map(table(stats).map((row) => [`${row.get('pxname')}/${row.get('svname')}`, row]))
  return lines.slice(lines.indexOf(head) + 1).flatMap((line) => {
    if (line.trim() === '') return []
    const state = pairs(columns, line.split(' '))
    return [serverOf(state, figures.get(`${state.get('be_name')}/${state.get('srv_name')}`) ?? new Map())]
  })
}

type Row = ReadonlyMap<string, string>

function table(text: string): Row[] {
  const [head = '', ...rows] = text.split('\n')
  const columns = cellsOf(head.replace(/^# /, ''))
  return rows.filter((row) => row.trim() !== '').map((row) => pairs(columns, cellsOf(row)))
}

/** Splits a row into cells. A cell with a comma, such as the response to a health check, is in quotes. */
function cellsOf(row: string): string[] {
  return [...row.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
}

function pairs(columns: readonly string[], cells: readonly string[]): Row {
  return new Map(columns.map((column, index) => [column, cells[index] ?? '']))
}

const maintenance = 0x01 | 0x02 | 0x04 | 0x20 | 0x40
const draining = 0x08 | 0x10
/**
 * The flags that `set server state maint` and `drain` set: SRV_ADMF_FMAINT and SRV_ADMF_FDRAIN in HAProxy's server-t.h.
 */
const forced = 0x01 | 0x08
/** The flags CHECK_ST_CONFIGURED and CHECK_ST_ENABLED in HAProxy's check-t.h. */
const configured = 0x02
const enabled = 0x04

function serverOf(state: Row, figures: Row): BalancerServer {
  const number = (row: Row, column: string) => Number(row.get(column)) || 0
  const flags = number(state, 'srv_admin_state')
  const admin = (flags & maintenance) !== 0 ? 'maint' : (flags & draining) !== 0 ? 'drain' : 'ready'
  const operation = number(state, 'srv_op_state')
  const check = number(state, 'srv_check_state')
  const backend = state.get('be_name') ?? ''
  return {
    name: `${backend}/${state.get('srv_name')}`,
    backend,
    address: addressOf(state),
    admin,
    up: operation !== 0,
    checked: (check & configured) !== 0,
    // State 3: the server itself asked for no more visitors, in its answer to a health check.
    takesVisitors: admin === 'ready' && (operation === 1 || operation === 2) && number(state, 'srv_uweight') > 0,
    status: figures.get('status') ?? '',
    check: [figures.get('check_status'), figures.get('check_code')].filter((part) => part).join('/'),
    sessions: number(figures, 'scur'),
    queue: number(figures, 'qcur'),
    sticky: (figures.get('cookie') ?? '') !== '',
    setAside: (flags & forced) !== 0,
    claimed: (check & configured) !== 0 && (check & enabled) === 0,
    unchangedFor: number(state, 'srv_time_since_last_change'),
  }
}

function addressOf(state: Row): string {
  const [name = '-', address = ''] = [state.get('srv_fqdn'), state.get('srv_addr')]
  const host = name !== '-' && name !== '' ? name : address.includes(':') ? `[${address}]` : address
  return `${host}:${state.get('srv_port')}`
}
