/** Reports a PHP app for `status` and `releases`. */
import type { Inspection } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { newestVersion } from '../../resources/packages/versioned_program.ts'
import { listReleases } from '../../resources/releases/releases.ts'
import { viewService } from '../app/service_view.ts'
import type { SiteNode } from '../node.ts'
import { viewWebApp } from '../web/app_view.ts'
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
  return { apps: [await viewWebApp(node, host, app, releases, await Promise.all(services))] }
}
