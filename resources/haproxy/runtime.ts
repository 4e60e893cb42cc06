/** HAProxy while it runs: its servers and their states, asked and set over its runtime API (haproxy management guide, 9.3). */
import type { Host, HostReader } from '../../core/host/types.ts'
import { asConvergeError, ConvergeError } from '../../core/model/errors.ts'
import { seconds } from '../../core/model/units.ts'

/** Where the runtime API is: `stats socket` of haproxy.cfg. */
export type Balancer = { readonly socket: string } | { readonly host: string; readonly port: number }

/** What an operator, or this program, has said: `drain` takes no new visitors, `maint` nobody at all. */
type AdminState = 'ready' | 'drain' | 'maint'

export interface BalancerServer {
  /** `backend/name`. */
  readonly name: string
  readonly backend: string
  readonly address: string
  readonly admin: AdminState
  /** By its health checks; a server without checks is up. */
  readonly up: boolean
  /** Whether it has health checks of its own. */
  readonly checked: boolean
  /** Whether new visitors are sent to it. */
  readonly takesVisitors: boolean
  /** In HAProxy's words: `UP`, `DOWN`, `DRAIN`, `MAINT`, `no check`, `UP 1/3`. */
  readonly status: string
  /** What the last health check found, e.g. `L7STS/500`; may be empty. */
  readonly check: string
  /** Requests it is answering at the moment. */
  readonly sessions: number
  /** Requests that wait for it. */
  readonly queue: number
  /** Whether visitors are bound to it by a cookie: these are sent to it in `drain` as well. */
  readonly sticky: boolean
  /** Whether a command over the runtime API drained it, or put it in maintenance. */
  readonly setAside: boolean
  /** Whether a run has announced that it is about to drain it, see `claim`. */
  readonly claimed: boolean
  /** Seconds since it went up or down, was drained or set ready. */
  readonly unchangedFor: number
}

export function nameOf(balancer: Balancer): string {
  return 'socket' in balancer ? balancer.socket : `${balancer.host}:${balancer.port}`
}

const limit = seconds(5)
/** `show stat` for all processes, and of these only servers. */
const everything = 'show servers state; show stat -1 4 -1'

export class BalancerReader {
  readonly where: string

  constructor(
    private readonly reading: HostReader,
    readonly at: Balancer,
  ) {
    this.where = nameOf(at)
  }

