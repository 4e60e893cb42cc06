/** Checks that the servers that roles use (ZEO, databases, memcached, Solr) have names that resolve, and answer. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import type { SiteNode } from '../node.ts'
import { servicesOf } from '../role_services.ts'
import { isOwnAddress } from '../site/own_address.ts'
import { missing, ok, warning } from './findings.ts'

export function serverChecks(node: SiteNode, host: HostReader, roles: readonly string[]): HostCheck[] {
  const services = roles.flatMap((role) => servicesOf(node, role) ?? [])
  const localPorts = new Set(services.flatMap(({ ports }) => ports))
  const servers = new Map<string, string>()
  // Skip balanced clients: they have health checks of their own, and may be offline.
  for (const { name, asks } of services)
    if (name !== 'haproxy') for (const address of asks) if (!servers.has(address)) servers.set(address, name)
  return [...servers].flatMap(([address, service]) => {
    const [name, port] = split(address)
    if (name === null || (isOwnAddress(node, name) && localPorts.has(port))) return []
    return [{ what: `server ${address}`, run: () => reachFinding(host, { name, port, service }) }]
  })
}

interface Address {
  readonly name: string
  readonly port: number
  readonly service: string
}

async function reachFinding(host: HostReader, { name, port, service }: Address) {
  if (!isNumeric(name)) {
    const { status } = await host.query(['getent', 'ahosts', name], { accept: 'any' })
    if (status !== 0)
      return missing(
        `${service} asks ${name}, and no address is known for that name`,
        `correct the name in the attributes, or add ${name} to DNS or /etc/hosts`,
      )
  }
  if (port === 0) return ok(`resolves, for ${service}`)
  if (await host.listening(port, name)) return ok(`answers, for ${service}`)
  // Only warn: the server may be set up after this host, and a deploy can start without it.
  return warning(
    `no connection to ${name}:${port}, which ${service} needs`,
    `start the server on ${name}, and open port ${port} in its firewall for this host`,
  )
}

function split(address: string): [name: string | null, port: number] {
  const [, name, port] = /^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(address) ?? []
  return address.startsWith('/') ? [null, 0] : [name ?? null, Number(port ?? 0)]
}

function isNumeric(name: string): boolean {
  return /^[\d.]+$/.test(name) || name.includes(':')
}
