/** Lists the log files whose lines the host sends, beside those that its programs give to syslog. */
import type { SiteNode } from '../node.ts'
import { buildoutApp } from '../plone/buildout_app.ts'
import { programs } from '../plone/programs.ts'
import type { BuildoutRole } from '../plone/types.ts'
import { hasNginx, hostRoles } from '../site/host_roles.ts'

const buildoutRoles: Readonly<Record<string, BuildoutRole>> = {
  'zeo-client': 'zeo-client',
  celerybeat: 'zeo-client',
  'relstorage-pack': 'zeo-client',
  'zeo-server': 'zeo-server',
  solr: 'solr',
}

/** Tags by path. Zope and ZEO log through syslog where their attributes say so, HAProxy always. */
export function watchedFiles(node: SiteNode): ReadonlyMap<string, string> {
  const roles = hostRoles(node)
  const kinds = new Set(roles.flatMap((role) => (Object.hasOwn(buildoutRoles, role) ? [buildoutRoles[role]] : [])))
  const { log_dir } = node.converge.supervisor
  const supervised = [...kinds].flatMap((kind) =>
    kind === undefined ? [] : programs(node, kind).map(({ name }) => [`${log_dir}/${name}.log`, name] as const),
  )
  return new Map([
    ...(kinds.size > 0 ? [[`${log_dir}/supervisord.log`, 'supervisor'] as const] : []),
    ...supervised,
    ...(roles.includes('solr') && node.plone_solr.enable_papertrail
      ? [[`${buildoutApp(node, 'solr').shared}/var/log/solr.log`, 'solr'] as const]
      : []),
    ...(hasNginx(node) ? [['/var/log/nginx/error.log', 'nginx'] as const] : []),
    ...(roles.includes('broker') ? [['/var/log/redis/redis-server.log', 'redis'] as const] : []),
    ...Object.entries(node.papertrail.watch_files),
  ])
}
