/** Writes the rules of the firewall for nft(8), and decides whether they let a connection in. */
import * as z from 'zod'
import { isInNetwork } from '../../core/text/ip_address.ts'

/** Ports by the names that recipes use. */
export const servicePorts = {
  ssh: 22,
  smtp: 25,
  dns: 53,
  http: 80,
  https: 443,
  submission: 587,
  imaps: 993,
  mysql: 3306,
  postgresql: 5432,
} as const

const serviceNames = Object.keys(servicePorts) as [keyof typeof servicePorts, ...(keyof typeof servicePorts)[]]

const port = z.int().min(1).max(65_535)
const portRange = z
  .string()
  .regex(/^\d{1,5}-\d{1,5}$/, { error: 'a port, or a range such as 8000-8010' })
  .refine((text) => rangeOf(text).every((one) => one >= 1 && one <= 65_535) && rangeOf(text)[0] <= rangeOf(text)[1], {
    error: 'a range of ports from 1 to 65535, the lower one first',
  })
export const source = z.union([z.ipv4(), z.cidrv4(), z.ipv6(), z.cidrv6()], {
  error: 'an address or a network, such as 10.0.0.0/8',
})

export const rule = z
  .strictObject({
    ports: z
      .array(z.union([port, portRange]))
      .min(1)
      .optional()
      .describe('Port numbers, and ranges such as 8000-8010'),
    services: z.array(z.enum(serviceNames)).min(1).optional().describe('Services by name, for their ports'),
    protocol: z.enum(['tcp', 'udp']).default('tcp').describe('Protocol of ports and services; default tcp'),
    from: z.array(source).min(1).optional().describe('Addresses and networks of the clients; default: anywhere'),
    comment: z
      .string()
      .max(100)
      .regex(/^[^"\\\p{Cc}]+$/u, { error: 'a text on one line without quotes and backslashes' })
      .optional()
      .describe('Comment beside the rule'),
  })
  .refine(({ ports, services, from }) => (ports ?? services ?? from) !== undefined, {
    error: 'ports, services or from is required: an empty rule would allow everything',
  })
export type Rule = z.output<typeof rule>

export interface Ruleset {
  readonly policy: 'drop' | 'reject' | 'accept'
  readonly allow: readonly Rule[]
  readonly blocked?: readonly string[] | undefined
  readonly ping: boolean
  readonly forward?: 'drop' | 'accept' | undefined
}

type Range = readonly [low: number, high: number]

function rangeOf(value: number | string): Range {
  if (typeof value === 'number') return [value, value]
  const [low = 0, high = 0] = value.split('-').map(Number)
  return [low, high]
}

/** nft refuses ranges that overlap. */
function rangesOf({ ports = [], services = [] }: Rule): Range[] {
  const ranges = [...ports, ...services.map((name) => servicePorts[name])].map(rangeOf).sort(([a], [b]) => a - b)
  const merged: [number, number][] = []
  for (const [low, high] of ranges) {
    const last = merged.at(-1)
    if (last !== undefined && low <= last[1] + 1) last[1] = Math.max(last[1], high)
    else merged.push([low, high])
  }
  return merged
}

/** Decides whether the rules accept a new connection of a client. */
export function admits(rules: Ruleset, { port, client }: { readonly port: number; readonly client: string }): boolean {
  if (rules.blocked?.some((network) => isInNetwork(client, network))) return false
  if (rules.policy === 'accept') return true
  return rules.allow.some(
    (rule) =>
      opens(rule, port) && (rule.from === undefined || rule.from.some((network) => isInNetwork(client, network))),
  )
}

/** Decides whether a rule accepts connections at a TCP port, at least from some clients. */
export function isOpen({ policy, allow }: Ruleset, port: number): boolean {
  return policy === 'accept' || allow.some((rule) => opens(rule, port))
}

function opens(rule: Rule, port: number): boolean {
  const ranges = rangesOf(rule)
  if (ranges.length === 0) return true
  return rule.protocol === 'tcp' && ranges.some(([low, high]) => low <= port && port <= high)
}

const saddr = (network: string) => `${network.includes(':') ? 'ip6' : 'ip'} saddr ${network}`

function lines(rule: Rule): string[] {
  const ports = rangesOf(rule).map(([low, high]) => (low === high ? `${low}` : `${low}-${high}`))
  const to = ports.length === 0 ? [] : [`${rule.protocol} dport { ${ports.join(', ')} }`]
  const comment = rule.comment === undefined ? [] : [`comment "${rule.comment}"`]
  const sources = rule.from === undefined ? [[]] : [...new Set(rule.from)].map((network) => [saddr(network)])
  return sources.map((from) => [...from, ...to, 'accept', ...comment].join(' '))
}

/** Without these, IPv6 and the discovery of packet sizes do not work. */
const needed = [
  'icmp type { destination-unreachable, time-exceeded, parameter-problem } accept',
  'icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept',
  'icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept',
  'ip6 saddr fe80::/10 udp dport 546 accept',
]
const pings = ['icmp type echo-request accept', 'icmpv6 type echo-request accept']

export const table = 'inet converge'

/** Writes a file for `nft -f`, which replaces the whole table at once. */
export function rulesetText(rules: Ruleset): string {
  const { policy, allow, blocked = [], ping, forward } = rules
  const input = [
    `type filter hook input priority filter; policy ${policy === 'accept' ? 'accept' : 'drop'};`,
    'iifname "lo" accept',
    ...blocked.map((network) => `${saddr(network)} drop`),
    'ct state established,related accept',
    ...(policy === 'accept' ? [] : ['ct state invalid drop', ...needed, ...(ping ? pings : [])]),
    ...allow.flatMap(lines),
    ...(policy === 'reject' ? ['reject with icmpx admin-prohibited'] : []),
  ]
  const forwarded = [
    `type filter hook forward priority filter; policy ${forward};`,
    'ct state established,related accept',
  ]
  return [
    '#!/usr/sbin/nft -f',
    '# Written by converge. Change it in the recipe that declares the firewall.',
    `table ${table}`,
    `delete table ${table}`,
    `table ${table} {`,
    ...chain('input', input),
    ...(forward === undefined ? [] : chain('forward', forwarded)),
    '}',
    '',
  ].join('\n')
}

function chain(name: string, content: readonly string[]): string[] {
  return [`\tchain ${name} {`, ...content.map((line) => `\t\t${line}`), '\t}']
}
