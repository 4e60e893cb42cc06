/** Checks the addresses and names of the hosts of a stack: each must be valid, and belong to one host only. */
import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import type { ConvergeError } from '../../model/errors.ts'
import type { NodeWarning } from '../../node/layer.ts'
import { formatPath, type KeyPath } from '../../node/path.ts'
import { isUnread, problemAt, type Search } from './external_values.ts'
import type { StackContent } from './schema.ts'
import type { Stack } from './stack.ts'

type Where = Pick<Search, 'locate' | 'unreadPaths'>
type GivenHost = StackContent['hosts'][string]

const dnsName =
  /^(?=.{1,253}\.?$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?$/

const isHostAddress = (text: string) => isIP(text) > 0 || (dnsName.test(text) && !/^[\d.]+$/.test(text))

/** Checks the addresses of a host, which go into the configuration of balancers, caches and clients. */
export function addressProblems(host: GivenHost, path: KeyPath, where: Where): ConvergeError[] {
  const { locate } = where
  const { address } = host
  const refuse = (key: string, reason: string, hint: string) =>
    problemAt(`${formatPath([...path, key])}: ${reason}`, locate([...path, key]), hint)
  const problems: ConvergeError[] = []
  if (!isHostAddress(address) && !isUnread([...path, 'address'], where))
    problems.push(refuse('address', `${JSON.stringify(address)} is not a host address`, hintFor(address)))
  for (const key of ['private_ip', 'ip'] as const) {
    const ip = host[key]
    if (ip !== undefined && isIP(ip) === 0)
      problems.push(refuse(key, `${ip} is no IP address`, `write a name as ${nameKeys[key]}`))
  }
  for (const key of ['private_dns_name', 'public_dns_name'] as const) {
    const name = host[key]
    if (name !== undefined && !isHostAddress(name))
      problems.push(refuse(key, `${JSON.stringify(name)} is not a host name`, hintFor(name)))
  }
  return problems
}

const nameKeys = { private_ip: 'private_dns_name', ip: 'public_dns_name' } as const

function hintFor(address: string): string {
  const inside = /^\[([^\]]+)\](?::(\d+))?$/.exec(address)
  if (inside?.[1] !== undefined && isIP(inside[1]) === 6)
    return `write the address without the brackets: ${inside[1]}${inside[2] === undefined ? '' : `; write the port as port: ${inside[2]}`}`
  if (address.includes('@')) return `write the account as user: ${address.slice(0, address.lastIndexOf('@'))}`
  if (/^[^:]+:\d+$/.test(address)) return `write the port as port: ${address.split(':')[1]}`
  const ascii = /[^ -~]/.test(address) ? domainToASCII(address) : ''
  if (ascii !== '' && isHostAddress(ascii)) return `write it as ${ascii}`
  return 'write an IPv4 or IPv6 address, or a DNS name'
}

/** Returns one spelling for all spellings of the same address. */
function normalizeAddress(address: string): string {
  if (isIP(address) !== 6) return address.toLowerCase().replace(/\.$/, '')
  const [plain = '', zone] = address.split('%')
  return `${new URL(`http://[${plain}]`).hostname}${zone === undefined ? '' : `%${zone}`}`
}

/** Finds hosts with the same address, port and jump host: they are one host under two names. */
export function twinProblems({ hosts, ssh }: StackContent, where: Where): ConvergeError[] {
  const { locate } = where
  const owners = new Map<string, string>()
  const isKnown = (name: string) => !['address', 'port', 'jump'].some((key) => isUnread(['hosts', name, key], where))
  return Object.entries(hosts).flatMap(([name, host]) => {
    if (!isKnown(name)) return []
    const port = host.port ?? ssh?.port ?? 22
    const key = JSON.stringify([normalizeAddress(host.address), port, host.jump ?? ssh?.jump])
    const other = owners.get(key)
    owners.set(key, other ?? name)
    if (other === undefined) return []
    return [
      problemAt(
        `${formatPath(['hosts', name])} and ${formatPath(['hosts', other])} have one address, ${host.address} port ${port}`,
        locate(['hosts', name, 'address']),
        'give each its own address; if they are one host, write one entry with the layers of both',
      ),
    ]
  })
}

/** Warns of hosts with different SSH addresses that other hosts reach at the same address. */
export function addressWarnings({ hosts }: Pick<Stack, 'hosts'>, { locate }: Pick<Where, 'locate'>): NodeWarning[] {
  const owners = new Map<string, string>()
  return hosts.flatMap(({ name, publicDnsName, privateDnsName }) => {
    const address = publicDnsName ?? privateDnsName
    const other = owners.get(normalizeAddress(address))
    owners.set(normalizeAddress(address), other ?? name)
    if (other === undefined) return []
    const path = ['hosts', name]
    return {
      code: 'SHARED_ADDRESS' as const,
      message: `${formatPath(path)} and ${formatPath(['hosts', other])} have one address for the other hosts, ${address}`,
      path: formatPath(path),
      hint: 'set private_ip or private_dns_name to the address at which the other hosts reach each of them',
      source: locate([...path, 'address']),
    }
  })
}
