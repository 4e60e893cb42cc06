/**
 * Proves the hints of warnings about attributes, which do not stop a run: triggers each through the recipes, then
 * follows it.
 */
import t from 'tap'
import type { HostReader } from '../../core/host/types.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import type { JsonObject } from '../../core/node/merge.ts'
import type { Proof } from '../support/proofs.ts'
import { planned } from '../support/role_plans.ts'

interface RoleWarningProof extends Proof {
  readonly role: string
  readonly event?: string
  /** Whether the run is by root on the whole system; default true. */
  readonly root?: boolean
  /** Uid of the run; default: that of `root`. */
  readonly uid?: number
  readonly broken: JsonObject
  readonly repaired: JsonObject
  readonly host?: () => HostReader
  /** The host after the repair; default: the same host. */
  readonly repairedHost?: () => HostReader
}

const scm = { scm_type: 'git', repository: 'https://git.example.com/site.git' }
const app = (name: string, more: JsonObject = {}): JsonObject => ({ deploy: { [name]: { scm, ...more } } })
const packages: JsonObject = { converge: { packages: ['zip'] } }
const tls: JsonObject = { ssl_certificate: 'CERTIFICATE', ssl_certificate_key: 'KEY', domains: ['www.example.com'] }
const instances = (status: string): JsonObject => ({
  opsworks: {
    layers: { plone_instances: { instances: { app1: { hostname: 'app1', private_ip: '10.0.0.2', status } } } },
  },
})
const served = () =>
  new VirtualHost().given('/etc/haproxy/haproxy.cfg', 'backend plone\n  server app1-1 10.0.0.2:8081 check\n')
const mounted: JsonObject = {
  opsworks_initial_setup: { ephemeral_mount_point: '/mnt' },
  deploy: { zeoserver: { scm } },
}
const keptDatabase = () =>
  new VirtualHost()
    .given('/shared/zodb/filestorage/Data.fs', 'data')
    .given('/srv/www/zeoserver/shared/var/filestorage', { link: '/shared/zodb/filestorage' })
const traced: JsonObject = { plone_instances: { newrelic_tracing: true }, newrelic: { license: 'l' } }

