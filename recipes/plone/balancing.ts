/** Computes the balancer's names for the ZEO clients, for its configuration and for draining. */
import { type Balancer, balancerName } from '../../resources/balancer/haproxy_runtime.ts'
import { type SiteNode, underPrefix } from '../node.ts'
import { isSet } from '../site/attribute_reader.ts'
import { hostAddress, isThisHost, type NamedInstance, onlineInstances } from '../site/hosts.ts'
import type { SiteAttributes } from '../site/site_attributes.ts'
import { appName, clientPort } from './site.ts'

const usualLayer = 'plone_instances'

/** Returns the short name of the ZEO clients' layer: `plone_instances`; without such a layer, the name of the app. */
export function clientLayer(attributes: SiteAttributes): string {
  const { layers } = attributes.opsworks
  const app = appName(attributes, 'zeo-client')
  return !Object.hasOwn(layers, usualLayer) && Object.hasOwn(layers, app) ? app : usualLayer
}

/** The attributes; for a node, also the run and its host. */
export type ClientSite = SiteAttributes & Partial<Pick<SiteNode, 'run' | 'converge'>>

/**
 * Returns the hosts whose clients are backend servers, in the order of the JSON: those of the clients' layer, and this
 * host if it runs clients although the layer does not list it as online.
 */
export function clientHosts(site: ClientSite): NamedInstance[] {
  const { layers, instance } = site.opsworks
  const layer = clientLayer(site)
  const listed = onlineInstances(layers, layer, instance)
  const runsClients = site.run?.roles?.includes('zeo-client') || (listed.length === 0 && hasClientPrograms(site))
  if (!runsClients) return listed
  const own = ownEntry(site)
  if (own === undefined) return [...listed, { name: ownName(site), instance: { ...instance, ...onThisHost } }]
  if (listed.some(({ name }) => name === own.name)) return listed
  const names = new Set([own.name, ...listed.map(({ name }) => name)])
  return entriesOf(site).filter(({ name }) => names.has(name))
}

/** Returns the address at which programs of the same host reach the clients. */
export function clientAddress({ listen_address }: SiteAttributes['plone_instances']): string {
  return isSet(listen_address) && listen_address !== '0.0.0.0' ? listen_address : '127.0.0.1'
}

/** Decides whether the clients answer programs of their own host only. */
export function isLocalOnly({ listen_address }: SiteAttributes['plone_instances']): boolean {
  return listen_address?.startsWith('127.') ?? false
}

/** The addresses of a host that no layer lists: other hosts cannot reach it, and its own balancer needs no DNS. */
const onThisHost = { private_dns_name: null, public_dns_name: null, private_ip: '127.0.0.1' }

function entriesOf(site: SiteAttributes): NamedInstance[] {
  const { layers } = site.opsworks
  const layer = clientLayer(site)
  const instances = Object.hasOwn(layers, layer) ? (layers[layer]?.instances ?? {}) : {}
  return Object.entries(instances).map(([name, instance]) => ({ name, instance }))
}

/** Finds this host in the layer of the clients: by its names, else by its address, as a layer may use other names. */
function ownEntry(site: SiteAttributes): NamedInstance | undefined {
  const self = site.opsworks.instance
  const entries = entriesOf(site)
  return (
    entries.find(({ name, instance }) => isThisHost(name, instance, self)) ??
    entries.find(({ instance }) => isSet(self.private_ip) && instance.private_ip === self.private_ip)
  )
}

function ownName({ opsworks }: SiteAttributes): string {
  const { hostname } = opsworks.instance
  return isSet(hostname) && /^[\w.:-]+$/.test(hostname) ? hostname : 'localhost'
}

/** Decides whether an earlier run has installed clients on this host: a run of frontend alone must not lose them. */
function hasClientPrograms(site: ClientSite): boolean {
  const { run, converge } = site
  if (!run?.host || converge === undefined) return false
  const directory = underPrefix({ converge }, converge.supervisor.conf_dir)
  const app = appName(site, 'zeo-client')
  return run.host.list(directory).some((file) => file.startsWith(`${app}-client`) && /-client\d+\.conf$/.test(file))
}

