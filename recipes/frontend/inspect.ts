/** Reports the front end for `status`. */
import type { Inspection, ServiceView } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { asConvergeError } from '../../core/model/errors.ts'
import { BalancerReader, type BalancerServer } from '../../resources/balancer/haproxy_runtime.ts'
import { viewService } from '../app/service_view.ts'
import { readStop } from '../app/stopped.ts'
import type { SiteNode } from '../node.ts'
import { backendName, clientPrograms, localBalancer, runtimeSocket, withClients } from '../plone/balancing.ts'
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
  const problem = await visitorProblem(node, host, socket)
  const services = problem === null ? views : views.map((view) => withProblem(view, app, problem))
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

/**
 * Returns why HAProxy answers every visitor with 503; null if it does not. The running HAProxy decides: the attributes may
 * be those of an operator whose records do not list the hosts as online.
 */
async function visitorProblem(node: SiteNode, host: HostReader, socket: string): Promise<string | null> {
  const all = await serversOf(host, socket)
  if (all === null) return balancedServers(node).length > 0 ? null : withoutServer
  const servers = all.filter(({ backend }) => backend === backendName(node))
  if (servers.length === 0) return withoutServer
  if (servers.some(({ takesVisitors }) => takesVisitors)) return null
  return `runs, but none of its servers (${servers.length}) takes visitors: they get HTTP 503`
}

const withoutServer = 'runs, but has no server: visitors get HTTP 503'

/** Returns the servers of the running HAProxy; null if it does not answer. */
async function serversOf(host: HostReader, socket: string): Promise<readonly BalancerServer[] | null> {
  try {
    return await new BalancerReader(host, { socket }).servers()
  } catch (thrown) {
    if (asConvergeError(thrown).code === 'INTERNAL') throw thrown
    return null
  }
}

/** Marks a running balancer as not ready. */
function withProblem(view: ServiceView, app: FrontendLayout, detail: string): ServiceView {
  if (view.name !== nameOf(app, 'haproxy') || !view.up) return view
  return { ...view, up: false, readiness: 'not ready', detail }
}
