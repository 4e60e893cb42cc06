/** Lists the log files that the programs of a role write, beside those of supervisord and systemd. */
import type { RoleLogs } from '../core/cli/catalogue.ts'
import { type SiteNode, underPrefix } from './node.ts'
import { buildoutApp } from './plone/buildout_app.ts'
import { appName } from './plone/site.ts'
import type { BuildoutRole } from './plone/types.ts'

type Logs = (node: SiteNode) => RoleLogs

const logsByRole: Readonly<Record<string, Logs>> = {
  'zeo-server': (node) => buildout(node, 'zeo-server'),
  solr: (node) => buildout(node, 'solr'),
  'zeo-client': (node) => buildout(node, 'zeo-client'),
  celerybeat: (node) => buildout(node, 'zeo-client'),
  'relstorage-pack': (node) => buildout(node, 'zeo-client'),
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
    files: [nginx(node), { program: 'haproxy', pattern: underPrefix(node, '/var/log/haproxy.log') }],
  }),
  'port-app': (node) => ({ app: node.port_app.app_name, files: [nginx(node)] }),
  'jetty-app': (node) => ({ app: node.jetty_app.app_name, files: [nginx(node)] }),
  'php-app': (node) => ({
    app: node.php_app.app_name,
    files: [nginx(node), { program: 'php-fpm', pattern: underPrefix(node, '/var/log/*php*-fpm.log') }],
  }),
}

/** @returns no logs for a user's role */
export function logsOf(node: SiteNode, role: string): RoleLogs {
  return (Object.hasOwn(logsByRole, role) ? logsByRole[role]?.(node) : undefined) ?? { app: null, files: [] }
}

/** Returns the logs of Zope, ZEO and Solr, which are in the directory that all releases share. */
function buildout(node: SiteNode, role: BuildoutRole): RoleLogs {
  const app = appName(node, role)
  return { app, files: [{ program: app, pattern: `${buildoutApp(node, role).shared}/var/log/*.log` }] }
}

function nginx(node: SiteNode) {
  return { program: 'nginx', pattern: `${underPrefix(node, '/var/log/nginx')}/*.log` }
}
