/** Describes a web app with its releases for `status` and `releases`. */
import type { AppView, ServiceView } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { type Release, releaseLeftByRollback } from '../../resources/releases/releases.ts'
import type { App } from '../app/app.ts'
import { viewsOf } from '../app/inspect.ts'
import { readStop } from '../app/stopped.ts'
import type { SiteNode } from '../node.ts'
import { closedSite } from './maintenance.ts'

export async function viewWebApp(
  node: SiteNode,
  host: HostReader,
  app: App,
  releases: readonly Release[],
  services: readonly ServiceView[],
): Promise<AppView> {
  return {
    name: app.name,
    directory: app.deployTo,
    releases: await viewsOf(host, app, releases),
    stopped: readStop(host, app.name),
    closed: closedSite(node, host, app.name),
    pinnedFrom: releaseLeftByRollback(host, app.releases, releases),
    services,
  }
}
