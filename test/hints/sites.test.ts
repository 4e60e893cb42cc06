/**
 * Proves the hints about the attributes of a site: triggers each by a run on an in-memory host, then follows it there.
 */
import t, { type Test } from 'tap'
import { ConvergeError } from '../../core/model/errors.ts'
import { type JsonObject, merge } from '../../core/node/merge.ts'
import { FakeHost, type RunOptions } from '../support/fake_host.ts'
import { siteAttributes } from '../support/fake_stack.ts'
import { type Proof, proveCalls } from '../support/proofs.ts'

interface SiteProof extends Proof {
  /** The roles; default: a client. */
  readonly roles?: readonly string[]
  readonly events?: readonly string[]
  /** Prepares the host before the run. */
  readonly given?: (host: FakeHost) => void | Promise<void>
  /** Attributes that are merged over those of a working site. */
  readonly broken?: JsonObject
  readonly options?: RunOptions
  /** Follows the hint on the host. */
  readonly repair?: (host: FakeHost) => void
  /** The attributes after the repair; default: those of a working site. */
  readonly repaired?: JsonObject
  readonly repairedOptions?: RunOptions
}

function proveSites(t: Test, proofs: readonly SiteProof[]): void {
  for (const proof of proofs) {
    const { source, hint, roles = ['zeo-client'], options } = proof
    const host = new FakeHost({ roles })
    const sound = siteAttributes(host.remote.url) as JsonObject
    const run = async (more: JsonObject, options?: RunOptions) => {
      host.attributes = merge(sound, more)
      const { resources } = await host.run(proof.events, options)
      const failed = resources.find(({ outcome }) => outcome === 'failed')?.failure
      // The part of a hint that a restart adds has its own proof.
      const hint = failed?.hint?.split('; correct the cause')[0]
      if (failed !== undefined) throw new ConvergeError(failed.message, { ...failed, hint })
    }
    proveCalls(t, [
      {
        source,
        hint,
        async broken() {
          await proof.given?.(host)
          await run(proof.broken ?? {}, options)
        },
        async repaired() {
          proof.repair?.(host)
          await run(proof.repaired ?? {}, proof.repairedOptions ?? options)
        },
      },
    ])
  }
}

const app = (site: JsonObject): JsonObject => ({ deploy: { site } })

t.test('the hints about attributes of a site work', async (t) => {
  const source = 'recipes/plone/buildout_app.ts'
  proveSites(t, [
    {
      source,
      hint: 'give --prefix a path without blanks',
      options: { mode: 'plan' },
      given: (host) => {
        for (const name of ['git', 'python3', 'supervisord']) host.machine.given(`/usr/bin/${name}`, '', '0755')
      },
      broken: { converge: { prefix: '/srv/my sites' } },
      repaired: { converge: { prefix: '/srv/my-sites' } },
    },
    {
      source,
      hint: 'set deploy.site.deploy_to to a path without blanks',
      broken: app({ deploy_to: '/srv/my site' }),
      repaired: app({ deploy_to: '/srv/my-site' }),
    },
    {
      source: 'recipes/plone/site.ts',
      hint: 'use at most 100 letters, digits, dots, dashes and underscores, without a dot in front; the default is plone_instances',
      broken: { plone_instances: { app_name: 'my site' } },
      repaired: { plone_instances: { app_name: 'site' } },
    },
    {
      source: 'recipes/plone/site.ts',
      hint: 'set it to at most 57455 clients: a port above 65535 does not exist',
      broken: { plone_instances: { instance_count: 60_000 } },
      repaired: { plone_instances: { instance_count: 2 } },
    },
    {
      source: 'recipes/site/attribute_writer.ts',
      hint: 'change the value, or have the app read it from a file',
      broken: app({ environment: { TOKEN: 'one\rtwo' } }),
      repaired: app({ environment: { TOKEN_FILE: '/etc/site/token' } }),
    },
    {
      source: 'recipes/plone/role.ts',
      hint: 'name another app for one of them (plone_instances.app_name, plone_zeoserver.app_name, plone_solr.app_name)',
      roles: ['zeo-server', 'zeo-client'],
      broken: { plone_zeoserver: { app_name: 'site' } },
      repaired: { plone_zeoserver: { app_name: 'zeo' } },
    },
    {
      source: 'recipes/plone/setup.ts',
      hint: 'set path in deploy.site.buildout_cache_archives to the directory of the cache, such as shared or shared/eggs',
      broken: app({ buildout_cache_archives: [{ url: 'https://example.com/eggs.tgz', path: 'releases' }] }),
      repaired: app({ buildout_cache_archives: [{ url: 'https://example.com/eggs.tgz', path: 'shared/eggs' }] }),
      options: { mode: 'plan' },
    },
  ])
})

