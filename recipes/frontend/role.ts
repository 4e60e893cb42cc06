/** Defines the role frontend: nginx, Varnish and HAProxy in front of the ZEO clients of the stack. */
import { type Recipe, role } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import { file } from '../../resources/files/file.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { package_ as packages } from '../../resources/packages/package.ts'
import { service } from '../../resources/services/service.ts'
import { service_reload } from '../../resources/services/service_reload.ts'
import { service_restart } from '../../resources/services/service_restart.ts'
import { supervisor_cleanup } from '../../resources/supervisor/supervisor_cleanup.ts'
import {
  disableAutostart,
  endStop,
  recordStop,
  removeStopRecord,
  unlessDeployLeavesStopped,
  unlessStopped,
} from '../app/stopped.ts'
import { installSupervisor, requireSupervisor } from '../app/supervisor.ts'
import type { SiteNode } from '../node.ts'
import { banPages } from '../plone/cached_pages.ts'
import { appName } from '../plone/site.ts'
import { systemTimezone } from '../site/timezone.ts'
import { maintenanceEvents } from '../web/maintenance.ts'
import { noCertificate } from './certificates.ts'
import { checks } from './checks.ts'
import { applyConfiguration } from './configure.ts'
import { defaultSites, reloadDefaultSites } from './default_sites.ts'
import { inspect } from './inspect.ts'
import { enabledOf, type FrontendLayout, frontendLayout } from './layout.ts'
import { nameOf, owner, type Part, parts, providerOf, stoppable } from './programs.ts'

function setup(r: Recipe<SiteNode>, node: SiteNode): void {
  const app = frontendLayout(node)
  systemTimezone(r, node)
  if (!app.system) return installSupervisor(r, node, app)
  const certbot = node.certbot_domains.length > 0 ? ['certbot'] : []
  packages(r, { names: ['haproxy', 'varnish', 'nginx', 'logrotate', ...certbot] })
  file(r, { path: '/etc/logrotate.d/nginx', content: logrotate(node.nginx_plone.log_retention_days), mode: '0644' })
}

function configure(r: Recipe<SiteNode>, node: SiteNode): void {
  const app = frontendLayout(node)
  // An earlier deploy of the same run may have started it.
  unlessStopped(r, stoppable(app).name, {
    stopped: () => stayStopped(r, node, app),
    otherwise: () => applyConfiguration(r, node),
  })
}

function deploy(r: Recipe<SiteNode>, node: SiteNode): void {
  const app = frontendLayout(node)
  unlessDeployLeavesStopped(r, node, stoppable(app).name, {
    stopped: () => stayStopped(r, node, app),
    otherwise: () => applyConfiguration(r, node),
  })
}

function start(r: Recipe<SiteNode>, node: SiteNode): void {
  const app = frontendLayout(node)
  endStop(r, stoppable(app))
  if (!app.system) requireSupervisor(r, node, app)
  startParts(r, node, app)
}

function startParts(r: Recipe<SiteNode>, node: SiteNode, app: FrontendLayout): void {
  for (const part of parts) {
    const name = nameOf(app, part)
    // An app of another role may have declared nginx already, which both share.
    r.unlessDeclared('service', name, () => {
      service(r, { name, provider: providerOf(app), ...startsWithHost(node, app, true) })
    })
  }
}

/** Stops the front end until `start` or a deploy, also after a reboot. */
function stop(r: Recipe<SiteNode>, node: SiteNode): void {
  const app = frontendLayout(node)
  recordStop(r, node, stoppable(app))
  stopParts(r, app, parts, startsWithHost(node, app, false))
}

/** Finishes an interrupted stop. nginx may run again for the sites of other roles. */
function stayStopped(r: Recipe<SiteNode>, node: SiteNode, app: FrontendLayout): void {
  disableAutostart(r, { ...stoppable(app), programs: [] })
  const otherParts = parts.filter((part) => part !== 'nginx')
  stopParts(r, app, otherParts, startsWithHost(node, app, false))
}

