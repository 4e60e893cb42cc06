/** Computes the services of each host from its roles, the servers that they use, and conflicts between hosts. */
import type { Concern, Service } from '../core/cli/catalogue.ts'
import { balancerAt, cacheAt, reached } from './frontend/addresses.ts'
import { balancedServers } from './frontend/haproxy.ts'
import type { SiteNode } from './node.ts'
import { clientLayer } from './plone/balancing.ts'
import { databaseKind } from './plone/database_kind.ts'
import { programs } from './plone/programs.ts'
import { appName, clientCount } from './plone/site.ts'
import type { BuildoutRole } from './plone/types.ts'
import { isSet } from './site/attribute_reader.ts'
import { onlineAddresses } from './site/hosts.ts'
import { appAttributes } from './site/site_attributes.ts'

const zeoPort = 8001
const solrPort = 8983

/** The services of the built-in roles. */
const known: Readonly<Record<string, (node: SiteNode) => readonly Omit<Service, 'role'>[]>> = {
  base: () => [],
  'zeo-server': (node) => buildout(node, 'zeo-server', [zeoPort], []),
  solr: (node) => buildout(node, 'solr', [solrPort], []),
  'zeo-client': clients,
  // These roles only change attributes of the clients on their host.
  celerybeat: clients,
  'relstorage-pack': clients,
  frontend: (node) => frontend(node),
  'port-app': (node) => served(node, node.port_app.app_name, node.port_app),
  'jetty-app': (node) => served(node, node.jetty_app.app_name, node.jetty_app),
  'php-app': (node) => [
    ...web(node, node.php_app.app_name, node.php_app, []),
    { name: 'php-fpm', ports: [], visited: false, asks: databaseOf(node, node.php_app.app_name) },
  ],
}

/** Returns the services of a role on a host; null for a user's role. */
export function servicesOf(node: SiteNode, role: string): readonly Service[] | null {
  if (!Object.hasOwn(known, role)) return null
  return known[role]?.(node).map((service) => ({ ...service, role })) ?? null
}

type Plain = Omit<Service, 'role'>

function plain(name: string, ports: readonly number[], asks: readonly string[]): Plain {
  return { name, ports, asks, visited: false }
}

/** Returns the main program of a buildout role, and further programs of the app. */
function buildout(node: SiteNode, role: BuildoutRole, ports: readonly number[], asks: readonly string[]): Plain[] {
  return programs(node, role).map(({ name }, index) => plain(name, index === 0 ? ports : [], index === 0 ? asks : []))
}

function clients(node: SiteNode): Plain[] {
  const app = appName(node, 'zeo-client')
  const all = programs(node, 'zeo-client')
  const ports = all.flatMap(({ port }) => port ?? [])
  const workers = all.filter(({ port }) => port === undefined)
  const broker = workers.some(({ name }) => name.endsWith('celery')) ? brokerOf(node) : []
  return [
    plain(app, ports, [...storageOf(node, app), ...solrOf(node)]),
    ...workers.map(({ name }) => plain(name, [], name.includes('celery') ? broker : [])),
  ]
}

function storageOf(node: SiteNode, app: string): string[] {
  const { enable_relstorage, relstorage, zeo, zeo_layer } = node.plone_instances
  if (!enable_relstorage) return isSet(zeo.address) ? [zeo.address] : withPort(first(node, zeo_layer), zeoPort)
  const { host, port, name, type } = relstorage.db
  const own = name !== null && isSet(host) ? [withDatabasePort(host, port, type)] : databaseOf(node, app)
  return [...own, ...(relstorage.enable_cache ? cacheOf(node) : [])]
}

function cacheOf(node: SiteNode): string[] {
  const { cache_servers } = node.plone_instances.relstorage
  if (isSet(cache_servers)) return cache_servers.split(/\s+/).filter(isSet)
  return onlineAddresses(node, 'memcached').map((address) => `${address}:11211`)
}

function withDatabasePort(host: string, port: number | null | undefined, type: string | null | undefined): string {
  const known = port ?? databaseKind(type)?.port
  return known === undefined ? host : `${host}:${known}`
}

function databaseOf(node: SiteNode, app: string): string[] {
  const { host, port, adapter, type } = appAttributes(node, app).database ?? {}
  if (!isSet(host)) return []
  return [withDatabasePort(host, port, adapter ?? type)]
}

function solrOf(node: SiteNode): string[] {
  const { solr_enabled, solr_host, solr_layer } = node.plone_instances
  if (!solr_enabled) return []
  return withPort(isSet(solr_host) ? solr_host : first(node, solr_layer), solrPort)
}

function brokerOf(node: SiteNode): string[] {
  const { broker, broker_layer } = node.plone_instances
  return withPort(isSet(broker.host) ? broker.host : first(node, broker_layer), broker.port)
}

function first(node: SiteNode, layer: string): string | undefined {
  return onlineAddresses(node, layer)[0]
}

function withPort(address: string | undefined, port: number): string[] {
  return address === undefined ? [] : [`${address}:${port}`]
}

function frontend(node: SiteNode): Plain[] {
  const [cache, balancer] = [cacheAt(node), balancerAt(node)]
  const app = appName(node, 'zeo-client')
  return [
    ...web(node, app, node.converge.frontend, [reached(cache)]),
    plain('varnish', [cache.port], [reached(balancer)]),
    plain(
      'haproxy',
      [balancer.port],
      balancedServers(node).map(({ address }) => address),
    ),
  ]
}

