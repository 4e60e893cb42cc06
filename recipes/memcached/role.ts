/** Defines the role memcached: the cache of RelStorage, from the system's package. */
import { file } from '../../resources/files/file.ts'
import type { SiteNode } from '../node.ts'
import { type PackagedService, packagedServiceRole } from '../packaged_service/role.ts'
import { localAddress, stackAddresses } from '../site/listen_addresses.ts'

function memcached(node: SiteNode): PackagedService {
  const { port, memory, user, max_connections, listen_addr } = node.memcached
  const addresses = stackAddresses(node, listen_addr, 'memcached.listen_addr')
  // The package's start script reads one option of memcached(1) a line, and gives them to a shell.
  const content = `# Written by converge, changes are overwritten.
-d
-m ${memory}
-p ${port}
-U 0
-u ${user}
-c ${max_connections}
${addresses.map((address) => `-l ${address === '*' ? '0.0.0.0' : address}`).join('\n')}
-P /var/run/memcached/memcached.pid
`
  return {
    name: 'memcached',
    packageName: 'memcached',
    program: 'memcached',
    ready: { kind: 'tcp', port, host: localAddress(addresses) },
    files: (r) => [file(r, { path: '/etc/memcached.conf', content, mode: '0644' })],
  }
}

export default packagedServiceRole('memcached', 'memcached, the cache of RelStorage', memcached)
