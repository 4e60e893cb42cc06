/** Checks that the ZEO server of this host can be reached by the clients of other hosts. */
import type { Recipe } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import { anyHost } from '../../core/model/query.ts'
import type { Reference } from '../../core/model/reference.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { loopbackProblem, zeo_address } from '../../resources/zope/zeo_address.ts'
import type { SiteNode } from '../node.ts'
import { otherClientHosts } from './balancing.ts'
import type { BuildoutApp } from './buildout_app.ts'

/** Warns if the build made a ZEO server that the clients of other hosts cannot reach. */
export function warnOfLoopback(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: BuildoutApp,
  release: Reference<string>,
  guard: CommonOptions,
): void {
  // Rendering lists no clients: for each host of a large stack that takes minutes.
  r.given(anyHost, () => {
    const clients = remoteClients(node, app)
    if (clients.length > 0) zeo_address(r, { app: app.name, server: release, clients, ...guard })
  })
}

/** Returns the problem of the current release, for `doctor` and `status`; null for none. */
export function reachProblem(node: SiteNode, app: BuildoutApp, host: HostReader) {
  return loopbackProblem(host, app.current, remoteClients(node, app))
}

/** Returns the other hosts whose clients connect to this ZEO server. */
function remoteClients(node: SiteNode, { role }: BuildoutApp): string[] {
  if (role !== 'zeo-server' || node.plone_instances.enable_relstorage) return []
  return otherClientHosts(node)
}
