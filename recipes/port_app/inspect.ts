/** Reports a server that uses two ports in turn for `status` and `releases`. */
import type { Inspection } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { listReleases } from '../../resources/releases/releases.ts'
import { servicesOf } from '../app/inspect.ts'
import type { SiteNode } from '../node.ts'
import { viewWebApp } from '../web/app_view.ts'
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
  return { apps: [await viewWebApp(node, host, app, releases, shown.length > 0 ? shown : services.slice(0, 1))] }
}
