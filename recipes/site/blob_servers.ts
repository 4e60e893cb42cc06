/** Finds the servers of shared blobs in the stack, and the addresses of the hosts that may use them. */
import { AttributeWriter, isSet } from './attribute_writer.ts'
import { hostAddress, type NamedInstance, onlineInstances } from './hosts.ts'
import { privateAddresses } from './private_addresses.ts'
import type { SiteAttributes } from './site_attributes.ts'

/** Returns the server that NFS clients mount from; null if no host of the layer is online. */
export function nfsServer(site: SiteAttributes): string | null {
  const { host } = site.plone_blobs
  return isSet(host) ? host : (layerAddresses(site)[0] ?? null)
}

/** Returns the servers of the GlusterFS volume; the first one manages it. */
export function glusterServers(site: SiteAttributes): readonly string[] {
  const { servers, host } = site.plone_blobs
  if (servers !== null && servers.length > 0) return servers
  const online = layerAddresses(site)
  return online.length > 0 ? online : isSet(host) ? [host] : []
}

function layerAddresses(site: SiteAttributes): string[] {
  const { layers, instance } = site.opsworks
  return onlineInstances(layers, site.plone_blobs.layer, instance).map(privateAddress)
}

/** Exports and volumes admit private addresses, so the servers are used by theirs. */
function privateAddress({ name, instance }: NamedInstance): string {
  return isSet(instance.private_ip) ? instance.private_ip : hostAddress(instance, name)
}

/**
 * Returns who may mount the blobs: `plone_blobs.network`, else the private addresses of all hosts of the stack.
 * @throws INVALID_ATTRIBUTE if neither is known
 */
export function blobClients(site: SiteAttributes): readonly string[] {
  const { network } = site.plone_blobs
  if (isSet(network)) return network.split(/[\s,]+/).filter(isSet)
  const addresses = privateAddresses(site)
  if (addresses.length > 0) return addresses
  const values = new AttributeWriter()
  values.refuse(
    'plone_blobs.network',
    'is not set, and the stack has no private address',
    'set plone_blobs.network to the network of the clients, or opsworks.instance.private_ip',
  )
  values.check()
  return []
}
