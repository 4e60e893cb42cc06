/** Reports the front end for `status`. */
import type { Inspection, ServiceView } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { viewService } from '../app/service_view.ts'
import { readStop } from '../app/stopped.ts'
import type { SiteNode } from '../node.ts'
import { clientPrograms, localBalancer, runtimeSocket, withClients } from '../plone/balancing.ts'
import { closedSite } from '../web/maintenance.ts'
import { balancedServers } from './haproxy.ts'
import { type FrontendLayout, frontendLayout } from './layout.ts'
import { nameOf, parts, providerOf, readyOf, stoppable } from './programs.ts'

export async function inspect(stack: SiteNode, host: HostReader): Promise<Inspection> {
  const node = withClients(stack, clientPrograms(stack).read(host))
  const app = frontendLayout(node)
  const socket = runtimeSocket(node, localBalancer(node).read(host))
  const views = await Promise.all(
    parts.map((part) =>
      viewService(host, { name: nameOf(app, part), provider: providerOf(app), ready: readyOf(node, part, socket) }),
    ),
  )
  const services = balancedServers(node).length > 0 ? views : views.map((view) => withoutServers(view, app))
  return {
    apps: [
      {
        name: 'frontend',
        directory: app.nginx.config.replace(/\/[^/]*$/, ''),
        releases: [],
        unreleased: true,
        stopped: readStop(host, stoppable(app).name),
        closed: closedSite(node, host, app.name),
        services,
      },
    ],
  }
}

/** Marks a running balancer without servers as down: it answers every visitor with 503. */
function withoutServers(view: ServiceView, app: FrontendLayout): ServiceView {
  if (view.name !== nameOf(app, 'haproxy') || !view.up) return view
  return { ...view, up: false, readiness: 'not ready', detail: 'runs, but has no server: visitors get HTTP 503' }
}
