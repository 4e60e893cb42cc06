/** Reports a PHP app for `status` and `releases`. */
import type { Inspection } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { listReleases } from '../../resources/releases/releases.ts'
import type { PloneNode } from '../node.ts'
import { viewsOf } from '../releases/inspect.ts'
import { viewService } from '../releases/service_view.ts'
import { shownStop } from '../releases/stopped.ts'
import { viewServed } from '../web/served.ts'
import { orPlain, phpLayout } from './layout.ts'
import { readyOf } from './serve.ts'

export async function inspect(node: PloneNode, host: HostReader): Promise<Inspection> {
  const php = phpLayout(node)
  const { at, nginx, fpm, settings } = php
  const releases = listReleases(host, at.releases, at.current)
  const isServed = releases.some(({ current }) => current)
  const viewNginx = async () => {
    const view = await viewService(host, nginx.reload)
    return isServed ? viewServed(host, view, php, settings.health) : view
  }
  // Before the first release, php-fpm has no pool.
  const ready = isServed ? readyOf(php) : undefined
  const { name, provider } = fpm.reload
  const services = [viewService(host, { name: orPlain(name, 'php-fpm'), provider, ready }), viewNginx()]
  return {
    apps: [
      {
        name: at.app,
        directory: at.deployTo,
        releases: await viewsOf(host, at, releases),
        stopped: shownStop(host, at.app),
        services: await Promise.all(services),
      },
    ],
  }
}
