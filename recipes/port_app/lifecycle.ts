/** Defines the events of the roles whose server uses two ports in turn. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { Recipe, RoleDefinition } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import type { Handle } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { package_ as packages } from '../../resources/packages/package.ts'
import { release_cleanup } from '../../resources/releases/release_cleanup.ts'
import { release_complete } from '../../resources/releases/release_complete.ts'
import { listReleases } from '../../resources/releases/releases.ts'
import { service } from '../../resources/services/service.ts'
import { type AttributeWarning, warnOfAttribute } from '../attribute_warning.ts'
import type { PloneNode } from '../node.ts'
import { supervisorService } from '../plone/supervisor.ts'
import { checkout, isDeployed, type Source } from '../releases/checkout.ts'
import { requireProgram } from '../releases/host_programs.ts'
import { servicesOf, viewsOf } from '../releases/inspect.ts'
import { hasCurrent } from '../releases/layout.ts'
import { hook, migrate, refuseFailed, smokeTest } from '../releases/moments.ts'
import { rollbackBegins, rollbackGoal, rollbackIsOver, wasLive } from '../releases/rollback.ts'
import { accounts, releaseDirectories, removeReleases } from '../releases/setup.ts'
import {
  endStop,
  isLeftStopped,
  keepDown,
  recordStop,
  removeRecord,
  shownStop,
  staysStopped,
} from '../releases/stopped.ts'
import { switchCurrent } from '../releases/switch.ts'
import { deployedApp } from '../web/deployed_app.ts'
import { maintenanceEvents, maintenancePage } from '../web/maintenance.ts'
import { nginxSetup } from '../web/nginx.ts'
import { viewServed } from '../web/served.ts'
import { removeSite } from '../web/site.ts'
import { serverChecks } from './checks.ts'
import { kept } from './program.ts'
import {
  commandOf,
  goLive,
  liveOf,
  type Running,
  readinessAt,
  removePrograms,
  runningOf,
  type Server,
  site,
  swap,
} from './server.ts'

/** A kind of server, with the functions in which its role differs from the others. */
export interface Kind {
  /** Name of its role. */
  readonly role: string
  server(node: PloneNode): Server
  /** Debian packages that it requires beside git, supervisor and nginx. */
  readonly packages: readonly string[]
  /** Packages of programs that the command may start. */
  readonly programs: Readonly<Record<string, string>>
  /** Further checks of `doctor`. */
  checks?(node: PloneNode, host: HostReader): readonly HostCheck[]
  /** Declares the source of releases, and returns it; null if the attributes name none. */
  source(r: Recipe<PloneNode>, node: PloneNode, server: Server): Source | null
  /** Script that builds a release; null for none. */
  build(node: PloneNode, server: Server): string | null
  /** Configuration to write into a release before its build: content by path. */
  files?(node: PloneNode): Readonly<Record<string, string>>
  /** The warning if there is no source. */
  nothing(node: PloneNode): AttributeWarning
  /** Links beside `current`: name → path in the current release. */
  readonly links: Readonly<Record<string, string>>
}

export function serverEvents(kind: Kind): RoleDefinition<PloneNode> {
  return {
    setup: (r, node) => setup(r, node, kind),
    build: (r, node) => build(r, node, kind),
    deploy: (r, node) => deploy(r, node, kind),
    configure: (r, node) => configure(r, node, kind.server(node)),
    restart: (r, node) => activate(r, node, kind.server(node), node.run.id),
    start: (r, node) => start(r, node, kind.server(node)),
    rollback: (r, node) => rollback(r, node, kind),
    stop: (r, node) => stop(r, node, kind.server(node)),
    shutdown: (r, node) => stopPrograms(r, kind.server(node)),
    undeploy: (r, node) => undeploy(r, node, kind),
    events: maintenanceEvents((node) => maintenancePage(node, kind.server(node).at.app)),
    checks: (node, host, roles) => serverChecks(node, host, kind, roles),
    async inspect(node, host) {
      const server = kind.server(node)
      const { at, settings } = server
      const releases = listReleases(host, at.releases, at.current)
      const programs = settings.ports.map((port) => ({
        name: `${at.app}-${port}`,
        ready: readinessAt(server, port),
      }))
      const found = await servicesOf(host, at.supervisor.socket, programs)
      const services = await Promise.all(found.map((one) => viewServed(host, one, server, settings.health)))
      // One of the two is always idle: do not report it as down.
      const shown = services.filter(({ readiness }) => readiness !== 'down')
      return {
        apps: [
          {
            name: at.app,
            directory: at.deployTo,
            releases: await viewsOf(host, at, releases),
            stopped: shownStop(host, at.app),
            services: shown.length > 0 ? shown : services.slice(0, 1),
          },
        ],
      }
    },
  }
}

function setup(r: Recipe<PloneNode>, node: PloneNode, kind: Kind): void {
  const { at, nginx } = kind.server(node)
  if (at.system) packages(r, { names: ['git', 'supervisor', ...kind.packages, ...osPackages(node, at.app)] })
  accounts(r, at)
  releaseDirectories(r, at)
  supervisorService(r, node, at)
  nginxSetup(r, at, nginx)
}

function osPackages({ deploy }: PloneNode, app: string): string[] {
  return (deploy[app]?.os_packages ?? []).map(({ name }) => name)
}

