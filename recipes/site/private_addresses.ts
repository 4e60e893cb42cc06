/** Lists the private addresses of all hosts of the stack, for services that admit only them. */
import { isSet } from './attribute_writer.ts'
import type { SiteAttributes } from './site_attributes.ts'

/** Returns the private addresses that the stack knows, sorted. */
export function privateAddresses({ opsworks }: SiteAttributes): string[] {
  const { instance, layers } = opsworks
  const hosts = [instance, ...Object.values(layers).flatMap(({ instances }) => Object.values(instances ?? {}))]
  return [...new Set(hosts.map((host) => host.private_ip).filter(isSet))].sort()
}
