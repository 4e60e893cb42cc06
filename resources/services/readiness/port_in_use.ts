/**
 * Decides whether a port is taken, without a connection to it. Connections that the server does not accept would fill
 * its queue, and then the port looks free.
 */
import type { HostReader } from '../../../core/host/types.ts'

const listenState = '0A'
const anyAddress = /^0+$/

/** Decides whether some process listens on the port in a way that prevents another one from listening on `address`. */
export async function isPortTaken(host: HostReader, port: number, address: string): Promise<boolean> {
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => host.readText(path))
  if (tables[0] === null) return host.listening(port, address)
  return tables.some((table) => (table ?? '').split('\n').some((line) => isListening(line, port, address)))
}

/**
 * Matches a line of /proc/net/tcp, see proc(5): number, local address:port, remote address:port, state, all in
 * hexadecimal.
 */
function isListening(line: string, port: number, address: string): boolean {
  const [, local = '', , state] = line.trim().split(/\s+/)
  const [where = '', at = ''] = local.split(':')
  if (state !== listenState || Number.parseInt(at, 16) !== port) return false
  const wantedAddress = hexAddress(address)
  return anyAddress.test(where) || wantedAddress === null || where.endsWith(wantedAddress)
}

/** Returns an IPv4 address as the kernel shows it, also at the end of one mapped into IPv6; null for names. */
function hexAddress(address: string): string | null {
  if (!/^\d+(\.\d+){3}$/.test(address)) return null
  const bytes = address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'))
  return bytes.reverse().join('').toUpperCase()
}