/** Stops the parts from the outside inwards, so that requests under way are answered first. */
function stopParts(
  r: Recipe<SiteNode>,
  app: FrontendLayout,
  some: readonly Part[],
  options: { readonly enabled?: boolean } = {},
): void {
  for (const part of [...some].reverse())
    service(r, { name: nameOf(app, part), action: 'stopped', provider: providerOf(app), ...options })
}

/** Sets whether systemd starts the parts with the host; without systemd, `recordStop` and `endStop` set that. */
function startsWithHost({ facts }: SiteNode, { system }: FrontendLayout, enabled: boolean): { enabled?: boolean } {
  return system && facts.init === 'systemd' ? { enabled } : {}
}

function restart(r: Recipe<SiteNode>, node: SiteNode): void {
  const app = frontendLayout(node)
  // Stopped parts no longer start with the host.
  endStop(r, stoppable(app), () => startParts(r, node, app))
  service_restart(r, {
    provider: providerOf(app),
    services: parts.map((part) => ({ name: nameOf(app, part) })),
    force: node.run.id,
  })
}

/** Bans cached pages: in a rollout once for its deploy; if run by hand, always. */
function ban(r: Recipe<SiteNode>, node: SiteNode): void {
  const app = frontendLayout(node)
  const { deployed } = node.converge
  const deployment = Object.hasOwn(deployed, app.name) ? deployed[app.name] : undefined
  const byHand = { force: node.run.id, urls: node.varnish_purge_urls }
  banPages(r, node, app, deployment === undefined ? byHand : { deployed: deployment })
}

/** Removes the site from nginx, and stops the programs in front of the clients; the packages stay. */
function undeploy(r: Recipe<SiteNode>, node: SiteNode): void {
  const app = frontendLayout(node)
  const { site, tlsSite, reload } = app.nginx
  const removed = [site, tlsSite].map((path) => symlink(r, { path: enabledOf(app, path), absent: true }))
  const isThere = { description: 'nginx is set up', check: (host: HostReader) => host.stat(app.nginx.config) !== null }
  const { name, provider, check } = reload
  // Sites of other apps need a default site again.
  const sites = defaultSites(r, app)
  service_reload(r, { name, provider, check: [...check], purpose: 'the front end', when: removed, onlyIf: isThere })
  reloadDefaultSites(r, app, [sites], { onlyIf: isThere })
  noCertificate(r, node, app)
  if (app.system)
    for (const name of ['varnish', 'haproxy'])
      service(r, { name, action: 'stopped', ...(node.facts.init === 'systemd' ? { enabled: false } : {}) })
  else supervisor_cleanup(r, { app: owner, keep: [], confDir: app.supervisor.confDir, socket: app.supervisor.socket })
  removeStopRecord(r, stoppable(app).name)
}

/** The signal goes to nginx itself: invoke-rc.d does nothing on hosts whose policy-rc.d denies it, as in many images. */
function logrotate(days: number): string {
  return `# Written by converge, changes are overwritten.
/var/log/nginx/*.log {
    daily
    missingok
    rotate ${days}
    compress
    delaycompress
    notifempty
    create 0640 www-data adm
    sharedscripts
    postrotate
        test ! -s /run/nginx.pid || kill -USR1 "$(cat /run/nginx.pid)"
    endscript
}
`
}

export default role<SiteNode>('frontend', {
  doc: 'nginx, Varnish and HAProxy before the Zope clients of the stack',
  setup,
  configure,
  deploy,
  start,
  stop,
  shutdown: (r, node) => stopParts(r, frontendLayout(node), parts),
  restart,
  undeploy,
  inspect,
  checks,
  followUp: (node) => (node.varnish_plone.ban_on_deploy ? { app: appName(node, 'zeo-client'), event: 'ban' } : null),
  events: { ban, ...maintenanceEvents((node) => frontendLayout(node).name) },
})