interface Site {
  readonly http_port: number
  readonly https_port: number
}

/** Returns nginx, which all roles of a host share. */
function web(node: SiteNode, app: string, { http_port, https_port }: Site, asks: readonly string[]): Plain[] {
  const tls = appAttributes(node, app).ssl_support === true || node.certbot_domains.length > 0
  return [{ name: 'nginx', ports: tls ? [http_port, https_port] : [http_port], visited: true, asks }]
}

/** Returns nginx and a server behind it that uses two ports in turn. */
function served(node: SiteNode, app: string, settings: Site & { readonly ports: readonly number[] }): Plain[] {
  const { ports } = settings
  return [...web(node, app, settings, [`localhost:${ports[0]}`]), plain(app, ports, databaseOf(node, app))]
}

/** A host of the stack with its roles. */
interface Member {
  readonly name: string
  readonly roles: readonly string[]
  readonly node: SiteNode
}

/** Finds conflicts between hosts whose own settings are valid. */
export function concernsOf(members: readonly Member[]): Concern[] {
  const having = (role: string) => members.filter(({ roles }) => roles.includes(role))
  const [servers, clients, frontends] = [having('zeo-server'), having('zeo-client'), having('frontend')]
  return [
    ...serverConcerns(servers, clients),
    ...(frontends.length > 0 ? drainConcerns(clients, frontends) : []),
    ...(frontends.length > 0 ? countConcerns(clients, frontends) : []),
    ...frontendConcerns(frontends),
  ]
}

const namesOf = (members: readonly Member[]) => members.map(({ name }) => name)

function serverConcerns(servers: readonly Member[], clients: readonly Member[]): Concern[] {
  const lost = clients.filter(({ node, name }) => {
    const { enable_relstorage, zeo } = node.plone_instances
    return !enable_relstorage && !isSet(zeo.address) && storageOf(node, name).length === 0
  })
  const layers = [...new Set(lost.map(({ node }) => node.plone_instances.zeo_layer))]
  return [
    ...concern(
      `there are ${servers.length} ZEO servers, and clients use the first of the layer only`,
      servers.length > 1 ? servers : [],
      'give the role zeo-server to one host, and put a second database into another stack',
    ),
    ...layers.map((layer) => ({
      message: `clients have no ZEO server: no host is in the layer ${layer}`,
      hosts: namesOf(lost.filter(({ node }) => node.plone_instances.zeo_layer === layer)),
      hint: 'set plone_instances.zeo_layer to the layer of the ZEO server, or plone_instances.zeo.address to its address',
    })),
  ]
}

/** Warns of clients that cannot be drained, because they do not reach the balancer's runtime API. */
function drainConcerns(clients: readonly Member[], frontends: readonly Member[]): Concern[] {
  const drained = clients.filter(({ node }) => node.converge.balancer.drain)
  const elsewhere = drained.filter(({ name }) => frontends.some((one) => one.name !== name))
  const without = elsewhere.filter(
    ({ node }) => node.converge.balancer.port === null && node.converge.balancer.sockets.length === 0,
  )
  const unknown = elsewhere.filter(({ node }) => {
    const { layers, port } = node.converge.balancer
    const known = (one: Member) => one.node.opsworks.instance.layers.some((layer) => layers.includes(layer))
    return port !== null && !frontends.every(known)
  })
  const hint = 'open the runtime API inside the network with custom_json: { converge: { balancer: { port: 8099 } } }'
  return [
    ...concern('clients restart without being drained: converge.balancer.port is not set', without, hint),
    ...concern(
      'clients restart without being drained: frontends are in no layer of converge.balancer.layers',
      unknown,
      `add the layer of the frontends to converge.balancer.layers, which is ${JSON.stringify(unknown[0]?.node.converge.balancer.layers)}`,
    ),
  ]
}

/** Warns if frontends count other clients on a host, by the stack and their own attributes, than it runs. */
function countConcerns(clients: readonly Member[], frontends: readonly Member[]): Concern[] {
  const unsaid = clients.filter(({ node }) => {
    const { instance_count } = node.plone_instances
    return !isSet(instance_count) && !isSet(node.opsworks.instance.backends)
  })
  const counts = clients.flatMap((client) => {
    const own = clientCount(client.node, client.node.opsworks.instance)
    const others = frontends.filter(({ node }) => clientCount(node, client.node.opsworks.instance) !== own)
    return others.length === 0 || unsaid.includes(client) ? [] : [client]
  })
  return [
    ...concern(
      'the frontends cannot know how many clients run here',
      unsaid,
      'set cpus for each host in the stack file, or plone_instances.instance_count in custom_json',
    ),
    ...concern(
      'the frontends count other clients here than there are',
      counts,
      'set plone_instances.per_cpu and instance_count for all hosts, in custom_json instead of a layer',
    ),
  ]
}

function concern(message: string, members: readonly Member[], hint: string): Concern[] {
  return members.length === 0 ? [] : [{ message, hosts: namesOf(members), hint }]
}

function frontendConcerns(frontends: readonly Member[]): Concern[] {
  const idle = frontends.filter(({ node }) => balancedServers(node).length === 0)
  const layers = [...new Set(idle.map(({ node }) => clientLayer(node)))]
  return layers.map((layer) => ({
    message: `a frontend has no clients: no host is in the layer ${layer}`,
    hosts: namesOf(idle.filter(({ node }) => clientLayer(node) === layer)),
    hint: 'name the layer of the clients plone_instances, or after their app (plone_instances.app_name)',
  }))
}
