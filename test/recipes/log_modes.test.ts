/** Tests that other accounts cannot reach the logs of a host, also below a prefix and as an ordinary user. */
import { posix } from 'node:path'
import t from 'tap'
import { catalogue } from '../../recipes/catalogue.ts'
import { giveWebServer } from '../support/app_web_server.ts'
import { FakeHost, type FakeHostOptions } from '../support/fake_host.ts'
import type { NodeJson } from '../support/golden.ts'

interface Situation {
  readonly attributes?: NodeJson
  /** Log directories of the role, without those of supervisord and the distribution. */
  readonly directories?: readonly string[]
  /** The role requires the whole system. */
  readonly needsSystem?: true
  /** Type of the resource at which a run fails, because the host in memory has no such server. */
  readonly fails?: RegExp
  /** Default: none that the roles know. */
  readonly init?: 'systemd'
}

const shared = (app: string) => [`/srv/www/${app}/shared/var/log`]
const site = { app_name: 'site' }
const database = { plone_instances: { relstorage: { db: { name: 'site', user: 'zope', password: 'planted' } } } }
const stack = { opsworks: { instance: { hostname: 'plone1', private_ip: '10.0.0.1' } } }

const situations: Readonly<Record<string, Situation>> = {
  'zeo-client': { attributes: { converge: { log_rotation: 'rename' } }, directories: shared('site') },
  celerybeat: { directories: shared('site') },
  'relstorage-pack': { directories: shared('site') },
  'zeo-server': { directories: shared('zeo') },
  solr: { directories: ['/shared/solr/log'] },
  'port-app': { attributes: { port_app: { ...site, command: '/usr/bin/node serve %{port}' } } },
  'jetty-app': { attributes: { jetty_app: { ...site, war: { path: 'a.war' } } } },
  'php-app': { attributes: { php_app: site }, fails: /^service_/ },
  frontend: { fails: /^(file|service_).*(haproxy|varnish)/ },
  broker: { needsSystem: true, fails: /^service_/ },
  monitoring: { needsSystem: true, fails: /^file / },
  memcached: { needsSystem: true, fails: /^service_/ },
  'relstorage-server': { attributes: database, needsSystem: true, fails: /^(versioned_program|service_)/ },
  'nfs-server': { attributes: stack, needsSystem: true, fails: /^(execute|service)/ },
  'gluster-server': { attributes: stack, needsSystem: true, fails: /^service_?/ },
  s3fs: { needsSystem: true },
  newrelic: {
    attributes: { newrelic: { infrastructure: true, license: 'planted' } },
    needsSystem: true,
    fails: /^apt_repository/,
  },
  papertrail: { attributes: { papertrail: { remote_port: 514 } }, needsSystem: true, fails: /^(file|service)/ },
  'ebs-snapshots': { needsSystem: true, fails: /^execute/ },
  console: {
    attributes: { console: { stack_files: ['/srv/shop/stack.yaml'] } },
    needsSystem: true,
    init: 'systemd',
    fails: /^(systemd_unit|service)/,
  },
  bus: {
    attributes: { bus: { stack_file: '/srv/shop/stack.yaml' } },
    needsSystem: true,
    init: 'systemd',
    fails: /^(systemd_unit|service|virtualenv)/,
  },
  agent: { needsSystem: true, init: 'systemd', fails: /^(systemd_unit|service)/ },
  base: {},
}

const accounts: readonly Required<Pick<FakeHostOptions, 'user' | 'prefixed'>>[] = [
  { user: 'root', prefixed: false },
  { user: 'root', prefixed: true },
  { user: 'jane', prefixed: true },
]

/** Directories of the distribution: every account may list the names in them. */
const ofDistribution = /^\/var\/log(\/nginx)?$/

for (const [role, { attributes, directories = [], needsSystem, init, fails }] of Object.entries(situations))
  for (const options of accounts.filter(({ prefixed }) => !(needsSystem && prefixed)))
    t.test(`hides the logs of ${role} as ${options.user}${options.prefixed ? ' below a prefix' : ''}`, async (t) => {
      const host = await madeHost(role, { ...options, ...(init && { init }) }, attributes)
      const { resources } = await host.run()
      const failed = resources.find(({ outcome }) => outcome === 'failed')
      if (fails === undefined) t.equal(failed, undefined, failed?.failure?.message ?? 'no failure')
      else t.match(failed?.name ?? '', fails, failed?.failure?.message ?? 'no failure')
      const tree = host.tree()
      const isOpen = (path: string): boolean => {
        const mode = Number.parseInt(tree[path]?.mode ?? '0755', 8)
        return (mode & 0o001) !== 0 && (path === '/' || isOpen(posix.dirname(path)))
      }
      // Each program of the release and supervisord write their logs to these directories.
      const found = Object.keys(tree).filter(
        (path) => tree[path]?.kind === 'directory' && /\/(logs?|log\/\w+)$/.test(path) && path.startsWith(host.root),
      )
      for (const path of directories) t.ok(found.includes(`${host.root}${path}`), `${path} is made`)
      for (const path of found)
        t.not(isOpen(path), !ofDistribution.test(path.slice(host.root.length)), `${path} is closed to other accounts`)
      for (const [path, { content }] of Object.entries(tree))
        if (path.includes('/etc/logrotate.d/') && / create|^create/m.test(content))
          t.notMatch(content, /create 0?\d\d[1-7]\b/, `${path} creates logs for their group alone`)
      if (role === 'jetty-app')
        t.match(host.done.join('\n'), /mkdir -p -m 0750 run\/logs/, 'Jetty logs to a closed directory')
      // Without a prefix, supervisord and its configuration come from the package.
      if (!options.prefixed || role === 'base') return
      const configuration = Object.entries(tree).find(([path]) => path.endsWith('/supervisord.conf'))
      t.match(configuration?.[1].content, /^umask = 027$/m, 'programs create logs for their group alone')
    })

t.test('every role is tested', async (t) => {
  t.strictSame(Object.keys(situations).sort(), Object.keys(catalogue.roles).sort())
})

async function madeHost(role: string, options: FakeHostOptions, attributes: NodeJson = {}): Promise<FakeHost> {
  const host = new FakeHost({ ...options, roles: [role] })
  if (options.user === 'root' && options.prefixed) {
    // Such a run creates no account.
    host.machine
      .given('/etc/passwd', 'root:x:0:0:root:/root:/bin/bash\ndeploy:x:1001:33::/home/deploy:/bin/bash\n')
      .given('/etc/group', 'root:x:0:\nwww-data:x:33:\n')
      .given('/home/deploy', null, '0755', 'deploy')
      .given('/etc/cron.d', null)
  }
  giveWebServer(host)
  for (const path of ['redis-server', 'memcached', 'haproxy', 'varnish'])
    host.machine.given(`/etc/init.d/${path}`, '', '0755').given(`/etc/${path.replace('-server', '')}`, null)
  // Of its package.
  if (role === 'broker')
    host.machine
      .given('/etc/passwd', 'root:x:0:0:root:/root:/bin/bash\nredis:x:101:101::/var/lib/redis:/bin/false\n')
      .given('/etc/group', 'root:x:0:\nredis:x:101:\n')
  host.programs = { ...host.programs, nginx: { fault: undefined } }
  const deploy = host.attributes.deploy as NodeJson
  host.attributes = { ...host.attributes, ...attributes, deploy: { ...deploy, solr: deploy.zeo } }
  host.remote.push({ 'a.war': 'a', 'index.php': 'a' })
  return host
}
