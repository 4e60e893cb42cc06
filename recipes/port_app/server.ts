/** Declares a server on two ports in turn behind nginx, for all kinds of such servers. */
import type { Recipe } from '../../core/compile/role.ts'
import { omitUndefined } from '../../core/model/omit_undefined.ts'
import type { Input } from '../../core/model/reference.ts'
import type { CommonOptions, Handle } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import { port_swap } from '../../resources/port_swap/port_swap.ts'
import type { Release } from '../../resources/releases/releases.ts'
import type { FatalLine } from '../../resources/services/readiness/fatal_log_lines.ts'
import { supervisor_cleanup } from '../../resources/supervisor/supervisor_cleanup.ts'
import type { App } from '../app/app.ts'
import { type HealthRequest, hostHeader } from '../app/health_request.ts'
import type { AppCommand } from '../app/host_programs.ts'
import { requireSupervisor } from '../app/supervisor.ts'
import type { SiteNode } from '../node.ts'
import type { Nginx } from '../web/nginx.ts'
import {
  domainsOf,
  repairSite,
  type SiteSettings,
  serverBlock,
  serveSite,
  siteFile,
  upstreamPath,
} from '../web/site.ts'
import { programOfRelease, type ServerProgram } from './program.ts'

/** The attributes that all kinds share. */
export interface ServerSettings extends SiteSettings {
  readonly ports: readonly number[]
  readonly stop_deadline_seconds: number
  readonly health: HealthRequest & {
    readonly path: string
    readonly status: { readonly min: number; readonly max: number }
    readonly deadline_seconds: number
  }
}

export interface Server {
  readonly app: App
  readonly nginx: Nginx
  readonly settings: ServerSettings
  /** Top-level key of the settings in the attributes. */
  readonly key: 'port_app' | 'jetty_app'
  /** Program from the attributes. */
  readonly program: ServerProgram
  /** Log lines after which the server never becomes ready. */
  readonly fatal?: readonly FatalLine[]
}

/** An existing release, or one that the run makes. */
export interface ServerRelease {
  readonly path: Input<string>
  readonly identity: Input<string>
  readonly program: ServerProgram
}

/** Returns the command that starts the server. */
export function commandOf({ key, program: { command, environment } }: Server): AppCommand {
  return { line: command, attribute: key === 'jetty_app' ? 'jetty_app.java' : `${key}.command`, path: environment.PATH }
}

/** Returns a release of the host with the program that was recorded with it. */
export function serverReleaseOf(r: Recipe<SiteNode>, { app, program }: Server, release: Release): ServerRelease {
  return {
    path: release.path,
    identity: release.identity ?? release.id,
    program: programOfRelease(release, program, () =>
      r.warn(
        `${app.name}: the program recorded with ${release.path} is ignored, because converge did not write it (check who can write there, and deploy again)`,
      ),
    ),
  }
}

/** Writes and checks the site; nginx does not serve a new site before `enableSite`. */
export function writeSite(r: Recipe<SiteNode>, node: SiteNode, server: Server): void {
  siteFile(r, node, server, siteText(server), server.app.name)
  repairSite(r, server, siteText(server))
}

function siteText(server: Server): string {
  const { app } = server
  const body = `
location / {
    proxy_pass http://${app.name};
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $${connectionOf(app)};
}
`
  return `# Written by converge, changes are overwritten.
map $http_upgrade $${connectionOf(app)} {
    default upgrade;
    '' close;
}

${serverBlock(server, body)}`
}

/** Returns the name of an nginx variable that is unique to the app. */
function connectionOf({ name: app }: App): string {
  return `${app.replace(/\W/g, '_')}_connection`
}

/** Declares the swap, which starts a new process if the running one differs from the requested one. */
export function swapPorts(
  r: Recipe<SiteNode>,
  node: SiteNode,
  server: Server,
  { path, identity, program }: ServerRelease,
  options: CommonOptions & { readonly force?: string } = {},
): Handle {
  const { app, nginx, settings } = server
  requireSupervisor(r, node, app)
  const { ports, health, stop_deadline_seconds } = settings
  const { confDir, socket, logDir } = app.supervisor
  const { user } = app.account
  return port_swap(r, {
    name: app.name,
    app: app.name,
    ports: ports as [number, number],
    command: program.command,
    environment: {
      ...(user === undefined ? {} : { HOME: app.attributes.home ?? `/home/${user}`, USER: user }),
      ...program.environment,
    },
    directory: path,
    release: identity,
    ...omitUndefined({ user }),
    stopAsGroup: true,
    stopWait: seconds(30),
    confDir,
    socket,
    logDir,
    ready: healthRequest(server),
    ...(server.fatal ? { fatal: server.fatal.map(({ text, hints = {} }) => ({ text, hints })) } : {}),
    deadline: seconds(health.deadline_seconds),
    stopDeadline: seconds(stop_deadline_seconds),
    upstream: { path: upstreamPath(server), name: app.name },
    reload: { ...nginx.reload, check: [...nginx.reload.check] },
    ...options,
  })
}

function healthRequest(server: Server) {
  const { path, status } = server.settings.health
  const headers = hostHeader(server.settings.health, domainsOf(server))
  return { path, headers, statusMin: status.min, statusMax: status.max, attribute: `${server.key}.health` }
}

/** Returns the readiness test of the process at a port. */
export function readinessAt(server: Server, port: number) {
  return { ...healthRequest(server), port }
}

/** Makes nginx serve the site. */
export function enableSite(r: Recipe<SiteNode>, server: Server): void {
  serveSite(r, server, siteText(server))
}

/** Stops both programs, and removes them from supervisord. */
export function removePrograms(r: Recipe<SiteNode>, { app }: Server): void {
  const { confDir, socket } = app.supervisor
  supervisor_cleanup(r, { app: app.name, keep: [], confDir, socket })
}
