/** Reports a buildout app for `status` and `releases`. */
import type { AppView, Inspection } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { listReleases } from '../../resources/releases/releases.ts'
import type { PloneNode } from '../node.ts'
import { servicesOf, viewsOf } from '../releases/inspect.ts'
import { shownStop } from '../releases/stopped.ts'
import { layout } from './layout.ts'
import { readinessOf } from './readiness.ts'
import { programsOf } from './running.ts'
import type { BuildoutRole } from './types.ts'

export async function inspect(node: PloneNode, role: BuildoutRole, host: HostReader): Promise<Inspection> {
  const at = layout(node, role)
  const releases = listReleases(host, at.releases, at.current)
  const live = releases.find((release) => release.current)
  const programs = programsOf(node, at, live).map((one) => ({ name: one.name, ready: readinessOf(node, at, one) }))
  const app: AppView = {
    name: at.app,
    directory: at.deployTo,
    releases: await viewsOf(host, at, releases),
    stopped: shownStop(host, at.app),
    services: await servicesOf(host, at.supervisor.socket, programs),
  }
  return { apps: [app] }
}
