/** Lists the log files that the programs of a role write, beside those of supervisord and systemd. */
import type { RoleLogs } from '../core/cli/catalogue.ts'
import { type SiteNode, underPrefix } from './node.ts'
import { buildoutApp } from './plone/buildout_app.ts'
import { appName } from './plone/site.ts'
import type { BuildoutRole } from './plone/types.ts'

type LogsOfRole = (node: SiteNode) => RoleLogs

const logsByRole: Readonly<Record<string, LogsOfRole>> = {
  'zeo-server': (node) => buildoutLogs(node, 'zeo-server'),
  solr: (node) => buildoutLogs(node, 'solr'),
  'zeo-client': (node) => buildoutLogs(node, 'zeo-client'),
  celerybeat: (node) => buildoutLogs(node, 'zeo-client'),
  'relstorage-pack': (node) => buildoutLogs(node, 'zeo-client'),
  broker: (node) => ({
    app: null,
    files: [{ program: 'redis-server', pattern: underPrefix(node, '/var/log/redis/redis-server.log') }],
  }),
  'relstorage-server': (node) => ({
    app: null,
    files: ['postgresql', 'mysql'].map((program) => ({
      program,
      pattern: `${underPrefix(node, `/var/log/${program}`)}/*.log`,
    })),
  }),
  frontend: (node) => ({
    app: appName(node, 'zeo-client'),
    files: [nginxLogs(node), { program: 'haproxy', pattern: underPrefix(node, '/var/log/haproxy.log') }],
  }),
  'port-app': (node) => ({ app: node.port_app.app_name, files: [nginxLogs(node)] }),
  'jetty-app': (node) => ({ app: node.jetty_app.app_name, files: [nginxLogs(node)] }),
  'php-app': (node) => ({
    app: node.php_app.app_name,
    files: [nginxLogs(node), { program: 'php-fpm', pattern: underPrefix(node, '/var/log/*php*-fpm.log') }],
  }),
}

/** Returns the log files of a built-in role, beside its app; none for a role of users. */
export function logsOf(node: SiteNode, role: string): RoleLogs {
  return (Object.hasOwn(logsByRole, role) ? logsByRole[role]?.(node) : undefined) ?? { app: null, files: [] }
}

/** Returns the logs of Zope, ZEO and Solr, which are in the directory that all releases share. */
function buildoutLogs(node: SiteNode, role: BuildoutRole): RoleLogs {
  const app = appName(node, role)
  return { app, files: [{ program: app, pattern: `${buildoutApp(node, role).shared}/var/log/*.log` }] }
}

function nginxLogs(node: SiteNode) {
  return { program: 'nginx', pattern: `${underPrefix(node, '/var/log/nginx')}/*.log` }
}
