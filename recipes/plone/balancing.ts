/** The names that the balancer has for the ZEO clients: what writes its configuration and what drains them both ask here. */
import { appName, type NamedInstance, onlineInstances } from './site.ts'
import type { SiteAttributes } from './types.ts'
import { isSet } from './values.ts'

const usualLayer = 'plone_instances'

/** Short name of the layer whose hosts run the ZEO clients: `plone_instances`; where there is no such layer, one named as the app. */
export function clientLayer(attributes: SiteAttributes): string {
  const { layers } = attributes.opsworks
  const app = appName(attributes, 'zeo-client')
  return !Object.hasOwn(layers, usualLayer) && Object.hasOwn(layers, app) ? app : usualLayer
}

/** The hosts that the balancer has servers of, in the order of the JSON. */
export function clientHosts(attributes: SiteAttributes): NamedInstance[] {
  const { layers, instance } = attributes.opsworks
  return onlineInstances(layers, clientLayer(attributes), instance)
}

/** Name of the backend in haproxy.cfg: that of the clients' layer, as in the cookbook. */
export function backendName(attributes: SiteAttributes): string {
  return clientLayer(attributes)
}

/**
 * Name of a server in that backend.
 * @param host the host's name in `opsworks.layers.<layer>.instances`
 * @param n number of the client on its host, from 1
 */
export function serverName(host: string, n: number): string {
  return `${host}-${n}`
}

/** What the stack calls this host; where it does not know it, its own `opsworks.instance.hostname`. */
export function ownHostName(attributes: SiteAttributes): string {
  const { hostname } = attributes.opsworks.instance
  if (!isSet(hostname)) return hostname
  return (
    clientHosts(attributes).find(({ name, instance }) => [name, instance.hostname].includes(hostname))?.name ?? hostname
  )
}
