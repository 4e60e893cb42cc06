/** Computes the addresses at which a service of the stack listens: loopback, and the private network if other hosts use it. */
import { AttributeWriter, isSet } from './attribute_writer.ts'
import { isThisHost } from './hosts.ts'
import type { SiteAttributes } from './site_attributes.ts'

export const loopback = '127.0.0.1'

/**
 * Returns the addresses of a service that hosts of the stack use: loopback, and the private address unless this host is the
 * only one.
 * @param ownAddresses address that the operator has set; null for none
 * @param key attribute that sets it, for errors
 * @throws INVALID_ATTRIBUTE if other hosts use it, and the private address is not known
 */
export function stackAddresses(site: SiteAttributes, ownAddresses: string | null, key: string): readonly string[] {
  if (isSet(ownAddresses)) return ownAddresses.split(/[\s,]+/).filter(isSet)
  if (!hasOtherHosts(site)) return [loopback]
  const { private_ip } = site.opsworks.instance
  if (isSet(private_ip)) return [...new Set([loopback, private_ip])]
  const values = new AttributeWriter()
  values.refuse(
    key,
    'is not set, and the private address of this host is not known',
    `set ${key}, or opsworks.instance.private_ip`,
  )
  values.check()
  return [loopback]
}

/** Decides whether only programs of this host reach the service; Redis skips an address after `-` that the host lacks. */
export function isLoopbackOnly(addresses: readonly string[]): boolean {
  return addresses.every((address) => /^-?(127(\.\d{1,3}){3}|::1|localhost)$/.test(address))
}

/** Returns the address at which programs of this host reach a service that listens on these addresses. */
export function localAddress([first = loopback]: readonly string[]): string {
  const address = first.replace(/^-/, '')
  if (address === '*' || address === '0.0.0.0') return loopback
  return address === '::' ? '::1' : address
}

function hasOtherHosts({ opsworks }: SiteAttributes): boolean {
  return Object.values(opsworks.layers).some(({ instances }) =>
    Object.entries(instances ?? {}).some(([name, instance]) => !isThisHost(name, instance, opsworks.instance)),
  )
}
