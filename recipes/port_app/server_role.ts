/** Defines the events of the roles whose server uses two ports in turn. */
import type { Recipe, RoleDefinition } from '../../core/compile/role.ts'
import { omitUndefined } from '../../core/model/omit_undefined.ts'
import type { Handle } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { package_ as packages } from '../../resources/packages/package.ts'
import type { Release } from '../../resources/releases/releases.ts'
import { service } from '../../resources/services/service.ts'
import { declareAccount, releaseDirectories } from '../app/account.ts'
import { givenCurrentRelease } from '../app/app.ts'
import type { AppParts } from '../app/app_parts.ts'
import { checkout } from '../app/checkout.ts'
import { requireProgram } from '../app/host_programs.ts'
import { appEvents, unlessDeployed } from '../app/lifecycle.ts'
import { type Differences, differingVariables } from '../app/release_attributes.ts'
import { markAsCurrent } from '../app/rollback.ts'
import { endStop } from '../app/stopped.ts'
import { installSupervisor } from '../app/supervisor.ts'
import { switchCurrent } from '../app/switch.ts'
import type { SiteNode } from '../node.ts'
import { deployTarget } from '../web/deploy_target.ts'
import { maintenanceEvents } from '../web/maintenance.ts'
import { nginxSetup } from '../web/nginx.ts'
import { removeSite } from '../web/site.ts'
import { serverChecks } from './checks.ts'
import { inspect } from './inspect.ts'
import { programOfRelease, recordAndInputs } from './program.ts'
import {
  commandOf,
  enableSite,
  removePrograms,
  type Server,
  type ServerRelease,
  serverReleaseOf,
  swapPorts,
  writeSite,
} from './server.ts'
import type { ServerKind } from './server_kind.ts'

export function serverEvents(kind: ServerKind): RoleDefinition<SiteNode> {
  return {
    ...appEvents((r, node, declare) => declare(serverParts(r, node, kind))),
    events: maintenanceEvents((node) => kind.server(node).app.name),
    checks: (node, host, roles) => serverChecks(node, host, kind, roles),
    inspect: (node, host) => inspect(node, kind.server(node), host),
  }
}

/** Returns the parts of a server: its process moves to the other port, and nginx follows it there. */
function serverParts(r: Recipe<SiteNode>, node: SiteNode, kind: ServerKind): AppParts {
  const server = kind.server(node)
  const { app, program, nginx, settings } = server
  return {
    app,
    noSource: kind.noSource(node),
    links: ['current', ...Object.keys(kind.links)].map((link) => `${app.deployTo}/${link}`),
    setup() {
      const appPackages = (app.attributes.os_packages ?? []).map(({ name }) => name)
      if (app.system) packages(r, { names: ['git', 'supervisor', ...kind.packages, ...appPackages] })
      declareAccount(r, app)
      releaseDirectories(r, app)
      installSupervisor(r, node, app)
      nginxSetup(r, app, nginx)
    },
    findSource() {
      releaseDirectories(r, app)
      return kind.source(r, node, server)
    },
    prepare() {
      // Check the site before the build: do not deploy to a site that nginx refuses.
      writeSite(r, node, server)
      return []
    },
    requirePrograms: (stage) => {
      const isBuilt = kind.build(node, server) !== null
      requireProgram(r, app, commandOf(server), { stage, isBuilt })
    },
    build(source) {
      const files = kind.files?.(node) ?? {}
      return checkout(r, node, app, { source, build: kind.build(node, server), files, ...recordAndInputs(program) })
    },
    deployTarget: () => deployTarget(node, server, kind.role),
    activate({ path, identity, existing }, { purpose, declareHook }) {
      declareHook('before_restart')
      const release = existing === undefined ? { path, identity, program } : serverReleaseOf(r, server, existing)
      const current = startAndSwitch(r, node, server, release)
      if (purpose === 'deploy')
        for (const [name, target] of Object.entries(kind.links))
          symlink(r, { path: `${app.deployTo}/${name}`, target: `current/${target}`, ...app.owner })
      enableSite(r, server)
      declareHook('after_restart')
      return [current]
    },
    givenDifferences: (release, declare) => declare(differencesOf(server, release)),
    adapt: () => runCurrent(r, node, server),
    start: () => unlessDeployed(r, app, () => runCurrent(r, node, server)),
    restart: () => runCurrent(r, node, server, node.run.id),
    stop() {
      const provider = { kind: 'supervisor' as const, socket: app.supervisor.socket }
      for (const port of settings.ports)
        service(r, { name: `${app.name}-${port}`, action: 'stopped', provider, deadline: seconds(90) })
    },
    remove() {
      removeSite(r, server)
      removePrograms(r, server)
    },
  }
}

/** Starts the process of the release, then switches: until the process is ready, visitors get the old release. */
function startAndSwitch(
  r: Recipe<SiteNode>,
  node: SiteNode,
  server: Server,
  release: ServerRelease,
  force?: string,
): Handle {
  endStop(r, server.app)
  swapPorts(r, node, server, release, omitUndefined({ force }))
  markAsCurrent(r, server.app, release.path)
  return switchCurrent(r, server.app, release.path)
}

/**
 * Runs the current release with the configuration from the attributes.
 * @param force name of a command that restarts it regardless of changes
 */
function runCurrent(r: Recipe<SiteNode>, node: SiteNode, server: Server, force?: string): void {
  givenCurrentRelease(r, server.app, (current) => {
    const release = serverReleaseOf(r, server, current)
    writeSite(r, node, server)
    startAndSwitch(r, node, server, release, force)
    enableSite(r, server)
  })
}

/** Compares the program of a release with the attributes. */
function differencesOf({ key, program: requested }: Server, release: Release): Differences {
  const recorded = programOfRelease(release, requested, () => undefined)
  return {
    variables: differingVariables(recorded.environment, requested.environment),
    settings: recorded.command === requested.command ? [] : [`the command of ${key}`],
  }
}
