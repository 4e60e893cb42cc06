/** Defines attributes for which each role writes as many configuration files and directives as possible. */

type Json = { [key: string]: unknown }

export interface Situation {
  readonly role: string
  readonly json: Json
}

const scm = { repository: '/srv/site.git' }
const web1 = {
  hostname: 'web1',
  private_ip: '10.0.0.5',
  private_dns_name: 'web1.example.com',
  status: 'online',
  public_dns_name: 'web1.example.com',
  ip: '192.0.2.1',
  availability_zone: 'eu-1',
  region: 'eu',
}
const layers = ['plone_instances', 'zeoserver', 'solr', 'redis', 'shared_blobs']
const opsworks = {
  stack: { name: 'stack' },
  instance: { ...web1, layers: ['plone_instances'] },
  layers: Object.fromEntries(layers.map((layer) => [layer, { instances: { web1 } }])),
}
const web2 = { ...web1, hostname: 'web2', private_ip: '10.0.0.6', private_dns_name: 'web2.example.com' }
const withOtherHost = { ...opsworks, layers: { plone_instances: { instances: { web1, web2 } } } }
const domains = ['a.example.com']
const environment = { A: 'b' }
const zeo = { address: '10.0.0.5:8001' }
const web = { app_name: 'shop', domains, health: { path: '/', host: 'a', headers: { 'X-A': 'b' } } }
const shop = { shop: { scm, environment } }
const clients = (settings: Json, more: Json = {}) => ({
  deploy: { plone_instances: { scm, environment, ...more } },
  plone_instances: { instance_count: 1, ...settings },
  opsworks,
})
const snapshots = { keep: 1, aws_key: 'key', aws_secret: 'secret-of-aws' }
const database = { adapter: 'postgresql', host: 'h', database: 'd', username: 'u', password: 'hunter22' }
const celery = { enable_celery: true, celerybeat: true, celery_args: '-c 1', beat_args: '-x', broker: { host: 'r' } }
const syslog = { syslog_facility: 'local1', syslog_level: 'info' }

export const hostileSituations: readonly Situation[] = [
  { role: 'php-app', json: { php_app: { ...web, fpm: { settings: { memory_limit: '1M' } } }, deploy: shop, opsworks } },
  { role: 'port-app', json: { port_app: { ...web, command: 'serve %{port}' }, deploy: shop, opsworks } },
  {
    role: 'jetty-app',
    json: { jetty_app: { ...web, war: { path: 'a.war' }, jvm_options: '-Xmx1g' }, deploy: shop, opsworks },
  },
  {
    role: 'frontend',
    json: {
      deploy: { plone_instances: { scm, domains } },
      plone_instances: { site_id: 'Plone', subsites: { 'b.example.com': 'b' } },
      haproxy: {
        enable_stats: true,
        stats_url: '/stats',
        stats_user: 'u',
        stats_password: 'hunter22',
        health_check_url: '/',
        health_check_host: 'a',
      },
      certbot_domains: domains,
      certbot_email: 'a@example.com',
      opsworks,
    },
  },
  {
    role: 'zeo-client',
    json: {
      ...clients({
        zeo,
        ...celery,
        ...syslog,
        solr_enabled: true,
        solr_host: 's',
        persistent_cache: true,
        newrelic_tracing: true,
        traceview_tracing: true,
      }),
      newrelic: { license: 'x', application_monitoring: { app_name: 'x' } },
    },
  },
  {
    role: 'zeo-client',
    json: clients(
      { enable_relstorage: true, relstorage: { enable_cache: true, cache_servers: ['a:1'] } },
      { database },
    ),
  },
  { role: 'zeo-client', json: { ...clients({ zeo, nfs_blobs: true }), plone_blobs: { host: 'nfs1' } } },
  { role: 'zeo-client', json: { ...clients({ zeo, gluster_blobs: true }), plone_blobs: { host: 'nfs1' } } },
  {
    role: 'zeo-server',
    json: {
      deploy: { zeoserver: { scm, environment } },
      plone_zeoserver: { enable_backup: true, enable_pack: true, ...syslog },
      opsworks,
    },
  },
  { role: 'solr', json: { deploy: { solr: { scm, environment }, plone_solr: { scm } }, opsworks } },
  {
    role: 'newrelic',
    json: {
      newrelic: { infrastructure: true, license: 'hunter22', infrastructure_agent: { display_name: 'a' } },
      opsworks,
    },
  },
  { role: 'ebs-snapshots', json: { ebs_snapshots: snapshots, opsworks } },
  { role: 'celerybeat', json: clients({ zeo, broker: { host: 'r' } }) },
  {
    role: 'relstorage-pack',
    json: clients({ enable_relstorage: true, relstorage: { db: { type: 'postgresql', dsn: 'x' }, enable_pack: true } }),
  },
  {
    role: 'base',
    json: {
      converge: { automatic_updates: true, packages: [{ name: 'zip', version: '1.0' }] },
      apt: { unattended_upgrades: { enable: true, mail: 'a@example.com', package_blacklist: ['a'] } },
      tmpdir: { tmpfs: true },
      ssh_users: { 2001: { name: 'ann', sudoer: true } },
      opsworks_initial_setup: { sysctl: {}, limits: {} },
      opsworks,
    },
  },
  // Other hosts use these services, so they listen at the private address.
  ...['postgresql', 'mysql'].map((type) => ({
    role: 'relstorage-server',
    json: {
      plone_instances: {
        relstorage: {
          keep_history: false,
          db: { type, name: 'd', user: 'u', password: 'hunter22' },
          server: { network: '10.0.0.0/8' },
        },
      },
      opsworks: withOtherHost,
    },
  })),
  {
    role: 'papertrail',
    json: { papertrail: { remote_port: 514, cert_url: 'https://a.test/ca.pem', cert_file: '/etc/a.pem' } },
  },
  { role: 'memcached', json: { opsworks: withOtherHost } },
  { role: 'broker', json: { redis: { config: { requirepass: 'hunter22' } }, opsworks: withOtherHost } },
  {
    role: 'frontend',
    json: {
      converge: { balancer: { port: 1999 } },
      deploy: { plone_instances: { scm, domains } },
      plone_instances: { site_id: 'Plone' },
      opsworks: withOtherHost,
    },
  },
]
