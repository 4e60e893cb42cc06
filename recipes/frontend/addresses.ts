/** Computes the addresses on which HAProxy and Varnish listen, and those at which other programs reach them. */
import type { SiteNode } from '../node.ts'
import { otherClientHosts } from '../plone/balancing.ts'
import { isSet } from '../site/attribute_writer.ts'
import { localAddress, loopback } from '../site/listen_addresses.ts'

export interface Listening {
  /** Addresses to listen on; `*` for all addresses of the host. */
  readonly addresses: readonly string[]
  readonly port: number
}

export function balancerAt({ converge }: SiteNode): Listening {
  return { addresses: [converge.frontend.balancer_address], port: converge.frontend.balancer_port }
}

/** Returns the addresses of Varnish. If clients on other hosts send it PURGE, it listens in the private network too. */
export function cacheAt(node: SiteNode): Listening {
  const { cache_address } = node.converge.frontend
  return { addresses: isSet(cache_address) ? [cache_address] : cacheAddresses(node), port: node.nginx_plone.proxy_port }
}

function cacheAddresses(node: SiteNode): readonly string[] {
  if (otherClientHosts(node).length === 0) return [loopback]
  const { private_ip } = node.opsworks.instance
  const isOwn = node.facts.addresses.some(({ address }) => address === private_ip)
  return isSet(private_ip) && isOwn ? [...new Set([loopback, private_ip])] : ['*']
}

/** Returns the addresses in the notation of HAProxy's `bind` and varnishd's `-a`. */
export function bindAddresses({ addresses, port }: Listening): string[] {
  return addresses.map((address) => `${address === '*' ? '' : bracketAddress(address)}:${port}`)
}

/** Returns the address to which programs of this host connect. */
export function reachedAt({ addresses }: Listening): string {
  return localAddress(addresses)
}

/** Returns the address and port to which programs of this host connect. */
export function requestAddress(at: Listening): string {
  return `${bracketAddress(reachedAt(at))}:${at.port}`
}

function bracketAddress(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}
