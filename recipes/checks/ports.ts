/** Checks that the ports of the roles are free, or used by the roles' own programs. */
import type { Finding, HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { type SiteNode, underPrefix } from '../node.ts'
import { appName } from '../plone/site.ts'
import { servicesOf } from '../role_services.ts'
import { deployDirectory } from '../site/site_attributes.ts'
import { asRoot, missing, ok, warning } from './findings.ts'
import { type Listener, listenersAt, listenersBetween } from './listeners.ts'

interface DeclaredPort {
  readonly port: number
  /** Service that listens on the port, for messages. */
  readonly service: string
  /** Names of the processes that may use it; processes of an app are recognized by their directory instead. */
  readonly processes: readonly string[]
  readonly directory: string | null
}

/** Process names of the programs that all roles share. */
const processNames: Readonly<Record<string, readonly string[]>> = {
  nginx: ['nginx'],
  haproxy: ['haproxy'],
  'redis-server': ['redis-server'],
  memcached: ['memcached'],
  // A worker of Varnish has the name of its thread.
  varnish: ['varnishd', 'cache-main', 'vcache'],
  glusterd: ['glusterd'],
  // systemd holds the socket of rpcbind.
  'nfs-server': ['rpcbind', 'rpc.mountd', 'rpc.statd', 'systemd'],
}

/** Services with sockets of the kernel, which belong to no process. */
const kernelServices: ReadonlySet<string> = new Set(['nfs-server'])

/** The ports that glusterd gives to bricks at random, unless its configuration has other ones. */
const brickPorts = { first: 49_152, last: 60_999 }

export function portChecks(node: SiteNode, host: HostReader, roles: readonly string[]): HostCheck[] {
  const byPort = new Map<number, DeclaredPort[]>()
  for (const one of roles.flatMap((role) => portsOf(node, role)))
    byPort.set(one.port, [...(byPort.get(one.port) ?? []), one])
  const checks = [...byPort].map(([port, declared]) => ({
    what: `port ${port}`,
    run: () => clash(port, declared) ?? portFinding(host, port, declared),
  }))
  return roles.includes('gluster-server') ? [...checks, ...brickChecks(host)] : checks
}

/** Reports the ports of the bricks of GlusterFS, which are known only once they are open. */
function brickChecks(host: HostReader): HostCheck[] {
  const listeners = listenersBetween(host, brickPorts.first, brickPorts.last)
  const bricks = listeners.filter(({ name }) => name === 'glusterfsd')
  return [...new Set(bricks.map(({ port }) => port))].sort().map((port) => ({
    what: `port ${port}`,
    run: () =>
      listens(
        'a brick of GlusterFS',
        bricks.filter((brick) => brick.port === port),
      ),
  }))
}

function portsOf(node: SiteNode, role: string): DeclaredPort[] {
  const services = servicesOf(node, role) ?? []
  const app = appOf(node, role)
  const directory = app === null ? null : underPrefix(node, deployDirectory(node, app))
  return services.flatMap(({ name, ports }) =>
    ports.map((port) => {
      const processes = processNames[name] ?? []
      return { port, service: name, processes, directory: processes.length > 0 ? null : directory }
    }),
  )
}

function appOf(node: SiteNode, role: string): string | null {
  switch (role) {
    case 'zeo-server':
    case 'solr':
      return appName(node, role)
    case 'zeo-client':
    case 'celerybeat':
    case 'relstorage-pack':
      return appName(node, 'zeo-client')
    case 'port-app':
      return node.port_app.app_name
    case 'jetty-app':
      return node.jetty_app.app_name
    default:
      return null
  }
}

/** Reports two services of this host with the same port. */
function clash(port: number, declared: readonly DeclaredPort[]): Finding | null {
  const names = [...new Set(declared.map(({ service }) => service))]
  if (names.length < 2) return null
  return missing(
    `${names.join(' and ')} both listen on port ${port}`,
    'give one of them another port in the attributes',
  )
}

function portFinding(host: HostReader, port: number, declared: readonly DeclaredPort[]): Finding {
  const [first] = declared
  const service = first?.service ?? ''
  const listeners = listenersAt(host, port)
  if (listeners.length === 0) return ok(`free for ${service}`)
  const foreign = listeners.find((listener) => !declared.some((one) => isOwn(host, listener, one)))
  if (foreign === undefined) return listens(service, listeners)
  if (foreign.pid === null) {
    const who = `a process of ${foreign.account}`
    return warning(
      `taken by ${who}, which this account cannot look at`,
      asRoot(host, ['ss', '-ltnp', `sport = :${port}`]),
    )
  }
  return missing(
    `taken by ${foreign.name} (process ${foreign.pid} of ${foreign.account}), and ${service} needs it`,
    `stop that program (kill ${foreign.pid}), or give ${service} another port in the attributes`,
  )
}

function listens(service: string, listeners: readonly Listener[]): Finding {
  const where = listeners.some(({ anywhere }) => anywhere) ? ', at all addresses of this host' : ''
  return ok(`${service} listens there${where}`)
}

function isOwn(host: HostReader, { pid, name, directory, command }: Listener, declared: DeclaredPort): boolean {
  // Root sees the processes of every account.
  if (pid === null && host.isRoot) return kernelServices.has(declared.service)
  if (declared.directory === null) return declared.processes.includes(name)
  return directory.startsWith(`${declared.directory}/`) || command.includes(`${declared.directory}/`)
}
