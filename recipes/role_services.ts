/** Computes the services of each host from its roles, and the servers that they use. */
import type { Service } from '../core/cli/catalogue.ts'
import { balancerAt, cacheAt, requestAddress } from './frontend/addresses.ts'
import { balancedServers } from './frontend/haproxy.ts'
import { exportersOf } from './monitoring/exporters.ts'
import { hasAgent } from './newrelic/agent.ts'
import type { SiteNode } from './node.ts'
import { databaseKind } from './plone/database_kind.ts'
import { programs } from './plone/programs.ts'
import { appName } from './plone/site.ts'
import { databaseAccount } from './plone/storage.ts'
import type { BuildoutRole } from './plone/types.ts'
import { isSet } from './site/attribute_writer.ts'
import { onlineAddresses } from './site/hosts.ts'
import { appAttributes } from './site/site_attributes.ts'

const zeoPort = 8001
const solrPort = 8983

/** The services of the built-in roles. */
const servicesByRole: Readonly<Record<string, (node: SiteNode) => readonly Omit<Service, 'role'>[]>> = {
  base: () => [],
  broker: (node) => [internalService('redis-server', [node.redis.config.listen_port], [])],
  'relstorage-server': (node) => {
    const { kind, port } = databaseAccount(node, appName(node, 'zeo-client'))
    return [internalService(kind?.driver === 'psycopg2' ? 'postgresql' : 'mariadb', [port ?? kind?.port ?? 0], [])]
  },
  memcached: (node) => [internalService('memcached', [node.memcached.port], [])],
  'nfs-server': ({ nfs: { port } }) => [
    internalService('nfs-server', [2049, 111, port.statd, port.mountd, port.lockd], []),
  ],
  // glusterd chooses the ports of its bricks.
  'gluster-server': () => [internalService('glusterd', [24_007], [])],
  s3fs: () => [],
  'ebs-snapshots': () => [],
  newrelic: (node) => (hasAgent(node) ? [internalService('newrelic-infra', [], [])] : []),
  papertrail: () => [],
  monitoring: (node) => exportersOf(node).map(({ name, at }) => internalService(name, [at.port], [])),
  'zeo-server': (node) => buildoutServices(node, 'zeo-server', [zeoPort], []),
  solr: (node) => buildoutServices(node, 'solr', [solrPort], []),
  'zeo-client': clientServices,
  // These roles only change attributes of the clients on their host.
  celerybeat: clientServices,
  'relstorage-pack': clientServices,
  frontend: (node) => frontendServices(node),
  'port-app': (node) => serverServices(node, node.port_app.app_name, node.port_app),
  'jetty-app': (node) => serverServices(node, node.jetty_app.app_name, node.jetty_app),
  'php-app': (node) => [
    ...nginxServices(node, node.php_app.app_name, node.php_app, []),
    { name: 'php-fpm', ports: [], isVisited: false, asks: databaseOf(node, node.php_app.app_name) },
  ],
}

/** Returns the services of a role on a host; null for a user's role. */
export function servicesOf(node: SiteNode, role: string): readonly Service[] | null {
  if (!Object.hasOwn(servicesByRole, role)) return null
  return servicesByRole[role]?.(node).map((service) => ({ ...service, role })) ?? null
}

type RoleService = Omit<Service, 'role'>

function internalService(name: string, ports: readonly number[], asks: readonly string[]): RoleService {
  return { name, ports, asks, isVisited: false }
}

/** Returns the main program of a buildout role, and further programs of the app. */
function buildoutServices(
  node: SiteNode,
  role: BuildoutRole,
  ports: readonly number[],
  asks: readonly string[],
): RoleService[] {
  return programs(node, role).map(({ name }, index) =>
    internalService(name, index === 0 ? ports : [], index === 0 ? asks : []),
  )
}

function clientServices(node: SiteNode): RoleService[] {
  const app = appName(node, 'zeo-client')
  const all = programs(node, 'zeo-client')
  const ports = all.flatMap(({ port }) => port ?? [])
  const workers = all.filter(({ port }) => port === undefined)
  const broker = workers.some(({ name }) => name.endsWith('celery')) ? brokerOf(node) : []
  return [
    internalService(app, ports, [...storageOf(node, app), ...solrOf(node)]),
    ...workers.map(({ name }) => internalService(name, [], name.includes('celery') ? broker : [])),
  ]
}

export function storageOf(node: SiteNode, app: string): string[] {
  const { enable_relstorage, relstorage, zeo, zeo_layer } = node.plone_instances
  if (!enable_relstorage) return isSet(zeo.address) ? [zeo.address] : withPort(firstAddress(node, zeo_layer), zeoPort)
  const { host, port, name, type } = relstorage.db
  const databases = name !== null && isSet(host) ? [withDatabasePort(host, port, type)] : databaseOf(node, app)
  return [...databases, ...(relstorage.enable_cache ? cacheOf(node) : [])]
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
  return withPort(isSet(solr_host) ? solr_host : firstAddress(node, solr_layer), solrPort)
}

function brokerOf(node: SiteNode): string[] {
  const { broker, broker_layer } = node.plone_instances
  return withPort(isSet(broker.host) ? broker.host : firstAddress(node, broker_layer), broker.port)
}

function firstAddress(node: SiteNode, layer: string): string | undefined {
  return onlineAddresses(node, layer)[0]
}

function withPort(address: string | undefined, port: number): string[] {
  return address === undefined ? [] : [`${address}:${port}`]
}

function frontendServices(node: SiteNode): RoleService[] {
  const [cache, balancer] = [cacheAt(node), balancerAt(node)]
  const app = appName(node, 'zeo-client')
  return [
    ...nginxServices(node, app, node.converge.frontend, [requestAddress(cache)]),
    internalService('varnish', [cache.port], [requestAddress(balancer)]),
    internalService(
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
function nginxServices(
  node: SiteNode,
  app: string,
  { http_port, https_port }: Site,
  asks: readonly string[],
): RoleService[] {
  const tls = appAttributes(node, app).ssl_support === true || node.certbot_domains.length > 0
  return [{ name: 'nginx', ports: tls ? [http_port, https_port] : [http_port], isVisited: true, asks }]
}

/** Returns nginx and a server behind it that uses two ports in turn. */
function serverServices(
  node: SiteNode,
  app: string,
  settings: Site & { readonly ports: readonly number[] },
): RoleService[] {
  const { ports } = settings
  return [
    ...nginxServices(node, app, settings, [`localhost:${ports[0]}`]),
    internalService(app, ports, databaseOf(node, app)),
  ]
}
