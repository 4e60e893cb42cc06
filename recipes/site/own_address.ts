/** Decides whether a name or an address is one of this host. */
import type { SiteNode } from '../node.ts'

export function isOwnAddress({ opsworks, facts }: SiteNode, name: string): boolean {
  const { hostname, private_dns_name, private_ip, public_dns_name, ip } = opsworks.instance
  return [
    'localhost',
    '127.0.0.1',
    '::1',
    facts.hostname,
    hostname,
    private_dns_name,
    private_ip,
    public_dns_name,
    ip,
  ].includes(name)
}