const proofs: readonly RoleWarningProof[] = [
  {
    source: 'recipes/attribute_warning.ts',
    hint: 'set deploy.php_app.scm.repository, or remove the role',
    role: 'php-app',
    broken: {},
    repaired: app('php_app'),
  },
  {
    source: 'recipes/site/system_setting.ts',
    hint: 'remove them, or the prefix /home/jane',
    role: 'base',
    event: 'setup',
    root: false,
    broken: packages,
    repaired: {},
  },
  {
    source: 'recipes/site/system_setting.ts',
    hint: 'run converge as root, or remove them',
    role: 'base',
    event: 'setup',
    uid: 1000,
    broken: packages,
    repaired: {},
  },
  {
    source: 'recipes/site/system_setting.ts',
    hint: 'remove it, or the prefix /home/jane',
    role: 'base',
    event: 'setup',
    root: false,
    broken: { system: { timezone: 'Europe/Zurich' } },
    repaired: {},
  },
  {
    source: 'recipes/site/system_setting.ts',
    hint: 'run converge as root, or remove system.timezone',
    role: 'base',
    event: 'setup',
    uid: 1000,
    broken: { system: { timezone: 'Europe/Zurich' } },
    repaired: {},
  },
  {
    source: 'recipes/site/system_setting.ts',
    hint: 'remove it, or the prefix /home/jane',
    role: 'base',
    event: 'configure',
    root: false,
    broken: { converge: { hosts_file: true } },
    repaired: {},
  },
  {
    source: 'recipes/site/system_setting.ts',
    hint: 'run converge as root, or remove converge.hosts_file',
    role: 'base',
    event: 'configure',
    uid: 1000,
    broken: { converge: { hosts_file: true } },
    repaired: {},
  },
  {
    source: 'recipes/site/system_setting.ts',
    hint: 'run converge as root, or remove opsworks_initial_setup.limits',
    role: 'base',
    event: 'setup',
    uid: 1000,
    broken: { opsworks_initial_setup: { limits: {} } },
    repaired: {},
  },
  {
    source: 'recipes/site/system_setting.ts',
    hint: 'remove it, or the prefix /home/jane',
    role: 'base',
    event: 'configure',
    root: false,
    broken: { ssh_users: {} },
    repaired: {},
  },
  {
    source: 'recipes/site/system_setting.ts',
    hint: 'remove it, or the prefix /home/jane',
    role: 'base',
    event: 'setup',
    root: false,
    broken: { tmpdir: { tmpfs: true } },
    repaired: {},
  },
  {
    source: 'recipes/site/system_setting.ts',
    hint: 'run converge as root, or remove tmpdir.tmpfs',
    role: 'base',
    event: 'setup',
    uid: 1000,
    broken: { tmpdir: { tmpfs: true } },
    repaired: {},
  },
  {
    source: 'recipes/frontend/certificates.ts',
    hint: 'set ssl_certificate, ssl_certificate_key and domains beside it, set certbot_domains, or remove it',
    role: 'frontend',
    event: 'configure',
    broken: { deploy: { plone_instances: { ssl_support: true } } },
    repaired: { deploy: { plone_instances: { ssl_support: true, ...tls } } },
  },
  {
    source: 'recipes/web/site.ts',
    hint: 'set ssl_certificate and ssl_certificate_key beside it, or remove it',
    role: 'php-app',
    broken: app('php_app', { ssl_support: true }),
    repaired: app('php_app', { ssl_support: true, ...tls }),
  },
  {
    source: 'recipes/frontend/configure.ts',
    hint: 'run zeo-client on this host too, or describe the hosts of the clients in opsworks.layers.plone_instances.instances',
    role: 'frontend',
    event: 'configure',
    host: () => new VirtualHost(),
    broken: {},
    repaired: instances('online'),
  },
  {
    source: 'recipes/frontend/configure.ts',
    hint: 'start one of app1',
    role: 'frontend',
    event: 'configure',
    host: served,
    broken: instances('stopped'),
    repaired: instances('online'),
  },
  {
    source: 'recipes/jetty_app/role.ts',
    hint: 'set one of them, or remove the role',
    role: 'jetty-app',
    broken: {},
    repaired: { jetty_app: { war: { path: 'app.war' } }, ...app('jetty_app') },
  },
  {
    source: 'recipes/plone/data_directories.ts',
    hint: 'set plone_zeoserver.filestorage_dir to the directory that you want',
    role: 'zeo-server',
    event: 'setup',
    host: keptDatabase,
    broken: mounted,
    repaired: { ...mounted, plone_zeoserver: { filestorage_dir: '/shared/zodb/filestorage' } },
  },
  {
    source: 'recipes/plone/data_directories.ts',
    hint: 'stop Solr and run: mv /srv/www/solr/shared/var /shared/solr',
    role: 'solr',
    host: () => new VirtualHost().given('/srv/www/solr/shared/var/solr/data/index/segments_1', 'index'),
    repairedHost: () => new VirtualHost().given('/shared/solr/solr/data/index/segments_1', 'index'),
    broken: app('solr'),
    repaired: app('solr'),
  },
  {
    source: 'recipes/newrelic/role.ts',
    hint: 'set newrelic.infrastructure to true, or remove the role newrelic from the host',
    role: 'newrelic',
    event: 'setup,configure',
    broken: {},
    repaired: { newrelic: { infrastructure: true, license: 'l' } },
  },
  {
    source: 'recipes/plone/newrelic.ts',
    hint: 'remove that file, or set newrelic.python_agent.config_file to another path',
    role: 'zeo-client',
    event: 'setup,deploy',
    host: () => new VirtualHost().given('/etc/newrelic/newrelic.ini', '[newrelic]\n'),
    repairedHost: () => new VirtualHost(),
    broken: { ...traced, ...app('plone_instances') },
    repaired: { ...traced, ...app('plone_instances') },
  },
]

async function warningsOf(
  role: string,
  json: JsonObject,
  { event = 'deploy', root = true, uid, host }: RoleWarningProof,
) {
  const { warnings } = await planned(role, json, {
    event,
    root,
    ...(uid !== undefined && { uid }),
    host: host?.() ?? null,
  })
  return warnings
}

for (const proof of proofs)
  t.test(`${proof.source}: ${proof.hint}`, async (t) => {
    const isGiven = (warnings: readonly string[]) => warnings.some((warning) => warning.endsWith(`(${proof.hint})`))
    const before = await warningsOf(proof.role, proof.broken, proof)
    t.ok(isGiven(before), 'the hint is given', { before })
    const repaired = { ...proof, host: proof.repairedHost ?? proof.host } as RoleWarningProof
    const after = await warningsOf(proof.role, proof.repaired, repaired)
    t.notOk(isGiven(after), 'it is not given again', { after })
  })
