/** Reports a PHP app for `status` and `releases`. */
import type { Inspection } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { newestVersion } from '../../resources/packages/versioned_program.ts'
import { listReleases, releaseLeftByRollback } from '../../resources/releases/releases.ts'
import { viewsOf } from '../app/inspect.ts'
import { viewService } from '../app/service_view.ts'
import { readStop } from '../app/stopped.ts'
import type { SiteNode } from '../node.ts'
import { closedSite } from '../web/maintenance.ts'
import { viewServed } from '../web/served.ts'
import { fpmProgram, orPlain, phpApp } from './php_app.ts'
import { poolReadiness } from './serve.ts'

export async function inspect(node: SiteNode, host: HostReader): Promise<Inspection> {
  const php = phpApp(node, newestVersion(host, fpmProgram))
  const { app, nginx, fpm, settings } = php
  const releases = listReleases(host, app.releases, app.current)
  const isServed = releases.some(({ current }) => current)
  const viewNginx = async () => {
    const view = await viewService(host, nginx.reload)
    return isServed ? viewServed(host, view, php, settings.health) : view
  }
  // Before the first release, php-fpm has no pool.
  const ready = isServed ? poolReadiness(php) : undefined
  const { name, provider } = fpm.reload
  const services = [viewService(host, { name: orPlain(name, 'php-fpm'), provider, ready }), viewNginx()]
  return {
    apps: [
      {
        name: app.name,
        directory: app.deployTo,
        releases: await viewsOf(host, app, releases),
        stopped: readStop(host, app.name),
        closed: closedSite(node, host, app.name),
        pinnedFrom: releaseLeftByRollback(host, app.releases, releases),
        services: await Promise.all(services),
      },
    ],
  }
}