t.test('the hints about requirements of a site work', async (t) => {
  const nfs = { plone_instances: { nfs_blobs: true } }
  const mount = (directory: string) => (host: FakeHost) =>
    void host.machine.given('/proc/self/mounts', `nas:/b ${directory} nfs4 rw 0 0\n`)
  const bucket = (blob_dir: string) => ({
    s3fs_fuse: { mounts: [{ bucket: 'blobs', path: '/srv/s3' }] },
    plone_blobs: { blob_dir },
  })
  const python = { converge: { python: 'python2.7' } }
  const noPython =
    'install it where the account of the app finds it (/usr/local/bin/python2.7); or name it by its full path in converge.python, without python_major_version; or list its package in os_packages of the app'
  const noBroker =
    'start its broker, or correct its address; where workers have no remote control, set plone_instances.celery_readiness to "running"'
  const broker = (answers: boolean) => (host: FakeHost) => {
    host.hasBroker = answers
  }
  const workers = {
    plone_instances: { enable_celery: true, broker: { host: 'redis.example.com' } },
  }
  proveSites(t, [
    {
      source: 'recipes/plone/blob_mounts.ts',
      hint: 'set plone_blobs.blob_dir to a directory in it, such as /srv/s3/blobstorage, and move the blobs there',
      given: mount('/srv/s3'),
      broken: bucket('/srv/s3'),
      repaired: bucket('/srv/s3/blobstorage'),
    },
    {
      source: 'recipes/plone/blob_mounts.ts',
      hint: 'run the role s3fs before this one; then see why it is not mounted: mount /srv/s3',
      broken: bucket('/srv/s3/blobstorage'),
      repair: mount('/srv/s3'),
      repaired: bucket('/srv/s3/blobstorage'),
    },
    {
      source: 'recipes/plone/blob_mounts.ts',
      hint: 'mount it and add it to /etc/fstab, set plone_blobs.host to its server, set plone_blobs.blob_dir to a mounted directory, or set plone_instances.nfs_blobs to false',
      broken: nfs,
      repair: mount('/srv/www/site/shared/var/blobstorage'),
      repaired: nfs,
    },
    {
      source: 'recipes/plone/blob_mounts.ts',
      hint: 'mount it and add it to /etc/fstab, set plone_blobs.host to its server, set plone_blobs.blob_dir to a mounted directory, or set plone_instances.nfs_blobs to false',
      given: mount('/mnt/blobs'),
      broken: nfs,
      repaired: { ...nfs, plone_blobs: { blob_dir: '/mnt/blobs' } },
    },
    {
      source: 'recipes/plone/blob_mounts.ts',
      hint: 'mount it and add it to /etc/fstab, or set plone_instances.nfs_blobs to false',
      broken: { ...nfs, plone_blobs: { blob_dir: '/srv/blobs' } },
      repaired: { plone_blobs: { blob_dir: '/srv/blobs' } },
    },
    {
      source: 'recipes/plone/require_python.ts',
      hint: noPython,
      broken: python,
      repair: (host) => host.machine.given('/usr/local/bin/python2.7', '', '0755'),
      repaired: python,
    },
    {
      source: 'recipes/plone/require_python.ts',
      hint: noPython,
      given: (host) => void host.machine.given('/opt/python/bin/python2.7', '', '0755'),
      broken: python,
      repaired: { converge: { python: '/opt/python/bin/python2.7' } },
    },
    {
      source: 'recipes/plone/readiness.ts',
      hint: noBroker,
      given: broker(false),
      broken: workers,
      repair: broker(true),
      repaired: workers,
    },
    {
      source: 'recipes/plone/readiness.ts',
      hint: noBroker,
      given: broker(false),
      broken: workers,
      repaired: merge(workers, { plone_instances: { celery_readiness: 'running' } }),
    },
  ])
})

t.test('the hints about releases work', async (t) => {
  const checkout = 'recipes/app/checkout.ts'
  const asRoot = 'give it an account of its own (deploy.site.user, default deploy), or set converge.allow_root to true'
  const migrating = 'set deploy.site.migrate_command, such as "bin/client1 run scripts/migrate.py"'
  const back = {
    source: 'recipes/app/rollback.ts',
    hint: 'name another release with --to; converge releases lists them, or converge stack log for the hosts of a stack',
  }
  proveSites(t, [
    {
      source: checkout,
      hint: 'set deploy.site.scm.scm_type to git or directory, and import code from elsewhere into a git repository',
      broken: app({ scm: { scm_type: 'svn' } }),
    },
    { source: checkout, hint: asRoot, broken: app({ user: 'root' }), repaired: app({ user: 'deploy' }) },
    {
      source: checkout,
      hint: asRoot,
      broken: app({ user: 'root' }),
      repaired: { ...app({ user: 'root' }), converge: { allow_root: true } },
    },
    {
      source: 'recipes/app/deploy_hooks.ts',
      hint: migrating,
      broken: app({ migrate: true }),
      repaired: app({ migrate: true, migrate_command: 'bin/client1 run scripts/migrate.py' }),
    },
    {
      source: 'recipes/app/app.ts',
      hint: 'use at most 100 letters, digits, dots, dashes and underscores, without a dot in front',
      roles: ['port-app'],
      broken: { port_app: { app_name: '.site', command: 'serve %{port}' } },
      repaired: { port_app: { app_name: 'site', command: 'serve %{port}' } },
      options: { mode: 'plan' },
    },
    {
      source: 'recipes/port_app/role.ts',
      hint: 'name the port by %{port}: "port_app": {"command": "node server.js --port %{port}"}',
      roles: ['port-app'],
      broken: { port_app: { app_name: 'site', command: 'node server.js' } },
      repaired: { port_app: { app_name: 'site', command: 'node server.js --port %{port}' } },
      options: { mode: 'plan' },
    },
    {
      ...back,
      events: ['rollback'],
      given: async (host) => {
        await host.run()
        host.remote.push({ VERSION: '2' })
        await host.run()
        await host.run(['rollback'])
      },
      repairedOptions: { to: '000002' },
    },
    {
      source: 'recipes/app/rollback.ts',
      hint: 'there are: site, zeo',
      events: ['rollback'],
      given: async (host) => void (await host.run()),
      options: { to: 'qqqqqqqq=000001' },
      repairedOptions: { to: 'site=000001' },
    },
  ])
})
