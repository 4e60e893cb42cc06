/** Declares a server on two ports in turn behind nginx, for all kinds of such servers. */
import type { Recipe } from '../../core/compile/role.ts'
import type { Input } from '../../core/model/reference.ts'
import type { CommonOptions, Handle } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import { port_swap } from '../../resources/port_swap/port_swap.ts'
import type { Release } from '../../resources/releases/releases.ts'
import type { FatalLine } from '../../resources/services/readiness/fatal_log_lines.ts'
import { supervisor_cleanup } from '../../resources/supervisor/supervisor_cleanup.ts'
import type { PloneNode } from '../node.ts'
import { supervisorRuns } from '../plone/supervisor.ts'
import { type HealthRequest, hostHeader } from '../releases/health.ts'
import type { AppCommand } from '../releases/host_programs.ts'
import { type AppLayout, currentRelease } from '../releases/layout.ts'
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
import { programOf, type ServerProgram } from './program.ts'

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
  readonly at: AppLayout
  readonly nginx: Nginx
  readonly settings: ServerSettings
  /** Top-level key of the settings in the attributes. */
  readonly key: 'port_app' | 'jetty_app'
  /** Program from the attributes. */
  readonly program: ServerProgram
  /** Log lines after which it never becomes ready. */
  readonly fatal?: readonly FatalLine[]
}

/** An existing release, or one that the run makes. */
export interface Running {
  readonly path: Input<string>
  readonly identity: Input<string>
  readonly program: ServerProgram
}

/** Returns the current release with its program; null before the first deploy. */
export function liveOf(r: Recipe<PloneNode>, node: PloneNode, server: Server): Running | null {
  const live = currentRelease(node, server.at)
  return live === undefined ? null : runningOf(r, server, live)
}

export function runningOf(r: Recipe<PloneNode>, { at, program }: Server, release: Release): Running {
  return {
    path: release.path,
    identity: release.identity ?? release.id,
    program: programOf(release, program, () =>
      r.warn(
        `${at.app}: the program recorded with ${release.path} is not taken: converge did not write it (check who can write there, and deploy again)`,
      ),
    ),
  }
}

/** Writes and checks the site; nginx does not serve a new site before `goLive`. */
export function site(r: Recipe<PloneNode>, node: PloneNode, server: Server): void {
  siteFile(r, node, server, siteText(server), server.at.app)
  repairSite(r, node, server, siteText(server))
}

function siteText(server: Server): string {
  const { at } = server
  const body = `
location / {
    proxy_pass http://${at.app};
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $${connectionOf(at)};
}
`
  return `# Written by converge, changes are overwritten.
map $http_upgrade $${connectionOf(at)} {
    default upgrade;
    '' close;
}

${serverBlock(server, body)}`
}

/** Returns the name of an nginx variable that is unique to the app. */
function connectionOf({ app }: AppLayout): string {
  return `${app.replace(/\W/g, '_')}_connection`
}

/** Declares the swap, which starts a new process if the running one differs from the requested one. */
export function swap(
  r: Recipe<PloneNode>,
  node: PloneNode,
  server: Server,
  { path, identity, program }: Running,
  options: CommonOptions & { readonly force?: string } = {},
): Handle {
  const { at, nginx, settings } = server
  supervisorRuns(r, node, at)
  const { ports, health, stop_deadline_seconds } = settings
  const { confDir, socket, logDir } = at.supervisor
  const { user } = at.account
  return port_swap(r, {
    name: at.app,
    app: at.app,
    ports: ports as [number, number],
    command: program.command,
    environment: {
      ...(user === undefined ? {} : { HOME: at.own.home ?? `/home/${user}`, USER: user }),
      ...program.environment,
    },
    directory: path,
    release: identity,
    ...(user === undefined ? {} : { user }),
    stopAsGroup: true,
    stopWait: seconds(30),
    confDir,
    socket,
    logDir,
    ready: healthRequest(server),
    ...(server.fatal ? { fatal: server.fatal.map(({ text, hints = {} }) => ({ text, hints })) } : {}),
    deadline: seconds(health.deadline_seconds),
    stopDeadline: seconds(stop_deadline_seconds),
    upstream: { path: upstreamPath(server), name: at.app },
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

/** Has nginx serve the site. */
export function goLive(r: Recipe<PloneNode>, server: Server): void {
  serveSite(r, server, siteText(server))
}

/** Returns the command that starts the server. */
export function commandOf({ key, program: { command, environment } }: Server): AppCommand {
  return { line: command, attribute: key === 'jetty_app' ? 'jetty_app.java' : `${key}.command`, path: environment.PATH }
}

/** Stops both programs, and removes them from supervisord. */
export function removePrograms(r: Recipe<PloneNode>, { at }: Server): void {
  const { confDir, socket } = at.supervisor
  supervisor_cleanup(r, { app: at.app, keep: [], confDir, socket })
}
