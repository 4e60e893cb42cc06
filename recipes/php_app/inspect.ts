/** What status and releases show of a PHP app. */
import type { Inspection } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { listReleases } from '../../resources/releases.ts'
import type { PloneNode } from '../node.ts'
import { viewOf } from '../releases/inspect.ts'
import { viewService } from '../releases/service_view.ts'
import { phpLayout } from './layout.ts'

export async function inspect(node: PloneNode, host: HostReader): Promise<Inspection> {
  const { at, nginx, fpm } = phpLayout(node)
  const services = [fpm.reload, nginx.reload].map(({ name, provider }) => viewService(host, { name, provider }))
  return {
    apps: [
      {
        name: at.app,
        directory: at.deployTo,
        releases: listReleases(host, at.releases, at.current).map(viewOf),
        services: await Promise.all(services),
      },
    ],
  }
}
