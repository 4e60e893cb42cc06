/** Reports a server that uses two ports in turn for `status` and `releases`. */
import type { Inspection } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { listReleases, releaseLeftByRollback } from '../../resources/releases/releases.ts'
import { servicesOf, viewsOf } from '../app/inspect.ts'
import { readStop } from '../app/stopped.ts'
import type { SiteNode } from '../node.ts'
import { closedSite } from '../web/maintenance.ts'
import { viewServed } from '../web/served.ts'
import { readinessAt, type Server } from './server.ts'

export async function inspect(node: SiteNode, server: Server, host: HostReader): Promise<Inspection> {
  const { app, settings } = server
  const releases = listReleases(host, app.releases, app.current)
  const programs = settings.ports.map((port) => ({ name: `${app.name}-${port}`, ready: readinessAt(server, port) }))
  const found = await servicesOf(host, app.supervisor.socket, programs)
  const services = await Promise.all(found.map((one) => viewServed(host, one, server, settings.health)))
  // One of the two is always idle: do not report it as down.
  const shown = services.filter(({ readiness }) => readiness !== 'down')
  const view = {
    name: app.name,
    directory: app.deployTo,
    releases: await viewsOf(host, app, releases),
    stopped: readStop(host, app.name),
    closed: closedSite(node, host, app.name),
    pinnedFrom: releaseLeftByRollback(host, app.releases, releases),
    services: shown.length > 0 ? shown : services.slice(0, 1),
  }
  return { apps: [view] }
}
