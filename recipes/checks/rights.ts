/** Checks that the account of the run has the rights that the roles require. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import type { SiteNode } from '../node.ts'
import { asRoot, missing, nearestExisting, ok } from './findings.ts'

export function rightsCheck(node: SiteNode, host: HostReader, directory: string): HostCheck {
  const { prefix } = node.converge
  return {
    what: 'rights',
    run() {
      if (host.isRoot) return ok('root')
      const { name } = host.self
      if (prefix === '/') {
        const remedy =
          host.which('sudo') === null
            ? 'run as root, or give --prefix DIR'
            : 'run as root (sudo converge ...), or give --prefix DIR'
        return missing(`${name} may not change the system`, remedy)
      }
      const existing = nearestExisting(host, directory)
      if (host.writable(existing)) return ok(`below ${prefix}`)
      const remedy = asRoot(host, ['mkdir', '-p', prefix], ['chown', name, prefix])
      return missing(`${existing} is not writable for ${name}`, remedy)
    },
  }
}
