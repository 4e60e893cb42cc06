/** Describes the Prometheus exporters of a host, from the packages of its distribution. */
import type { ReadyProps } from '../../resources/services/readiness/ready_props.ts'
import { bindAddresses, type Listening, reachedAt } from '../frontend/addresses.ts'
import type { SiteNode } from '../node.ts'
import { hasNginx, hostRoles } from '../site/host_roles.ts'
import { localAddress, loopback, stackAddresses } from '../site/listen_addresses.ts'
import { exporterAt } from './addresses.ts'

export interface Exporter {
  /** Name of the package, its program and its unit. */
  readonly name: string
  readonly at: Listening
  /** Its own options, beside the address. */
  readonly options: readonly string[]
  /** Further variables of its unit. */
  readonly environment: Readonly<Record<string, string>>
  readonly ready: ReadyProps
}

/** The account of all exporters, which each of the packages makes. */
export const exporterAccount = 'prometheus'
export const redisPasswords = '/etc/prometheus-redis-exporter.json'

/** Returns the exporters for the roles of the host; HAProxy has none, because it serves its metrics itself. */
export function exportersOf(node: SiteNode): readonly Exporter[] {
  const { node_port, varnish_port, redis_port } = node.converge.monitoring
  const roles = hostRoles(node)
  return [
    exporter('node', exporterAt(node, node_port)),
    ...(hasNginx(node) ? [nginxExporter(node)] : []),
    ...(roles.includes('frontend') ? [exporter('varnish', exporterAt(node, varnish_port), ['-raw'])] : []),
    ...(roles.includes('broker') ? [exporter('redis', exporterAt(node, redis_port), redisOptions(node))] : []),
  ]
}

function exporter(kind: string, at: Listening, options: readonly string[] = []): Exporter {
  const ready: ReadyProps = { port: at.port, host: reachedAt(at), path: '/metrics', statusMin: 200, statusMax: 200 }
  return { name: `prometheus-${kind}-exporter`, at, options, environment: {}, ready }
}

function nginxExporter(node: SiteNode): Exporter {
  const { nginx_port, nginx_status_port } = node.converge.monitoring
  return {
    ...exporter('nginx', exporterAt(node, nginx_port), [
      `--nginx.scrape-uri=http://${loopback}:${nginx_status_port}/stub_status`,
    ]),
    // The exporter of Debian 12 ends unless nginx answers, which may be stopped on purpose.
    environment: { NGINX_RETRIES: '1000000' },
    ready: { kind: 'uptime' },
  }
}

/** Returns the address of the broker in the notation of its exporter. */
export function redisAddress(node: SiteNode): string {
  const { listen_addr, listen_port } = node.redis.config
  const host = localAddress(stackAddresses(node, listen_addr, 'redis.config.listen_addr'))
  return `redis://${host.includes(':') ? `[${host}]` : host}:${listen_port}`
}

function redisOptions(node: SiteNode): string[] {
  const withPassword = node.redis.config.requirepass ? [`--redis.password-file=${redisPasswords}`] : []
  return [`--redis.addr=${redisAddress(node)}`, ...withPassword]
}

/** Renders /etc/default/NAME, which both systemd and the init script of the package read. */
export function renderDefaults({ at, options, environment }: Exporter): string {
  const [address] = bindAddresses(at)
  const words = [...options, `--web.listen-address=${address}`]
  const variables = Object.entries({ ...environment, ARGS: words.join(' ') })
  return `# Written by converge, changes are overwritten.\n${variables.map(([name, value]) => `${name}="${value}"\n`).join('')}`
}