/** Returns the name of the backend in haproxy.cfg: that of the clients' layer, as in the cookbook. */
export function backendName(attributes: SiteAttributes): string {
  return clientLayer(attributes)
}

/**
 * Returns the name of a server in that backend.
 * @param host the host's name in `opsworks.layers.<layer>.instances`
 * @param n number of the client on its host, from 1
 */
export function serverName(host: string, n: number): string {
  return `${host}-${n}`
}

/** Returns the name of this host in the stack; if the stack lacks it, `opsworks.instance.hostname`. */
export function ownHostName(site: SiteAttributes): string {
  return ownEntry(site)?.name ?? ownName(site)
}

/** Returns `backend/name` of the client at the port, as in haproxy.cfg. */
export function serverAt(attributes: SiteAttributes, port: number): string {
  return `${backendName(attributes)}/${serverName(ownHostName(attributes), port - clientPort(0))}`
}

/** The socket of earlier versions and the cookbook, in a directory that every account may write to. */
const formerSocket = '/tmp/haproxy.sock'

/** Returns the socket of the running HAProxy; it is the former one until the first configure with this version. */
export function runtimeSocket(node: SiteNode): string {
  const [own, former] = [node.haproxy.stats_socket_path, formerSocket].map((path) => underPrefix(node, path)) as [
    string,
    string,
  ]
  const { host } = node.run
  const found = host && host.stat(own) === null ? host.stat(former) : null
  return found?.kind === 'other' && [0, node.facts.uid].includes(found.uid) ? former : own
}

/**
 * Returns the runtime APIs of all balancers of the clients: that of this host, those of other frontends if
 * `converge.balancer.port` is set, and those of `converge.balancer.sockets`.
 */
export function balancersOf(node: SiteNode): Balancer[] {
  const { layers, port, sockets } = node.converge.balancer
  const { instance, layers: stack } = node.opsworks
  const own = runtimeSocket(node)
  const frontends = layers.flatMap((layer) => onlineInstances(stack, layer, instance))
  const isSelf = ({ name, instance: one }: NamedInstance) => isThisHost(name, one, instance)
  const here =
    instance.layers.some((layer) => layers.includes(layer)) ||
    frontends.some(isSelf) ||
    // A balancer that no layer lists.
    (node.run.host?.stat(own) ?? null) !== null
  const found: Balancer[] = here ? [{ socket: own }] : []
  if (port !== null) for (const one of frontends) if (!isSelf(one)) found.push({ host: runtimeAddress(one), port })
  for (const at of sockets) found.push(at.startsWith('/') ? { socket: underPrefix(node, at) } : remoteAt(at))
  return [...new Map(found.map((one) => [balancerName(one), one])).values()]
}

/**
 * Returns other hosts with clients that may restart at the same time: no balancer is known, and no rollout coordinates
 * the restarts.
 */
export function uncoordinatedHosts(node: SiteNode): string[] {
  const { run, converge } = node
  // Without a host nothing restarts, and listing the clients for each host of a large stack takes minutes.
  if (run.host === null || run.options.coordinated === true) return []
  if (!converge.balancer.drain || balancersOf(node).length > 0) return []
  const own = ownHostName(node)
  return clientHosts(node).flatMap(({ name }) => (name === own ? [] : name))
}

/** Returns the private address, as the runtime API listens inside the network only. */
function runtimeAddress({ name, instance }: NamedInstance): string {
  const { private_ip, private_dns_name } = instance
  return [private_ip, private_dns_name].find(isSet) ?? hostAddress(instance, name)
}

function remoteAt(at: string): Balancer {
  const [host = '', port] = at.split(':')
  return { host, port: Number(port) }
}
