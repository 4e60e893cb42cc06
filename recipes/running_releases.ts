/** Names the current release of each app that the roles of a host deploy. */
import type { Role } from '../core/compile/role.ts'
import type { HostReader } from '../core/host/types.ts'
import type { RunningRelease } from '../core/model/run_metrics.ts'
import { listReleases } from '../resources/releases/releases.ts'
import { appOnHost } from './app/app.ts'
import type { SiteNode } from './node.ts'

/** The names that roles give to the link to the current release. */
const links = ['current', 'active'] as const

export function runningReleases(node: SiteNode, host: HostReader, roles: readonly Role<SiteNode>[]): RunningRelease[] {
  const apps = new Set(roles.flatMap(({ apps }) => apps?.(node) ?? []))
  return [...apps].flatMap((app) => {
    for (const link of links) {
      const { releases, current } = appOnHost(node, app, 'deploy', link)
      const running = listReleases(host, releases, current).find((release) => release.current)
      if (running !== undefined) return [{ app, release: running.id, commit: running.commit }]
    }
    return []
  })
}
