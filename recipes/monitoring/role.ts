/** Defines the role monitoring: Prometheus exporters for the programs of the host's roles, and for the runs of converge. */
import type { HostCheck, Inspection } from '../../core/compile/inspection.ts'
import type { Recipe } from '../../core/compile/role.ts'
import { role } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import { metricsDirectory, metricsFile } from '../../core/model/run_metrics.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { package_ as packages } from '../../resources/packages/package.ts'
import { service } from '../../resources/services/service.ts'
import { service_reload } from '../../resources/services/service_reload.ts'
import { service_restart } from '../../resources/services/service_restart.ts'
import { requireSystem } from '../app/require_system.ts'
import { viewService } from '../app/service_view.ts'
import { programCheck } from '../checks/programs.ts'
import { rightsCheck } from '../checks/rights.ts'
import type { SiteNode } from '../node.ts'
import { hasNginx } from '../site/host_roles.ts'
import { loopback } from '../site/listen_addresses.ts'
import { nginxProgram } from '../web/nginx.ts'
import {
  type Exporter,
  exporterAccount,
  exportersOf,
  redisAddress,
  redisPasswords,
  renderDefaults,
} from './exporters.ts'

const name = 'monitoring'
const provider = { kind: 'systemd' } as const
const statusSite = '/etc/nginx/conf.d/converge-monitoring.conf'
/** Directory of Debian's node exporter for metrics of other programs. */
const textfiles = '/var/lib/prometheus/node-exporter'
const metricsLink = `${textfiles}/converge.prom`

function setup(r: Recipe<SiteNode>, node: SiteNode): void {
  requireSystem(node, name)
  packages(r, { names: exportersOf(node).map((exporter) => exporter.name) })
}

function configure(r: Recipe<SiteNode>, node: SiteNode): void {
  requireSystem(node, name)
  directory(r, { path: metricsDirectory, owner: 'root', group: 'root', mode: '0755' })
  directory(r, { path: textfiles, parents: true })
  symlink(r, { path: metricsLink, target: metricsFile })
  nginxStatus(r, node)
  for (const exporter of exportersOf(node)) {
    const changed = [
      file(r, { path: `/etc/default/${exporter.name}`, content: renderDefaults(exporter), mode: '0644' }),
      ...(exporter.name === 'prometheus-redis-exporter' ? redisPassword(r, node) : []),
    ]
    // It starts the exporter too, so that the first run does not start it twice.
    service_restart(r, { provider, services: [restarted(exporter)], when: changed })
    service(r, { ...restarted(exporter), ...startsWithHost(node, true) })
  }
}

function redisPassword(r: Recipe<SiteNode>, node: SiteNode) {
  const password = node.redis.config.requirepass
  if (!password) return [file(r, { path: redisPasswords, absent: true })]
  const content = `${JSON.stringify({ [redisAddress(node)]: password })}\n`
  return [file(r, { path: redisPasswords, content, mode: '0640', group: exporterAccount })]
}

/** Serves the counters of nginx to its exporter, apart from the sites of the host. */
function nginxStatus(r: Recipe<SiteNode>, node: SiteNode): void {
  if (!hasNginx(node)) return
  const content = `# Written by converge, changes are overwritten.
server {
    listen ${loopback}:${node.converge.monitoring.nginx_status_port};
    access_log off;
    location = /stub_status {
        stub_status;
    }
    location / {
        return 404;
    }
}
`
  reloadNginx(r, [file(r, { path: statusSite, content, mode: '0644' })])
}

function reloadNginx(r: Recipe<SiteNode>, when: Parameters<typeof service_reload>[1]['when']): void {
  service_reload(r, {
    name: 'nginx',
    purpose: 'monitoring',
    provider,
    check: [nginxProgram, '-t', '-q'],
    pidFile: '/run/nginx.pid',
    onlyIf: { description: 'nginx is set up', check: (host) => host.stat('/etc/nginx/nginx.conf') !== null },
    // It may be stopped on purpose.
    start: false,
    when,
  })
}

function restarted({ name, ready }: Exporter) {
  return { name, ready }
}

/** Sets whether systemd starts the exporter with the host; init scripts have no such switch here. */
function startsWithHost({ facts }: SiteNode, enabled: boolean): { enabled?: boolean } {
  return facts.init === 'systemd' ? { enabled } : {}
}

function stopAll(r: Recipe<SiteNode>, node: SiteNode, options: { enabled?: boolean } = {}): void {
  for (const exporter of exportersOf(node)) service(r, { name: exporter.name, action: 'stopped', ...options })
}

function undeploy(r: Recipe<SiteNode>, node: SiteNode): void {
  requireSystem(node, name)
  stopAll(r, node, startsWithHost(node, false))
  symlink(r, { path: metricsLink, absent: true })
  directory(r, { path: metricsDirectory, absent: true })
  file(r, { path: redisPasswords, absent: true })
  reloadNginx(r, [file(r, { path: statusSite, absent: true })])
}

async function inspect(node: SiteNode, host: HostReader): Promise<Inspection> {
  const services = await Promise.all(
    exportersOf(node).map((exporter) => viewService(host, { ...restarted(exporter), provider })),
  )
  return { apps: [{ name, directory: '/etc/default', releases: [], unreleased: true, services }] }
}

function checks(node: SiteNode, host: HostReader): HostCheck[] {
  return [
    rightsCheck(node, host, '/etc'),
    ...exportersOf(node).map((exporter) => programCheck(host, exporter.name, exporter.name)),
  ]
}

export default role<SiteNode>(name, {
  doc: 'Prometheus exporters for the roles of the host, and metrics of the runs',
  setup,
  configure,
  // Exporters keep running while the programs of other roles are stopped.
  restart(r, node) {
    requireSystem(node, name)
    service_restart(r, { provider, services: exportersOf(node).map(restarted), force: node.run.id })
  },
  shutdown: (r, node) => stopAll(r, node),
  undeploy,
  inspect,
  checks,
  events: { deploy: () => undefined, start: () => undefined, stop: () => undefined },
})
