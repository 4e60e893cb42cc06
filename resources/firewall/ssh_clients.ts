/** Finds the ports of sshd and the clients that are connected to them, which a firewall must not lock out. */
import type { HostReader } from '../../core/host/types.ts'

export interface SshPort {
  readonly port: number
  /** Addresses of connected clients on other hosts. */
  readonly clients: readonly string[]
}

const config = '/etc/ssh/sshd_config'

export function sshPorts(host: HostReader): SshPort[] {
  if (host.which('sshd') === null && host.which('/usr/sbin/sshd') === null) return []
  const connected = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) => connections(host.readText(path) ?? ''))
  return configuredPorts(host).map((port) => {
    const clients = connected.filter((one) => one.port === port).map(({ client }) => client)
    return { port, clients: [...new Set(clients)].filter((client) => !/^127\.|^::1$/.test(client)).sort() }
  })
}

function configuredPorts(host: HostReader): number[] {
  const directory = '/etc/ssh/sshd_config.d'
  const included = host.list(directory).filter((name) => name.endsWith('.conf'))
  const texts = [config, ...included.map((name) => `${directory}/${name}`)].map((path) => host.readText(path) ?? '')
  const ports = texts.flatMap((text) => [...text.matchAll(/^\s*Port[\s=]+"?(\d+)/gim)].map(([, port]) => Number(port)))
  return ports.length === 0 ? [22] : [...new Set(ports)].sort((a, b) => a - b)
}

interface Connection {
  /** On this host. */
  readonly port: number
  readonly client: string
}

const established = '01'

/** Reads a table of the kernel: `0: 0100007F:0016 0200000A:D431 01 …`. */
function connections(table: string): Connection[] {
  return table.split('\n').flatMap((line) => {
    const [, port = '', client = '', state] =
      /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]+):[0-9A-F]{4} (\d\d)/.exec(line) ?? []
    return state === established ? [{ port: Number.parseInt(port, 16), client: addressOf(client) }] : []
  })
}

/** Converts an address of the kernel, which prints each 32 bits in the order of the processor: little-endian on amd64 and arm64. */
function addressOf(hex: string): string {
  const words = (hex.match(/.{8}/g) ?? []).map((word) => (word.match(/../g) ?? []).reverse().join(''))
  const bytes = words.join('').match(/../g) ?? []
  const last = bytes
    .slice(-4)
    .map((byte) => Number.parseInt(byte, 16))
    .join('.')
  if (bytes.length === 4 || words.slice(0, 3).join('') === '00000000000000000000FFFF') return last
  return (words.join('').match(/.{4}/g) ?? []).map((group) => Number.parseInt(group, 16).toString(16)).join(':')
}
