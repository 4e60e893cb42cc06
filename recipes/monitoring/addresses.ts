/** Computes the addresses at which exporters listen. */
import type { Listening } from '../frontend/addresses.ts'
import type { SiteNode } from '../node.ts'
import { isSet } from '../site/attribute_writer.ts'
import { hostRoles } from '../site/host_roles.ts'
import { loopback, stackAddresses } from '../site/listen_addresses.ts'

/** Returns where an exporter listens. It has one address, because the exporters of Debian 12 accept only one. */
export function exporterAt(node: SiteNode, port: number): Listening {
  const { address } = node.converge.monitoring
  if (isSet(address)) return { addresses: [address], port }
  const [privateAddress = loopback] = stackAddresses(node, null, 'converge.monitoring.address').slice(-1)
  return { addresses: [privateAddress], port }
}

/** Returns where HAProxy itself serves its metrics; null on a host without the role monitoring. */
export function balancerMetricsAt(node: SiteNode): Listening | null {
  if (!hostRoles(node).includes('monitoring')) return null
  return exporterAt(node, node.converge.monitoring.haproxy_port)
}