  /**
   * All servers of all backends, in the order of haproxy.cfg.
   * @throws BALANCER_UNREACHABLE where nobody answers, BALANCER_REFUSED for what is no answer of HAProxy's
   */
  async servers(): Promise<BalancerServer[]> {
    const answer = await reach(this.where, () => this.reading.ask(message(this.at, everything)))
    const [states = '', stats = ''] = answer.split(/^(?=# pxname,)/m)
    const found = parseServers(states, stats)
    if (found === null) throw refused(this.where, answer)
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
   * Sends it no further visitors; what it is answering goes on. Where a cookie binds visitors to it that takes `maint`: these
   * are sent to a drained server all the same, and while they come it would never be without one.
   * @throws BALANCER_UNREACHABLE, NO_SERVER, BALANCER_DENIED where the socket's level is too low, else BALANCER_REFUSED
   */
  takeOut({
    name,
    sticky,
    claimed = false,
  }: Pick<BalancerServer, 'name' | 'sticky'> & { readonly claimed?: boolean }): Promise<void> {
    const drain = `set server ${name} state ${sticky ? 'maint' : 'drain'}`
    return this.send(name, claimed ? [drain, `enable health ${name}`] : [drain])
  }

  /**
   * Announces to the runs of other hosts that the server is about to be drained. Its health checks pause meanwhile: all who ask
   * the balancer see that, and visitors do not notice. Only for a server with checks.
   */
  claim(server: string): Promise<void> {
    return this.send(server, [`disable health ${server}`])
  }

  /** Withdraws the claim. */
  release(server: string): Promise<void> {
    return this.send(server, [`enable health ${server}`])
  }

  /**
   * Sends it visitors again, as soon as its health checks find it up.
   * @param server `backend/name`
   */
  ready(server: string): Promise<void> {
    return this.set(server, 'state ready')
  }

  /** Counts as up from now on, without waiting for the next health check. */
  setHealthUp(server: string): Promise<void> {
    return this.set(server, 'health up')
  }

  /**
   * Gets visitors again once a health check finds it up, and counts as down until then. At once: out of maintenance it would
   * count as up until its first check.
   */
  readyAndDown(server: string): Promise<void> {
    return this.set(server, 'health down', 'state ready', 'health down')
  }

  private set(server: string, ...what: readonly string[]): Promise<void> {
    return this.send(
      server,
      what.map((one) => `set server ${server} ${one}`),
    )
  }

  private async send(server: string, commands: readonly string[]): Promise<void> {
    const answer = await reach(this.where, () => this.host.tell(message(this.at, commands.join('; '))))
    if (answer.trim() !== '') throw refused(this.where, answer, server)
  }
}

function message(at: Balancer, command: string) {
  const endpoint = 'socket' in at ? { socketPath: at.socket } : at
  return { ...endpoint, text: `${command}\n`, timeout: limit }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'nobody listens there',
  EACCES: 'this account may not use the socket',
  REQUEST_TIMEOUT: `no answer within ${limit}`,
}

async function reach(where: string, talk: () => Promise<string>): Promise<string> {
  try {
    return await talk()
  } catch (thrown) {
    const error = asConvergeError(thrown)
    // What is no matter of the connection, such as a dry run that may not do this.
    if (error.code === 'INTERNAL' || error.code === 'NOT_PREDICTABLE') throw thrown
    throw new ConvergeError(`the balancer at ${where} cannot be asked: ${reasons[error.code] ?? error.message}`, {
      code: 'BALANCER_UNREACHABLE',
      hint:
        error.code === 'EACCES'
          ? 'run converge as root, or let the account use the socket: set user, group or mode after "stats socket" in haproxy.cfg'
          : 'start haproxy (service haproxy start), or set the balancer to the path or address after "stats socket" in haproxy.cfg',
      cause: thrown,
    })
  }
}

function refused(where: string, answer: string, server?: string): ConvergeError {
  const said = answer.trim().split('\n')[0] ?? ''
  if (/^Permission denied/.test(said))
    return new ConvergeError(`the balancer at ${where} refuses commands: ${said}`, {
      code: 'BALANCER_DENIED',
      hint: 'add "level admin" to the line "stats socket" of haproxy.cfg, then reload haproxy',
    })
  if (server !== undefined && /^(No such|Can't find|Require)/.test(said))
    return new ConvergeError(`the balancer at ${where} knows no server ${server}: ${said}`, {
      code: 'NO_SERVER',
      hint: 'correct the name: converge balancer list shows the servers of the balancer',
    })
  return new ConvergeError(`the balancer at ${where} answered: ${said || 'nothing'}`, { code: 'BALANCER_REFUSED' })
}

/** Null where it is not what the two commands print. */
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

/** A cell with a comma in it stands in quotes, as what a health check got may. */
function cellsOf(row: string): string[] {
  return [...row.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
}

function pairs(columns: readonly string[], cells: readonly string[]): Row {
  return new Map(columns.map((column, index) => [column, cells[index] ?? '']))
}

const maintenance = 0x01 | 0x02 | 0x04 | 0x20 | 0x40
const draining = 0x08 | 0x10
/** By `set server state maint` and `drain`: SRV_ADMF_FMAINT and SRV_ADMF_FDRAIN in HAProxy's server-t.h. */
const forced = 0x01 | 0x08
/** CHECK_ST_CONFIGURED and CHECK_ST_ENABLED in HAProxy's check-t.h. */
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
    // 3: it asked by itself, in its answer to a health check, for no more visitors.
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
