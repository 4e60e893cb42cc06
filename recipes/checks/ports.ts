/** Checks that the ports of the roles are free, or used by the roles' own programs. */
import type { Finding, HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { type SiteNode, underPrefix } from '../node.ts'
import { appName } from '../plone/site.ts'
import { servicesOf } from '../role_services.ts'
import { deployDirectory } from '../site/site_attributes.ts'
import { asRoot, missing, ok, warning } from './findings.ts'
import { type Listener, listenersAt } from './listeners.ts'

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
}

export function portChecks(node: SiteNode, host: HostReader, roles: readonly string[]): HostCheck[] {
  const byPort = new Map<number, DeclaredPort[]>()
  for (const one of roles.flatMap((role) => portsOf(node, role)))
    byPort.set(one.port, [...(byPort.get(one.port) ?? []), one])
  return [...byPort].map(([port, declared]) => ({
    what: `port ${port}`,
    run: () => clash(port, declared) ?? portFinding(host, port, declared),
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
  const foreign = listeners.find((listener) => !declared.some((one) => isOwn(listener, one)))
  if (foreign === undefined) {
    const where = listeners.some(({ anywhere }) => anywhere) ? ', at all addresses of this host' : ''
    return ok(`${service} listens there${where}`)
  }
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

function isOwn({ name, directory, command }: Listener, declared: DeclaredPort): boolean {
  if (declared.directory === null) return declared.processes.includes(name)
  return directory.startsWith(`${declared.directory}/`) || command.includes(`${declared.directory}/`)
}
