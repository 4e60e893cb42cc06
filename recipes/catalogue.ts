/** Lists the roles, resources and attributes of the distribution, and loads each when it is needed. */
import { fileURLToPath } from 'node:url'
import type { Catalogue } from '../core/cli/catalogue.ts'
import { lazy } from '../core/model/lazy.ts'
import { recipeNode, type SiteNode } from './node.ts'
import { version } from './version.ts'

export const catalogue: Catalogue<SiteNode> = {
  version,
  engineDirectory: () =>
    fileURLToPath(new URL(import.meta.url.endsWith('.cjs') ? '.' : '../dist/', import.meta.url)).replace(/\/$/, ''),
  roles: {
    'zeo-client': {
      doc: 'Zope clients, from a buildout in git',
      load: lazy(async () => (await import('./zeo_client/role.ts')).default),
    },
    'zeo-server': {
      doc: 'The ZEO server, its packing and backups',
      load: lazy(async () => (await import('./zeo_server/role.ts')).default),
    },
    solr: { doc: 'The Solr server of a site', load: async () => (await import('./solr/role.ts')).default },
    'relstorage-pack': {
      doc: 'Packs a RelStorage database; beside zeo-client, on one host',
      load: lazy(async () => (await import('./relstorage_pack/role.ts')).default),
    },
    frontend: {
      doc: 'nginx, Varnish and HAProxy before the Zope clients',
      load: lazy(async () => (await import('./frontend/role.ts')).default),
    },
    celerybeat: {
      doc: "Schedules Celery's periodic tasks; beside zeo-client, on one host",
      load: lazy(async () => (await import('./celerybeat/role.ts')).default),
    },
    broker: {
      doc: 'Redis, the broker of Celery',
      load: lazy(async () => (await import('./broker/role.ts')).default),
    },
    'relstorage-server': {
      doc: 'The database of RelStorage: PostgreSQL or MariaDB',
      load: lazy(async () => (await import('./relstorage_server/role.ts')).default),
    },
    memcached: {
      doc: 'memcached, the cache of RelStorage',
      load: lazy(async () => (await import('./memcached/role.ts')).default),
    },
    'nfs-server': {
      doc: 'Shared blobs, exported by NFS',
      load: lazy(async () => (await import('./nfs_server/role.ts')).default),
    },
    'gluster-server': {
      doc: 'A brick of the GlusterFS volume of shared blobs',
      load: lazy(async () => (await import('./gluster_server/role.ts')).default),
    },
    s3fs: {
      doc: 'Buckets of S3, mounted as directories',
      load: lazy(async () => (await import('./s3fs/role.ts')).default),
    },
    'ebs-snapshots': {
      doc: 'Scheduled snapshots of the EBS volumes that are mounted on the host',
      load: lazy(async () => (await import('./ebs_snapshots/role.ts')).default),
    },
    monitoring: {
      doc: 'Prometheus exporters for the roles of the host, and metrics of the runs',
      load: lazy(async () => (await import('./monitoring/role.ts')).default),
    },
    papertrail: {
      doc: 'Sends the logs of the host to Papertrail, or to another server that takes syslog through TLS',
      load: lazy(async () => (await import('./papertrail/role.ts')).default),
    },
    newrelic: {
      doc: 'The infrastructure agent of New Relic',
      load: lazy(async () => (await import('./newrelic/role.ts')).default),
    },
    console: {
      doc: 'The console of stacks, behind nginx with TLS',
      load: lazy(async () => (await import('./console/role.ts')).default),
    },
    bus: {
      doc: 'The bus to which agents connect, and its control plane',
      load: lazy(async () => (await import('./bus/role.ts')).default),
    },
    agent: {
      doc: 'The agent by which converge reaches the host without SSH',
      load: lazy(async () => (await import('./agent/role.ts')).default),
    },
    'port-app': {
      doc: 'Any server that takes a port, such as gunicorn or node, replaced without a gap',
      load: lazy(async () => (await import('./port_app/role.ts')).default),
    },
    'jetty-app': {
      doc: 'A Java web application in Jetty, replaced without a gap',
      load: lazy(async () => (await import('./jetty_app/role.ts')).default),
    },
    base: {
      doc: 'Packages, automatic updates, accounts of people and system settings of a host',
      load: lazy(async () => (await import('./base/role.ts')).default),
    },
    'php-app': {
      doc: 'A PHP application in php-fpm behind nginx, updated hot or cold',
      load: lazy(async () => (await import('./php_app/role.ts')).default),
    },
  },
  schemas: async () => (await import('../attributes/index.ts')).attributeSchemas,
  foreignKeys: async () => (await import('../attributes/index.ts')).foreignKeys,
  node: recipeNode,
  prefix: (node) => node.converge.prefix,
  resources: async () => (await import('../resources/definitions.ts')).definitions,
  balancers: async (node, host) => {
    const { balancersOf, localBalancer } = await import('./plone/balancing.ts')
    const { BalancerClient } = await import('../resources/balancer/haproxy_runtime.ts')
    return balancersOf(node, localBalancer(node).read(host)).map((balancer) => new BalancerClient(host, balancer))
  },
  balancerRoles: ['frontend'],
  backups: async (node, host, roles) => {
    const keepers = (['zeo-server', 'relstorage-pack'] as const).filter((role) => roles.includes(role))
    if (keepers.length === 0) return []
    const { backupControl } = await import('./plone/backups.ts')
    return keepers.map((keeper) => backupControl(node, host, keeper))
  },
  releases: async (...given) => (await import('./app/own_releases.ts')).ownReleases(...given),
  revisions: async (...given) => (await import('../resources/git/planned_commits.ts')).planRevisions(...given),
  services: async (node, role) => (await import('./role_services.ts')).servicesOf(node, role),
  logs: async (node, role) => (await import('./logs.ts')).logsOf(node, role),
  concerns: async (members) => (await import('./stack_concerns.ts')).concernsOf(members),
  checks: async (...given) => (await import('./checks/host.ts')).hostChecks(...given),
  diskSpace: async (node, host) => (await import('./checks/disk.ts')).runDiskCheck(node, host).run(),
  debugClient: async (...given) => (await import('./plone/debug_client.ts')).debugClient(...given),
  pendingRestarts: async (...given) => (await import('./checks/pending_restarts.ts')).pendingRestarts(...given),
  runningReleases: async (...given) => (await import('./running_releases.ts')).runningReleases(...given),
  hooks: async (options) => (await import('./hooks/role.ts')).hooks(options),
  console: async ({ stackFiles, settingsFile, keepDays, ...options }) =>
    (await import('./console/role.ts')).consoleRole({
      ...options,
      stack_files: [...stackFiles],
      settings_file: settingsFile,
      keep_days: keepDays,
    }),
  checkTemplate: async (file) => (await import('../resources/files/render_template.ts')).checkTemplate(file),
  api: async () => import('./api.ts'),
}
