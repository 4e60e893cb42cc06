/** Renders haproxy.cfg, which balances requests over the ZEO clients of all hosts of the stack. */

import { haproxyWord } from '../../core/text/haproxy.ts'
import { isPrivateAddress } from '../../core/text/private_address.ts'
import type { ConfiguredServer } from '../../resources/balancer/server_addresses.ts'
import { balancerMetricsAt } from '../monitoring/addresses.ts'
import type { SiteNode } from '../node.ts'
import {
  backendName,
  type ClientSite,
  clientAddress,
  clientHosts,
  isLocalOnly,
  otherClientHosts,
  ownHostName,
  serverName,
} from '../plone/balancing.ts'
import { clientCount, clientPort } from '../plone/site.ts'
import { AttributeWriter, isSet } from '../site/attribute_writer.ts'
import { hostAddress, type NamedInstance } from '../site/hosts.ts'
import { balancerAt, bindAddresses } from './addresses.ts'
import type { FrontendLayout } from './layout.ts'

/** A ZEO client as a backend server of the balancer. */
export interface BalancedServer {
  readonly name: string
  /** `host:port`. */
  readonly address: string
}

/** Returns every ZEO client of the online hosts, in the order of the JSON. */
export function balancedServers(attributes: ClientSite): BalancedServer[] {
  const localName = isLocalOnly(attributes.plone_instances) ? ownHostName(attributes) : null
  return clientHosts(attributes).flatMap(({ name, instance }) => {
    const host = name === localName ? clientAddress(attributes.plone_instances) : innerAddress({ name, instance })
    return Array.from({ length: clientCount(attributes, instance) }, (_, index) => ({
      name: serverName(name, index + 1),
      address: `${host}:${clientPort(index + 1)}`,
    }))
  })
}

/**
 * Checks attributes that must fit together.
 * @throws INVALID_ATTRIBUTE for clients of other hosts that answer only their own host, and for a runtime API without an address
 */
export function checkHaproxy(node: SiteNode): void {
  const values = new AttributeWriter()
  const { converge, opsworks, plone_instances } = node
  const { private_ip } = opsworks.instance
  // Without a stack, it is an address that converge found on the host, which may be public.
  const isOpen = (address: string) => !isPrivateAddress(address) && !node.isGiven('opsworks.instance.private_ip')
  if (converge.balancer.port !== null && (!isSet(private_ip) || isOpen(private_ip)))
    values.refuse(
      'opsworks.instance.private_ip',
      'is not set, and converge.balancer.port is',
      'set it: the runtime API has no password, so HAProxy opens it at this address only',
    )
  const others = otherClientHosts(node)
  if (isLocalOnly(plone_instances) && others.length > 0)
    values.refuse(
      'plone_instances.listen_address',
      `is ${plone_instances.listen_address}, and HAProxy must reach clients of ${others.join(', ')}`,
      'leave it out, or set it for each host to its address in the private network',
    )
  values.check()
}

/** Returns the servers with their names in the runtime API. */
export function configuredServers(attributes: ClientSite): ConfiguredServer[] {
  return balancedServers(attributes).map(({ name, address }) => {
    const colon = address.lastIndexOf(':')
    return {
      name: `${backendName(attributes)}/${name}`,
      host: address.slice(0, colon),
      port: Number(address.slice(colon + 1)),
    }
  })
}

/** Returns the private address: inside the network, the public name of a host may lead elsewhere. */
function innerAddress({ name, instance }: NamedInstance): string {
  const { private_dns_name, private_ip } = instance
  return isSet(private_dns_name) ? private_dns_name : isSet(private_ip) ? private_ip : hostAddress(instance, name)
}

export function hasStickySessions({ plone_instances, haproxy }: SiteNode): boolean {
  return plone_instances.sticky_sessions || haproxy.sticky_sessions
}

/** The cookie that binds a visitor to a client. */
export const stickyCookie = 'sid'
/** The header that passes the answer's Cache-Control to the cache, because the balancer changes it for its cookie. */
export const ownCacheControl = 'X-Own-Cache-Control'

/** @param password of the statistics page, if there is one */
export function renderHaproxy(node: SiteNode, app: FrontendLayout, password: string): string {
  const servers = balancedServers(node)
  const sections = [
    globalSection(node, app),
    defaultsSection(node, servers.length),
    frontendSection(node, password, servers.length > 0),
    ...(servers.length > 0 ? [backendSection(node, servers)] : []),
    ...metricsSections(node),
  ]
  return `# Written by converge, changes are overwritten.\n${sections.map((lines) => section(lines)).join('\n')}`
}

function section([head, ...lines]: readonly string[]): string {
  return `${[head, ...lines.map((line) => `  ${line}`)].join('\n')}\n`
}

function globalSection(node: SiteNode, app: FrontendLayout): string[] {
  const { haproxy, opsworks, converge } = node
  const level = haproxy.stats_socket_level ?? 'admin'
  const { port } = converge.balancer
  const address = opsworks.instance.private_ip
  return [
    'global',
    // The system has syslog; a supervisor stores standard output.
    app.system ? 'log /dev/log local1 notice' : 'log stdout format raw local1 notice',
    ...(app.system ? ['chroot /var/lib/haproxy'] : []),
    ...(node.facts.uid === 0 ? ['user haproxy', 'group haproxy'] : []),
    `maxconn ${haproxy.global_max_connections}`,
    '# Fewer file descriptors than that are no reason not to start.',
    'no strict-limits',
    `stats socket ${haproxyWord(app.haproxy.socket)} mode 660 level ${level} expose-fd listeners`,
    ...(port === null ? [] : [`stats socket ipv4@${address}:${port} level ${level}`]),
    `server-state-file ${haproxyWord(app.haproxy.state)}`,
    '# A process that was replaced answers what it has begun.',
    `hard-stop-after ${haproxy.server_timeout}`,
    'spread-checks 5',
  ]
}

