/** Compares the servers of a running HAProxy with those of its configuration, by their addresses. */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { asConvergeError } from '../../core/model/errors.ts'
import { seconds } from '../../core/model/units.ts'
import { serverProp } from './balancer_props.ts'

export const configuredServerProp = z.strictObject({
  name: serverProp.describe('The server as backend/name'),
  host: z.string().min(1).describe('Its host name or IP address'),
  port: z.int().min(1).max(65_535).describe('Its port'),
})
export type ConfiguredServer = z.output<typeof configuredServerProp>

const ipAddress = z.union([z.ipv4(), z.ipv6()])
const isAddress = (host: string) => ipAddress.safeParse(host).success

/** The runtime API command for the states of all servers. */
export const stateCommand = 'show servers state'

/** All addresses of each host name; null for a name that cannot be resolved now. */
export type Addresses = ReadonlyMap<string, readonly string[] | null>

/**
 * Resolves host names as HAProxy does when it starts: through the C library, with /etc/hosts. IP addresses resolve to
 * themselves.
 */
export async function addressesOf(host: HostReader, names: readonly string[]): Promise<Addresses> {
  const addresses = new Map<string, readonly string[] | null>()
  const add = async (name: string) => {
    addresses.set(name, isAddress(name) ? [name] : await host.cached(`addresses of ${name}`, () => lookUp(host, name)))
  }
  await Promise.all([...new Set(names)].map(add))
  return addresses
}

async function lookUp(host: HostReader, name: string): Promise<string[] | null> {
  try {
    const { status, stdout } = await host.query(['getent', 'ahosts', name], { accept: 'any', timeout: seconds(5) })
    const found = stdout.split('\n').flatMap((line) => /^\S+/.exec(line)?.[0] ?? [])
    return status === 0 && found.length > 0 ? [...new Set(found)] : null
  } catch (thrown) {
    // A name server that does not answer, or a missing program.
    if (asConvergeError(thrown).code === 'INTERNAL') throw thrown
    return null
  }
}

/** One line of `show servers state`, with the fields that this file needs. */
interface Row {
  readonly name: string
  readonly address: string
  readonly port: number
  readonly cells: readonly string[]
}

interface StateTable {
  readonly columns: readonly string[]
  /** All lines before the rows, to be written unchanged. */
  readonly head: readonly string[]
  readonly rows: readonly Row[]
}

function parse(answer: string): StateTable | null {
  const lines = answer.split('\n')
  const at = lines.findIndex((line) => line.startsWith('# be_id'))
  if (at === -1) return null
  const columns = (lines[at] ?? '').slice(2).split(' ')
  const rows = lines.slice(at + 1).flatMap((line): Row[] => {
    if (line.trim() === '') return []
    const cells = line.split(' ')
    const cell = (column: string) => cells[columns.indexOf(column)] ?? ''
    const name = `${cell('be_name')}/${cell('srv_name')}`
    return [{ name, address: cell('srv_addr'), port: Number(cell('srv_port')), cells }]
  })
  return { columns, head: lines.slice(0, at + 1), rows }
}

/**
 * Decides whether a server has the address of a row. If its name cannot be resolved, the address in use counts as its
 * own.
 */
function isAt({ host, port }: ConfiguredServer, row: Row, addresses: Addresses): boolean {
  if (row.port !== port) return false
  const known = addresses.get(host)
  return known === null || known === undefined || known.includes(row.address)
}

/**
 * Finds the servers whose address differs from the configuration.
 * @param answer of `show servers state`
 * @returns names of the configured servers that HAProxy lacks or has at another address; none if the answer is no table
 */
export function outdatedServers(
  answer: string,
  configured: readonly ConfiguredServer[],
  addresses: Addresses,
): string[] {
  const table = parse(answer)
  if (table === null) return []
  return configured.flatMap((server) => {
    const row = table.rows.find(({ name }) => name === server.name)
    return row !== undefined && isAt(server, row, addresses) ? [] : [server.name]
  })
}

/**
 * Returns the states for the start of a new process: those of servers whose address stays the same. The address and
 * state, such as `drain`, of another host are left out. A new server counts as down until a health check has passed, if
 * its backend has others: HAProxy would send it visitors before the first check.
 */
export function statesToKeep(answer: string, configured: readonly ConfiguredServer[], addresses: Addresses): string {
  const table = parse(answer)
  if (table === null) return answer
  const fqdn = table.columns.indexOf('srv_fqdn')
  const kept = table.rows.flatMap((row) => {
    const server = configured.find(({ name }) => name === row.name)
    if (server === undefined || !isAt(server, row, addresses)) return []
    // A name in the state file would replace the one in the configuration.
    const written = isAddress(server.host) ? '-' : server.host
    return [row.cells.map((cell, column) => (column === fqdn ? written : cell)).join(' ')]
  })
  const rows = [...kept, ...newRows(table, configured, addresses)]
  return `${[...table.head, ...rows].join('\n')}\n`
}

/** The state that HAProxy writes for a server whose checks have failed. */
const down = { srv_op_state: '0', srv_admin_state: '0', srv_check_result: '2', srv_check_health: '0' }

function newRows(table: StateTable, configured: readonly ConfiguredServer[], addresses: Addresses): string[] {
  const isKept = (server: ConfiguredServer) =>
    table.rows.some((row) => row.name === server.name && isAt(server, row, addresses))
  const kept = configured.filter(isKept)
  return configured.flatMap((server) => {
    const address = addresses.get(server.host)?.[0]
    const [backend = '', name = ''] = server.name.split('/')
    // The other columns, such as the weight, are copied from a server of the same backend.
    const neighbour = table.rows.find(
      (row) =>
        kept.some((one) => one.name === row.name) && row.name.startsWith(`${backend}/`) && takesVisitors(table, row),
    )
    if (isKept(server) || address === undefined || neighbour === undefined) return []
    const fqdn = isAddress(server.host) ? '-' : server.host
    const values = {
      srv_name: name,
      srv_addr: address,
      srv_port: `${server.port}`,
      srv_fqdn: fqdn,
      srv_id: '0',
      ...down,
    }
    const cells = new Map<string, string>(Object.entries(values))
    return [table.columns.map((column, at) => cells.get(column) ?? neighbour.cells[at] ?? '').join(' ')]
  })
}

/** CHECK_ST_CONFIGURED in HAProxy's check-t.h. */
const isChecked = 0x02

/** Decides whether a server has health checks that find it up. */
function takesVisitors({ columns }: StateTable, { cells }: Row): boolean {
  const cell = (column: string) => cells[columns.indexOf(column)]
  return (
    cell('srv_op_state') === '2' &&
    cell('srv_admin_state') === '0' &&
    (Number(cell('srv_check_state')) & isChecked) !== 0
  )
}
