/**
 * Decides whether another process prevents a server from listening on a port. It reads the tables of the kernel: a
 * connection that the server does not accept would stay in its queue, and a port with a full queue looks free.
 */
import * as z from 'zod'
import type { HostReader } from '../../../core/host/types.ts'

const isIPv4 = (address: string) => z.ipv4().safeParse(address).success
const isIPv6 = (address: string) => z.ipv6().safeParse(address).success
const listenState = '0A'
const everyIpv4 = '0'.repeat(8)
const everyIpv6 = '0'.repeat(32)
/** Begins an IPv4 address that is mapped into IPv6, as the kernel shows it. */
const mappedPrefix = '0000000000000000FFFF0000'

/**
 * Decides whether some process listens on the port in a way that prevents another one from listening on `address`. On a
 * host without /proc/net/tcp, it tries to connect.
 */
export async function isPortTaken(host: HostReader, port: number, address: string): Promise<boolean> {
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => host.readText(path))
  if (tables[0] === null) return host.listening(port, address)
  const wanted = hexAddress(address)
  return tables
    .flatMap((table) => (table ?? '').split('\n'))
    .map((line) => listenerAddress(line, port))
    .some((used) => used !== null && (wanted === null || overlaps(used, wanted)))
}

/**
 * Returns the local address in a line of /proc/net/tcp or tcp6; null if no process listens there on the port. The line
 * has number, local address:port, remote address:port and state, all in hexadecimal, see proc(5).
 */
function listenerAddress(line: string, port: number): string | null {
  const [, local = '', , state] = line.trim().split(/\s+/)
  const [address = '', portText = ''] = local.split(':')
  return state === listenState && Number.parseInt(portText, 16) === port ? withoutMapping(address) : null
}

/** Decides whether two servers cannot listen on these addresses at once. A server on :: takes IPv4 connections too. */
function overlaps(one: string, other: string): boolean {
  if (one === other || one === everyIpv6 || other === everyIpv6) return true
  return one.length === other.length && (one === everyIpv4 || other === everyIpv4)
}

/** Returns an address as the kernel shows it; null for a name, which can stand for any address. */
function hexAddress(address: string): string | null {
  if (isIPv4(address)) return kernelOrder(address.split('.').map(Number))
  if (!isIPv6(address) || address.includes('%')) return null
  // A URL writes a mapped IPv4 address in groups too.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const [before, after] = [head, tail ?? ''].map((part) => part.split(':').filter(Boolean)) as [string[], string[]]
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  const groups = [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16))
  return withoutMapping(kernelOrder(groups.flatMap((group) => [group >> 8, group & 0xff])))
}

function withoutMapping(address: string): string {
  return address.startsWith(mappedPrefix) ? address.slice(mappedPrefix.length) : address
}

/** The kernel shows each four bytes as one number, in the byte order of the processor: little-endian. */
function kernelOrder(bytes: readonly number[]): string {
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0').toUpperCase())
  return [0, 4, 8, 12].flatMap((start) => hex.slice(start, start + 4).reverse()).join('')
}