/** The number of retries, one a second, for an only client; a server that is down after five checks gets no more. */
const patience = 60

/** Returns how often HAProxy retries a request: at least once for each client. */
export function effectiveRetries(retries: number, servers: number): number {
  return retries === 0 ? 0 : Math.max(retries, servers === 1 ? patience : servers)
}

function defaultsSection({ haproxy }: SiteNode, servers: number): string[] {
  return [
    'defaults',
    'log global',
    'mode http',
    'option httplog',
    'option dontlognull',
    'option abortonclose',
    'option redispatch 1',
    servers === 1
      ? '# The only client is asked again each second: a request waits while it restarts.'
      : '# A host that is gone refuses for each of its clients: a request is to get past all of them.',
    `retries ${effectiveRetries(haproxy.retries, servers)}`,
    '# What may be sent again to another server; answers that were begun never are.',
    'retry-on conn-failure empty-response',
    `maxconn ${haproxy.default_max_connections}`,
    `timeout client ${haproxy.client_timeout}`,
    `timeout server ${haproxy.server_timeout}`,
    `timeout queue ${haproxy.queue_timeout}`,
    `timeout connect ${haproxy.connect_timeout}`,
    `timeout http-request ${haproxy.http_request_timeout}`,
    'timeout http-keep-alive 10s',
    'timeout check 10s',
    'timeout tunnel 1h',
    ...(haproxy.httpclose ? ['option httpclose'] : []),
    ...(haproxy.http_server_close && !haproxy.httpclose ? ['option http-server-close'] : []),
    'load-server-state-from-file global',
  ]
}

function frontendSection(node: SiteNode, password: string, hasBackend: boolean): string[] {
  const { haproxy } = node
  const stats = [
    'stats enable',
    `stats uri ${haproxyWord(haproxy.stats_url)}`,
    'stats realm Balancer',
    `stats auth ${haproxyWord(`${haproxy.stats_user}:${password}`)}`,
    'stats refresh 30s',
    'stats hide-version',
    'stats show-legends',
  ]
  return [
    'frontend http-in',
    ...bindAddresses(balancerAt(node)).map((at) => `bind ${at}`),
    ...(haproxy.enable_stats ? stats : []),
    ...(hasBackend ? [`default_backend ${backendName(node)}`] : []),
  ]
}

/** Serves the metrics in the format of Prometheus, at a port of their own. */
function metricsSections(node: SiteNode): string[][] {
  const at = balancerMetricsAt(node)
  if (at === null) return []
  return [
    [
      'frontend metrics',
      ...bindAddresses(at).map((address) => `bind ${address}`),
      'option dontlog-normal',
      'http-request use-service prometheus-exporter if { path /metrics }',
      'http-request return status 404',
    ],
  ]
}

function backendSection(node: SiteNode, servers: readonly BalancedServer[]): string[] {
  const { haproxy, plone_instances, converge } = node
  const { check_interval, rise, fall } = haproxy
  const sticky = hasStickySessions(node)
  const each = [
    `check inter ${check_interval} fastinter ${part(check_interval, 10)} downinter ${part(check_interval, 2)}`,
    `maxconn ${plone_instances.zserver_threads ?? 2} rise ${rise} fall ${fall}`,
    ...(converge.frontend.slow_start_seconds > 0 ? [`slowstart ${converge.frontend.slow_start_seconds}s`] : []),
    // A dead process refuses connections at once: until the next check it would get all requests that busy ones refuse.
    ...(servers.length > 1 ? ['observe layer4 error-limit 1 on-error mark-down'] : []),
    // An unknown name keeps one server down instead of the balancer.
    'init-addr last,libc,none',
  ].join(' ')
  return [
    `backend ${backendName(node)}`,
    `balance ${haproxy.balance}`,
    `option httpchk ${checkWord(haproxy.health_check_method)} ${checkWord(haproxy.health_check_url)}`,
    ...(isSet(haproxy.health_check_host)
      ? [`http-check send hdr Host ${checkWord(haproxy.health_check_host.replaceAll('%', '%%'))}`]
      : []),
    'option forwardfor except 127.0.0.0/8',
    '# Only what changes nothing is sent a second time once a server may have seen it.',
    'http-request disable-l7-retry unless METH_GET',
    ...(sticky
      ? [
          `http-response set-header ${ownCacheControl} %[res.hdr(Cache-Control)] if { res.hdr(Cache-Control) -m found }`,
          `cookie ${stickyCookie} insert indirect nocache httponly`,
        ]
      : []),
    ...servers.map(
      ({ name, address }) =>
        `server ${haproxyWord(name)} ${haproxyWord(address)}${sticky ? ` cookie ${haproxyWord(name)}` : ''} ${each}`,
    ),
  ]
}

/** Quotes a word of a health check only if it must be: an unchanged file needs no reload. */
function checkWord(word: string): string {
  return /["'\\#]/.test(word) ? haproxyWord(word) : word
}

/** Returns a fraction of a time, at least a millisecond. */
function part(milliseconds: number, of: number): number {
  return Math.max(1, Math.floor(milliseconds / of))
}
