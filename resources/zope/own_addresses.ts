/** Decides whether an address in a configuration belongs to this host. */
import type { HostReader } from '../../core/host/types.ts'

/**
 * Decides whether a name is this host.
 * @param name a host name or an address, without its port; empty means this host
 */
export function isThisHost(host: HostReader, name: string): boolean {
  const bare = name.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  if (/^(|localhost(\..*)?|127(\.\d+){3}|0\.0\.0\.0|\*|::1?)$/.test(bare)) return true
  if (/^\d+(\.\d+){3}$/.test(bare)) return ipv4Addresses(host).includes(bare)
  const hostName = (host.readText('/etc/hostname') ?? '').trim().toLowerCase()
  return hostName !== '' && (bare === hostName || bare.split('.')[0] === hostName)
}

function ipv4Addresses(host: HostReader): string[] {
  const table = host.readText('/proc/net/fib_trie') ?? ''
  return [...table.matchAll(/\|-- (\d+(?:\.\d+){3})\s*\n\s*\/32 host LOCAL/g)].map(([, address = '']) => address)
}