/** Does the part of a deploy that changes no site, runs no hook and leaves the release incomplete. */
function build(r: Recipe<PloneNode>, node: PloneNode, kind: Kind): void {
  const server = kind.server(node)
  releaseDirectories(r, server.at)
  const source = kind.source(r, node, server)
  if (source === null) return warnOfAttribute(r, node, kind.nothing(node))
  builtRelease(r, node, kind, server, source)
}

function builtRelease(r: Recipe<PloneNode>, node: PloneNode, kind: Kind, server: Server, source: Source) {
  const files = kind.files?.(node) ?? {}
  return checkout(r, node, server.at, { source, build: kind.build(node, server), files, ...kept(server.program) })
}

function deploy(r: Recipe<PloneNode>, node: PloneNode, kind: Kind): void {
  const server = kind.server(node)
  const { at, program } = server
  if (isLeftStopped(r, node, at.app)) return stayStopped(r, server)
  releaseDirectories(r, at)
  const source = kind.source(r, node, server)
  if (source === null) return warnOfAttribute(r, node, kind.nothing(node))
  // Check the site before the build: do not deploy to a site that nginx refuses.
  site(r, node, server)
  requireProgram(r, at, commandOf(server), 'before build')
  const release = builtRelease(r, node, kind, server, source)
  requireProgram(r, at, commandOf(server), 'after build')
  const app = deployedApp(node, server, kind.role)
  refuseFailed(r, node, app, release)
  hook(r, node, app, 'before_migrate', release)
  migrate(r, node, app, release)
  release_complete(r, { release: release.path, ...at.owner })
  hook(r, node, app, 'before_symlink', release)
  hook(r, node, app, 'before_restart', release)
  const current = makeLive(r, node, server, { path: release.path, identity: release.identity, program })
  for (const [name, target] of Object.entries(kind.links))
    symlink(r, { path: `${at.deployTo}/${name}`, target: `current/${target}`, ...at.owner })
  goLive(r, server)
  hook(r, node, app, 'after_restart', release)
  smokeTest(r, node, app, release, { when: [current], goesBack: true })
  rollbackIsOver(r, at)
  release_cleanup(r, { into: at.releases, current: at.current, keep: Math.max(2, at.own.keep_releases ?? 5) })
}

/** Swaps the process, then the link: until the swap succeeds, visitors get the old release. */
function makeLive(r: Recipe<PloneNode>, node: PloneNode, server: Server, running: Running, force?: string): Handle {
  endStop(r, node, server.at)
  swap(r, node, server, running, force === undefined ? {} : { force })
  wasLive(r, server.at, running.path)
  return switchCurrent(r, node, server.at, running.path)
}

/** Adapts an app that runs, unless a deploy of the same run has done so. */
function configure(r: Recipe<PloneNode>, node: PloneNode, server: Server): void {
  if (isDeployed(r, server.at)) return
  if (staysStopped(r, node, server.at.app)) return stayStopped(r, server)
  activate(r, node, server)
}

function start(r: Recipe<PloneNode>, node: PloneNode, server: Server): void {
  if (!isDeployed(r, server.at)) activate(r, node, server)
}

/**
 * Runs the current release with the configuration from the attributes.
 * @param force name of a command that restarts it regardless of changes
 */
function activate(r: Recipe<PloneNode>, node: PloneNode, server: Server, force?: string): void {
  const live = liveOf(r, node, server)
  if (live === null) return
  site(r, node, server)
  makeLive(r, node, server, live, force)
  goLive(r, server)
}

/** @throws NO_SUCH_RELEASE, AMBIGUOUS_RELEASE, NOT_COMPLETE */
function rollback(r: Recipe<PloneNode>, node: PloneNode, kind: Kind): void {
  const server = kind.server(node)
  const target = rollbackGoal(r, node, server.at)
  if (target === null) return
  site(r, node, server)
  rollbackBegins(r, node, server.at, target)
  const app = deployedApp(node, server, kind.role)
  const release = { path: target.path, commit: target.commit ?? '' }
  hook(r, node, app, 'before_restart', release)
  const current = makeLive(r, node, server, runningOf(r, server, target))
  goLive(r, server)
  hook(r, node, app, 'after_restart', release)
  smokeTest(r, node, app, release, { when: [current], goesBack: false })
  rollbackIsOver(r, server.at)
}

/** Stops the app until `start` or a deploy. */
function stop(r: Recipe<PloneNode>, node: PloneNode, server: Server): void {
  recordStop(r, node, server.at, { onlyIf: hasCurrent(server.at) })
  stopPrograms(r, server)
}

/** Finishes an interrupted stop, and stops programs that were started by hand. */
function stayStopped(r: Recipe<PloneNode>, server: Server): void {
  keepDown(r, server.at)
  stopPrograms(r, server)
}

function stopPrograms(r: Recipe<PloneNode>, { at, settings }: Server): void {
  const provider = { kind: 'supervisor' as const, socket: at.supervisor.socket }
  for (const port of settings.ports)
    service(r, { name: `${at.app}-${port}`, action: 'stopped', provider, deadline: seconds(90) })
}

function undeploy(r: Recipe<PloneNode>, node: PloneNode, kind: Kind): void {
  const server = kind.server(node)
  const { at } = server
  removeSite(r, server)
  removePrograms(r, server)
  removeReleases(
    r,
    node,
    at,
    ['current', ...Object.keys(kind.links)].map((link) => `${at.deployTo}/${link}`),
  )
  removeRecord(r, node, at.app)
}
