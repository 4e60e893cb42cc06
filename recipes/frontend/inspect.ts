/** Reports the front end for `status`. */
import type { Inspection, ServiceView } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import type { PloneNode } from '../node.ts'
import { viewService } from '../releases/service_view.ts'
import { shownStop } from '../releases/stopped.ts'
import { balancedServers } from './haproxy.ts'
import { type FrontendLayout, frontendLayout } from './layout.ts'
import { nameOf, parts, providerOf, readyOf, stoppable } from './programs.ts'

export async function inspect(node: PloneNode, host: HostReader): Promise<Inspection> {
  const at = frontendLayout(node)
  const views = await Promise.all(
    parts.map((part) =>
      viewService(host, { name: nameOf(at, part), provider: providerOf(at), ready: readyOf(node, part) }),
    ),
  )
  const services = balancedServers(node).length > 0 ? views : views.map((view) => withoutServers(view, at))
  return {
    apps: [
      {
        name: 'frontend',
        directory: at.nginx.config.replace(/\/[^/]*$/, ''),
        releases: [],
        unreleased: true,
        stopped: shownStop(host, stoppable(at).app),
        services,
      },
    ],
  }
}

/** Marks a running balancer without servers as down: it answers every visitor with 503. */
function withoutServers(view: ServiceView, at: FrontendLayout): ServiceView {
  if (view.name !== nameOf(at, 'haproxy') || !view.up) return view
  return { ...view, up: false, readiness: 'not ready', detail: 'runs, but has no server: visitors get HTTP 503' }
}
