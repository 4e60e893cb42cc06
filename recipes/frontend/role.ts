/** The front end of a site: nginx, Varnish and HAProxy before the ZEO clients of the stack. */
import { type Recipe, role } from '../../core/compile/recipe.ts'
import type { HostReader } from '../../core/host/types.ts'
import { file } from '../../resources/file.ts'
import { package_ as packages } from '../../resources/package.ts'
import { service } from '../../resources/service.ts'
import { service_reload } from '../../resources/service_reload.ts'
import { service_restart } from '../../resources/service_restart.ts'
import { supervisor_cleanup } from '../../resources/supervisor_cleanup.ts'
import { symlink } from '../../resources/symlink.ts'
import type { PloneNode } from '../node.ts'
import { supervisorRuns, supervisorService } from '../plone/supervisor.ts'
import { maintenanceEvents, maintenancePage } from '../web/maintenance.ts'
import { noCertificate } from './certificates.ts'
import { checks } from './checks.ts'
import { configure } from './configure.ts'
import { inspect } from './inspect.ts'
import { enabledOf, frontendLayout } from './layout.ts'
import { nameOf, owner, parts, providerOf } from './programs.ts'

function setup(r: Recipe<PloneNode>, node: PloneNode): void {
  const at = frontendLayout(node)
  if (!at.system) return supervisorService(r, node, at)
  const certbot = node.certbot_domains.length > 0 ? ['certbot'] : []
  packages(r, { names: ['haproxy', 'varnish', 'nginx', 'logrotate', ...certbot] })
  file(r, { path: '/etc/logrotate.d/nginx', content: logrotate(node.nginx_plone.log_retention_days), mode: '0644' })
}

function start(r: Recipe<PloneNode>, node: PloneNode): void {
  const at = frontendLayout(node)
  if (!at.system) supervisorRuns(r, node, at)
  for (const part of parts) service(r, { name: nameOf(at, part), provider: providerOf(at) })
}

/** From the outside inwards: who is still being answered gets the end of it. */
function stop(r: Recipe<PloneNode>, node: PloneNode): void {
  const at = frontendLayout(node)
  for (const part of [...parts].reverse())
    service(r, { name: nameOf(at, part), action: 'stopped', provider: providerOf(at) })
}

function restart(r: Recipe<PloneNode>, node: PloneNode): void {
  const at = frontendLayout(node)
  service_restart(r, {
    provider: providerOf(at),
    services: parts.map((part) => ({ name: nameOf(at, part) })),
    force: node.run.id,
  })
}

/** Takes the site out of nginx, and ends what is before the clients; the packages stay. */
function undeploy(r: Recipe<PloneNode>, node: PloneNode): void {
  const at = frontendLayout(node)
  const { site, tlsSite, reload } = at.nginx
  const removed = [site, tlsSite].map((path) => symlink(r, { path: enabledOf(at, path), absent: true }))
  const isThere = { description: 'nginx is set up', check: (host: HostReader) => host.stat(at.nginx.config) !== null }
  const { name, provider, check } = reload
  service_reload(r, { name, provider, check: [...check], purpose: 'the front end', when: removed, onlyIf: isThere })
  noCertificate(r, node, at)
  if (at.system)
    for (const name of ['varnish', 'haproxy'])
      service(r, { name, action: 'stopped', ...(node.facts.init === 'systemd' ? { enabled: false } : {}) })
  else supervisor_cleanup(r, { app: owner, keep: [], confDir: at.supervisor.confDir, socket: at.supervisor.socket })
}

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
        invoke-rc.d nginx rotate >/dev/null 2>&1
    endscript
}
`
}

export default role<PloneNode>('frontend', {
  doc: 'nginx, Varnish and HAProxy before the Zope clients of the stack',
  setup,
  configure,
  deploy: configure,
  start,
  stop,
  shutdown: stop,
  restart,
  undeploy,
  inspect,
  checks,
  events: { ...maintenanceEvents((node) => maintenancePage(node, frontendLayout(node).app)) },
})
