/** Counts the clients of a port from the kernel's tables, without connecting to it. */
import type { HostReader } from '../../core/host/types.ts'

/** States of proc_net_tcp(5) in which a client may still get an answer: ESTABLISHED, SYN_RECV. */
const openStates = new Set(['01', '03'])

/** Counts the connections that clients have made to the port; 0 also if the kernel shows no tables. */
export function countConnections(host: HostReader, port: number): number {
  const at = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const lines = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) => (host.readText(path) ?? '').split('\n'))
  return lines.filter((line) => {
    const [, local = '', , state = ''] = line.trim().split(/\s+/)
    return local.endsWith(at) && openStates.has(state)
  }).length
}
