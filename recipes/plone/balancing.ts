/** The names that the balancer has for the ZEO clients: what writes its configuration and what drains them both ask here. */
import { type Balancer, nameOf } from '../../resources/haproxy/runtime.ts'
import { type PloneNode, placed } from '../node.ts'
import { appName, clientPort, hostAddress, type NamedInstance, onlineInstances } from './site.ts'
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

/** `backend/name` of the client that answers at the port, as haproxy.cfg has it. */
export function serverAt(attributes: SiteAttributes, port: number): string {
  return `${backendName(attributes)}/${serverName(ownHostName(attributes), port - clientPort(0))}`
}

/**
 * The runtime APIs of all balancers of the clients: the one on this host, those of the other frontends where
 * `converge.balancer.port` is set, and those of `converge.balancer.sockets`.
 */
export function balancersOf(node: PloneNode): Balancer[] {
  const { layers, port, sockets } = node.converge.balancer
  const { instance, layers: stack } = node.opsworks
  const own = placed(node, node.haproxy.stats_socket_path)
  const frontends = layers.flatMap((layer) => onlineInstances(stack, layer, instance))
  const isSelf = ({ name, instance: one }: NamedInstance) => [name, one.hostname].includes(instance.hostname)
  const here =
    instance.layers.some((layer) => layers.includes(layer)) ||
    frontends.some(isSelf) ||
    // A balancer that no layer tells of.
    (node.run.host?.stat(own) ?? null) !== null
  const found: Balancer[] = here ? [{ socket: own }] : []
  if (port !== null) for (const one of frontends) if (!isSelf(one)) found.push({ host: runtimeAddress(one), port })
  for (const at of sockets) found.push(at.startsWith('/') ? { socket: placed(node, at) } : remoteAt(at))
  return [...new Map(found.map((one) => [nameOf(one), one])).values()]
}

/** Its runtime API listens inside the network only. */
function runtimeAddress({ name, instance }: NamedInstance): string {
  const { private_ip, private_dns_name } = instance
  return [private_ip, private_dns_name].find(isSet) ?? hostAddress(instance, name)
}

function remoteAt(at: string): Balancer {
  const [host = '', port] = at.split(':')
  return { host, port: Number(port) }
}
