/** Computes the balancer's names for the ZEO clients, for its configuration and for draining. */
import type { Recipe } from '../../core/compile/role.ts'
import type { DefaultedQuery } from '../../core/model/query.ts'
import { type Balancer, balancerName } from '../../resources/balancer/haproxy_runtime.ts'
import { clientProgramsOf, type LocalBalancer, localBalancerOf } from '../../resources/balancer/queries.ts'
import { type SiteNode, underPrefix } from '../node.ts'
import { isSet } from '../site/attribute_writer.ts'
import { hostAddress, isThisHost, type NamedInstance, onlineInstances } from '../site/hosts.ts'
import type { SiteAttributes } from '../site/site_attributes.ts'
import { appName, clientCount, clientPort } from './site.ts'

const usualLayer = 'plone_instances'

/** Returns the short name of the ZEO clients' layer: `plone_instances`; without such a layer, the name of the app. */
export function clientLayer(attributes: SiteAttributes): string {
  const { layers } = attributes.opsworks
  const app = appName(attributes, 'zeo-client')
  return !Object.hasOwn(layers, usualLayer) && Object.hasOwn(layers, app) ? app : usualLayer
}

/** The attributes; for a node, also the run, and what the host is known to have. */
export type ClientSite = SiteAttributes &
  Partial<Pick<SiteNode, 'run'>> & {
    /** Whether an earlier run has installed clients on this host; default false. */
    readonly hasClients?: boolean
  }

/**
 * Returns the hosts whose clients are backend servers, in the order of the JSON: those of the clients' layer, and this
 * host if it runs clients although the layer does not list it as online.
 */
export function clientHosts(site: ClientSite): NamedInstance[] {
  const { layers, instance } = site.opsworks
  const layer = clientLayer(site)
  const listed = onlineInstances(layers, layer, instance)
  const runsClients = site.run?.roles?.includes('zeo-client') || (listed.length === 0 && site.hasClients === true)
  if (!runsClients) return listed
  const thisHost = ownEntry(site)
  if (thisHost === undefined) return [...listed, { name: ownName(site), instance: { ...instance, ...onThisHost } }]
  if (listed.some(({ name }) => name === thisHost.name)) return listed
  const names = new Set([thisHost.name, ...listed.map(({ name }) => name)])
  return entriesOf(site).filter(({ name }) => names.has(name))
}

/** Returns the names of the other hosts among `clientHosts`. It looks for this host once: stacks can have thousands. */
export function otherClientHosts(site: ClientSite): string[] {
  const hostName = ownHostName(site)
  return clientHosts(site).flatMap(({ name }) => (name === hostName ? [] : name))
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

/** Returns the query whether an earlier run has installed clients on this host: a run of frontend alone must not lose them. */
export function clientPrograms(node: SiteNode): DefaultedQuery<boolean> {
  return clientProgramsOf(underPrefix(node, node.converge.supervisor.conf_dir), appName(node, 'zeo-client'))
}

/** Returns the node of a host on which an earlier run has installed clients, or has not. */
export function withClients(node: SiteNode, hasClients: boolean): SiteNode & Pick<ClientSite, 'hasClients'> {
  return Object.create(node, { hasClients: { value: hasClients } }) as SiteNode & Pick<ClientSite, 'hasClients'>
}

/** Declares what depends on the hosts of the clients. Only without a listed one, this host may have clients of its own. */
export function givenClients(r: Recipe<SiteNode>, node: SiteNode, declare: (node: SiteNode) => void): void {
  if (clientHosts(node).length > 0) declare(node)
  else r.given(clientPrograms(node), (hasClients) => declare(withClients(node, hasClients)))
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

/** Returns the query for the balancer of this host; null where no host is read. */
export function localBalancer(node: SiteNode): DefaultedQuery<LocalBalancer | null> {
  const former = underPrefix(node, formerSocket)
  return localBalancerOf({ ownSocket: ownSocket(node), former, uid: node.facts.uid })
}

/** Returns the socket of the running HAProxy. */
export function runtimeSocket(node: SiteNode, local: LocalBalancer | null): string {
  return local?.socket ?? ownSocket(node)
}

function ownSocket(node: SiteNode): string {
  return underPrefix(node, node.haproxy.stats_socket_path)
}

/**
 * Returns the runtime APIs of all balancers of the clients: that of this host, those of other frontends if
 * `converge.balancer.port` is set, and those of `converge.balancer.sockets`.
 */
export function balancersOf(node: SiteNode, local: LocalBalancer | null): Balancer[] {
  const localSocket = runtimeSocket(node, local)
  const { layers, port, sockets } = node.converge.balancer
  const { instance, layers: stack } = node.opsworks
  const frontends = layers.flatMap((layer) => onlineInstances(stack, layer, instance))
  const isSelf = ({ name, instance: one }: NamedInstance) => isThisHost(name, one, instance)
  const localBalancers =
    instance.layers.some((layer) => layers.includes(layer)) ||
    frontends.some(isSelf) ||
    // A balancer that no layer lists.
    local?.isThere === true
  const found: Balancer[] = localBalancers ? [{ socket: localSocket }] : []
  if (port !== null) for (const one of frontends) if (!isSelf(one)) found.push({ host: runtimeAddress(one), port })
  for (const at of sockets) found.push(at.startsWith('/') ? { socket: underPrefix(node, at) } : remoteAt(at))
  return [...new Map(found.map((one) => [balancerName(one), one])).values()]
}

/**
 * Returns other hosts with clients that may restart at the same time: no balancer is known, and no rollout coordinates
 * the restarts.
 */
export function uncoordinatedHosts(node: SiteNode, local: LocalBalancer | null): string[] {
  const { run, converge } = node
  // Without a host nothing restarts, and listing the clients for each host of a large stack takes minutes.
  if (local === null || run.options.coordinated === true) return []
  if (!converge.balancer.drain || balancersOf(node, local).length > 0) return []
  return otherClientHosts(node)
}

/** Returns the clients, as `backend/name`, of hosts that the rollout of this run cannot reach. */
export function absentServers(node: SiteNode): string[] {
  const absent = new Set(node.run.absentHosts)
  if (absent.size === 0) return []
  return clientHosts(node)
    .filter(({ name }) => absent.has(name))
    .flatMap(({ name, instance }) =>
      Array.from(
        { length: clientCount(node, instance) },
        (_, index) => `${backendName(node)}/${serverName(name, index + 1)}`,
      ),
    )
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
