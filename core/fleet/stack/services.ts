/** Finds the services of a stack's hosts, the connections between them, and mistakes in these. */
import { isIP } from 'node:net'
import type { SourceLocation } from '../../model/errors.ts'
import type { Stack, StackHost } from './stack.ts'

/** A service on a host. */
export interface Service {
  readonly name: string
  /** Role that installs it. */
  readonly role: string
  /** TCP ports that it listens on, one for each of its processes; empty for none, or where they are unknown. */
  readonly ports: readonly number[]
  /** Whether visitors connect to it. */
  readonly isVisited: boolean
  /** Addresses that it connects to: `host:port`; `localhost` is its own host. */
  readonly asks: readonly string[]
}

export interface HostServices {
  readonly host: string
  readonly services: readonly Service[]
}

/** A possible mistake in a stack, which does not stop a rollout. */
export interface Concern {
  readonly message: string
  readonly hosts: readonly string[]
  readonly hint?: string | undefined
  /** Position in the stack file. */
  readonly source?: SourceLocation | undefined
}

/** A connection: from a service to another, or to an address outside the stack. */
export interface Arrow {
  readonly from: { readonly host: string; readonly service: Service }
  readonly to: { readonly host: string; readonly service: Service | null } | { readonly outside: string }
}

/** Finds all connections; a target outside the stack is named by its address. */
export function arrowsOf(stack: Stack, hosts: readonly HostServices[]): Arrow[] {
  const hostByAddress = hostsByAddress(stack.hosts)
  const servicesAt = new Map(hosts.map(({ host, services }) => [host, services]))
  const arrows = hosts.flatMap(({ host, services }) =>
    services.flatMap((service) =>
      service.asks.map((address): Arrow => {
        const { name, port } = splitAddress(address, hostByAddress)
        const target = name === 'localhost' || name === '127.0.0.1' ? host : hostByAddress.get(name)
        if (target === undefined) return { from: { host, service }, to: { outside: address } }
        const found = servicesAt.get(target)?.find(({ ports }) => ports.includes(port)) ?? null
        return { from: { host, service }, to: { host: target, service: found } }
      }),
    ),
  )
  const distinct = [...new Map(arrows.map((arrow) => [keyOf(arrow), arrow])).values()]
  // A balancer with one process too many in its configuration still connects to the same host.
  return distinct.filter(
    (arrow) => !isMiss(arrow) || !distinct.some((other) => !isMiss(other) && connectSameHosts(arrow, other)),
  )
}

function isMiss({ to }: Arrow): boolean {
  return 'host' in to && to.service === null
}

function connectSameHosts(one: Arrow, other: Arrow): boolean {
  const sameStart = one.from.host === other.from.host && one.from.service === other.from.service
  return sameStart && 'host' in one.to && 'host' in other.to && one.to.host === other.to.host
}

function keyOf({ from, to }: Arrow): string {
  const target = 'outside' in to ? [to.outside] : [to.host, to.service?.role, to.service?.name]
  return JSON.stringify([from.host, from.service.role, from.service.name, ...target])
}

/** @param hostByAddress known names and addresses */
function splitAddress(address: string, hostByAddress: ReadonlyMap<string, string>): { name: string; port: number } {
  const at = address.lastIndexOf(':')
  // The end of a bare IPv6 address may be a port: the known addresses decide.
  const bare = isIP(address) === 6 && (hostByAddress.has(address) || !hostByAddress.has(address.slice(0, at)))
  if (at === -1 || bare) return { name: address, port: 0 }
  return { name: address.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(address.slice(at + 1)) }
}

/** Maps every name and address of a host to the host. */
function hostsByAddress(hosts: readonly StackHost[]): ReadonlyMap<string, string> {
  const all = hosts.flatMap((host) =>
    [host.name, host.address, host.ip, host.privateIp, host.publicDnsName, host.privateDnsName].flatMap((address) =>
      address === undefined ? [] : [[address, host.name] as const],
    ),
  )
  // Where two hosts claim a name, the first one gets it.
  return new Map(all.reverse())
}

/** Finds ports that two services of one host claim; a program that several roles share counts as one service. */
export function portClashes(hosts: readonly HostServices[]): Concern[] {
  const found = hosts.flatMap(({ host, services }) => {
    const owners = new Map<number, Service>()
    return services.flatMap((service) =>
      service.ports.flatMap((port) => {
        const other = owners.get(port)
        owners.set(port, other ?? service)
        return other === undefined || other.name === service.name ? [] : [{ host, port, names: [other, service] }]
      }),
    )
  })
  const messages = found.map(({ host, port, names: [one, other] }) => ({
    host,
    message: `port ${port} is used by both ${one?.name} (${one?.role}) and ${other?.name} (${other?.role})`,
  }))
  return mergeByMessage(messages, 'give one of them other ports, or move it to another host')
}

/** Finds connections to a host of the stack on which no service answers. */
export function missingAnswers(arrows: readonly Arrow[], complete: ReadonlySet<string>): Concern[] {
  const found = arrows.flatMap(({ from, to }) =>
    'outside' in to || to.service !== null || !complete.has(to.host)
      ? []
      : [{ host: from.host, message: `${from.service.name} asks ${to.host}, where nothing of the stack answers it` }],
  )
  return mergeByMessage(found, 'correct the address, or give that host a role that answers there')
}

/** Combines the same message of several hosts. */
export function mergeByMessage(found: readonly { host: string; message: string }[], hint?: string): Concern[] {
  const messages = [...new Set(found.map(({ message }) => message))]
  return messages.map((message) => ({
    message,
    hosts: [...new Set(found.filter((one) => one.message === message).map(({ host }) => host))],
    hint,
  }))
}
