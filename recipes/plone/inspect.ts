/** Reports a buildout app for `status` and `releases`. */
import type { AppView, Inspection, ServiceView } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { listReleases, releaseLeftByRollback } from '../../resources/releases/releases.ts'
import { servicesOf, viewsOf } from '../app/inspect.ts'
import { readStop } from '../app/stopped.ts'
import type { SiteNode } from '../node.ts'
import { buildoutApp } from './buildout_app.ts'
import { jobViews } from './job_views.ts'
import { readinessTest } from './readiness.ts'
import { readPin } from './rollback_pin.ts'
import { recordedPrograms } from './supervised_programs.ts'
import type { BuildoutRole } from './types.ts'
import { reachProblem } from './zeo_reach.ts'

export async function inspect(node: SiteNode, role: BuildoutRole, host: HostReader): Promise<Inspection> {
  const app = buildoutApp(node, role)
  const releases = listReleases(host, app.releases, app.current)
  const current = releases.find((release) => release.current)
  const programs = recordedPrograms(node, app, current).map((one) => ({
    name: one.name,
    ready: readinessTest(node, app, one),
  }))
  const view: AppView = {
    name: app.name,
    directory: app.deployTo,
    releases: await viewsOf(host, app, releases),
    stopped: readStop(host, app.name),
    pinnedFrom: readPin(host, app) ?? releaseLeftByRollback(host, app.releases, releases),
    jobs: jobViews(node, app, host, releases),
    services: withProblem(await servicesOf(host, app.supervisor.socket, programs), reachProblem(node, app, host)),
  }
  return { apps: [view] }
}

/** Adds to the services that are up why hosts cannot reach them. */
function withProblem(services: readonly ServiceView[], problem: { readonly message: string } | null): ServiceView[] {
  return services.map((service) =>
    problem === null || !service.up ? service : { ...service, detail: problem.message },
  )
}
