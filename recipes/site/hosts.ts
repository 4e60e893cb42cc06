/** Looks up the hosts of the stack in the attributes: which are online, their addresses, and which one is this host. */
import { ConvergeError } from '../../core/model/errors.ts'
import { isSet } from './attribute_writer.ts'
import { type Instance, type Layers, ownProperty, type SiteAttributes } from './site_attributes.ts'

/** A host of a layer, with its name in the JSON. */
export interface NamedInstance {
  readonly name: string
  readonly instance: Instance
}

/**
 * Returns the address of a host: its public DNS name, else its private one, else an IP address.
 * @throws NO_ADDRESS if it has none of these
 */
export function hostAddress(instance: Instance, name: string = instance.hostname ?? 'this host'): string {
  const { public_dns_name, private_dns_name, private_ip, ip } = instance
  const address = [public_dns_name, private_dns_name, private_ip, ip].find(isSet)
  if (isSet(address)) return address
  throw new ConvergeError(`${name} has no address`, {
    code: 'NO_ADDRESS',
    hint: 'give it a private_dns_name or a private_ip where the JSON describes it',
    usage: true,
  })
}

/**
 * Returns the hosts of a layer that others can use, in the order of the JSON: those that are online, and this host,
 * which will be.
 */
export function onlineInstances(layers: Layers, layer: string, self: Instance): NamedInstance[] {
  return Object.entries(ownProperty(layers, layer)?.instances ?? {})
    .filter(([name, instance]) => instance.status === 'online' || isThisHost(name, instance, self))
    .map(([name, instance]) => ({ name, instance }))
}

/** Returns the first of `onlineInstances`. */
export function onlineInstance(layers: Layers, layer: string, self: Instance): NamedInstance | undefined {
  return onlineInstances(layers, layer, self)[0]
}

/** Returns the addresses of the layer's online hosts, see `onlineInstances`. */
export function onlineAddresses(attributes: SiteAttributes, layer: string): string[] {
  const { layers, instance } = attributes.opsworks
  return onlineInstances(layers, layer, instance).map((host) => hostAddress(host.instance, host.name))
}

/** The properties in the stack that identify a host. */
interface Identity {
  readonly hostname?: string | null | undefined
  readonly public_dns_name?: string | null | undefined
}

/**
 * Decides whether an instance of a layer is this host: both have the same host name, or the same public DNS name. Unset
 * names never match.
 * @param name key of the instance in `opsworks.layers.<layer>.instances`
 * @param self `opsworks.instance`
 */
export function isThisHost(name: string, instance: Identity, self: Identity): boolean {
  return (
    (Boolean(self.hostname) && [name, instance.hostname].includes(self.hostname)) ||
    (Boolean(self.public_dns_name) && instance.public_dns_name === self.public_dns_name)
  )
}
