/** Proves the hints of resources on a host in memory: triggers each, then follows it. */
import { pathToFileURL } from 'node:url'
import t from 'tap'
import type { CommandHandler, VirtualHost } from '../../core/host/virtual.ts'
import { group } from '../../resources/accounts/group.ts'
import { user } from '../../resources/accounts/user.ts'
import { execute } from '../../resources/commands/execute.ts'
import { cron } from '../../resources/cron/cron.ts'
import { archive } from '../../resources/files/archive.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { gluster_volume } from '../../resources/files/gluster_volume.ts'
import { mount } from '../../resources/files/mount.ts'
import { network_mount } from '../../resources/files/network_mount.ts'
import { random_secret } from '../../resources/files/random_secret.ts'
import { recipeDirectory, recipeFile } from '../../resources/files/recipe_files.ts'
import { remote_directory } from '../../resources/files/remote_directory.ts'
import { remote_file } from '../../resources/files/remote_file.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { service_restart } from '../../resources/services/service_restart.ts'
import { planOf } from '../support/contract.ts'
import { FakeHaproxy } from '../support/fake_haproxy.ts'
import { FakeSupervisor } from '../support/fake_supervisor.ts'
import { proveCalls } from '../support/proofs.ts'
import { commands, type Declare, proveResources as prove } from '../support/resource_proofs.ts'

const move = (from: string) => (host: VirtualHost) => {
  host.rename(from, `${from}.old`)
}

t.test('the hints about directories work', async (t) => {
  const source = 'resources/files/directory.ts'
  const broken: Declare = (r) => directory(r, { path: '/srv/d' })
  prove(t, [
    { source, hint: 'move it away', given: (host) => host.given('/srv/d', 'x'), broken, repair: move('/srv/d') },
    {
      source,
      hint: 'it is a link that points nowhere: remove it, or make what it points to',
      given: (host) => host.given('/srv/d', { link: '/srv/none' }),
      broken,
      repair: (host) => host.given('/srv/none', null),
    },
    {
      source,
      hint: 'take it away with symlink(), or name the directory it points to',
      given: (host) => host.given('/srv/d', { link: '/srv/other' }).given('/srv/other', null),
      broken: (r) => directory(r, { path: '/srv/d', absent: true }),
      repaired: (r) => symlink(r, { path: '/srv/d', absent: true }),
    },
    {
      source,
      hint: 'name the directory it points to, or declare the link itself with symlink(); to have a real directory: rm /srv/home/d',
      given: (host) =>
        host.given('/srv/home', null, '0755', 'deploy').given('/srv/home/d', { link: '/srv/o' }).given('/srv/o', null),
      broken: (r) => directory(r, { path: '/srv/home/d' }),
      repaired: (r) => directory(r, { path: '/srv/o' }),
    },
  ])
})

t.test('the hints about files of recipes work', async (t) => {
  const directory = t.testdir({ shop: { 'a.conf': 'a' } })
  const recipe = pathToFileURL(`${directory}/web.ts`).href
  const source = { recipeDirectory: `${directory}/shop`, files: recipeDirectory(recipe, 'shop').files }
  prove(t, [
    {
      source: 'resources/files/remote_directory.ts',
      hint: 'check whether it is still needed, then move it away: mv /srv/shop/a.conf /srv/shop/a.conf.old',
      given: (host) => host.given('/srv/shop/a.conf', null),
      broken: (r) => remote_directory(r, { path: '/srv/shop', source }),
      repair: move('/srv/shop/a.conf'),
    },
  ])
  proveCalls(t, [
    {
      source: 'resources/files/recipe_files.ts',
      hint: 'put it beside the recipe, or correct its name',
      broken: () => recipeFile(recipe, 'gone.png'),
      repaired: () => recipeFile(recipe, 'shop/a.conf'),
    },
    {
      source: 'resources/files/file.ts',
      hint: "for a URL, use remote_file(r, { path, url, sha256 }); for a file of the recipe, source: recipeFile(import.meta.url, 'NAME')",
      broken: () => planOf((r) => file(r, { path: '/srv/a', source: 'https://builds.example.com/a' as never })),
      repaired: () => planOf((r) => remote_file(r, { path: '/srv/a', url: 'https://builds.example.com/a' })),
    },
    {
      source: 'resources/files/file.ts',
      hint: "for a URL, use remote_file(r, { path, url, sha256 }); for a file of the recipe, source: recipeFile(import.meta.url, 'NAME')",
      broken: () => planOf((r) => file(r, { path: '/srv/a', source: 'shop/a.conf' as never })),
      repaired: () => planOf((r) => file(r, { path: '/srv/a', source: recipeFile(recipe, 'shop/a.conf') })),
    },
    {
      source: 'resources/files/remote_directory.ts',
      hint: "write source: recipeDirectory(import.meta.url, 'NAME'); for an archive at a URL, use archive(r, { url, into })",
      broken: () => planOf((r) => remote_directory(r, { path: '/srv/a', source: 'shop' as never })),
      repaired: () => planOf((r) => remote_directory(r, { path: '/srv/a', source: recipeDirectory(recipe, 'shop') })),
    },
    {
      source: 'resources/files/remote_directory.ts',
      hint: "write source: recipeDirectory(import.meta.url, 'NAME'); for an archive at a URL, use archive(r, { url, into })",
      broken: () =>
        planOf((r) => remote_directory(r, { path: '/srv/a', source: 'https://example.com/a.tgz' as never })),
      repaired: () => planOf((r) => archive(r, { into: '/srv/a', url: 'https://example.com/a.tgz' })),
    },
  ])
})

t.test('the hints about files work', async (t) => {
  prove(t, [
    {
      source: 'core/model/file_errors.ts',
      hint: 'check whether it is still needed, then move it away: mv /srv/f /srv/f.old',
      given: (host) => host.given('/srv/f', null),
      broken: (r) => file(r, { path: '/srv/f', content: 'x' }),
      repair: move('/srv/f'),
    },
    {
      source: 'core/model/file_errors.ts',
      hint: 'check whether it is still needed, then move it away: mv /srv/f /srv/f.old',
      given: (host) => host.given('/srv/f', null),
      broken: (r) => random_secret(r, { path: '/srv/f' }),
      repair: move('/srv/f'),
    },
    {
      source: 'core/model/account_errors.ts',
      hint: 'run the setup event first, or declare the account with user()',
      commands,
      broken: (r) => file(r, { path: '/srv/f', content: 'x', owner: 'web' }),
      repaired: (r) => {
        user(r, { name: 'web' })
        file(r, { path: '/srv/f', content: 'x', owner: 'web' })
      },
    },
    {
      source: 'core/model/account_errors.ts',
      hint: 'run the setup event first, or declare the group with group()',
      commands,
      broken: (r) => file(r, { path: '/srv/f', content: 'x', group: 'web' }),
      repaired: (r) => {
        group(r, { name: 'web' })
        file(r, { path: '/srv/f', content: 'x', group: 'web' })
      },
    },
    {
      source: 'core/model/errors.ts',
      hint: 'declare the directory that holds it first, or check the path',
      broken: (r) => file(r, { path: '/srv/none/f', content: 'x' }),
      repaired: (r) => {
        directory(r, { path: '/srv/none' })
        file(r, { path: '/srv/none/f', content: 'x' })
      },
    },
  ])
})

t.test('the hints about cron work', async (t) => {
  const source = 'resources/cron/cron.ts'
  const job = { name: 'job', schedule: '0 3 * * *', command: 'date' }
  const withCron = (host: VirtualHost) => {
    host.given('/usr/bin/crontab', '', '0755').given('/etc/cron.d', null)
  }
  prove(t, [
    {
      source,
      hint: "declare it before this: packages(r, { names: ['cron'] })",
      broken: (r) => cron(r, job),
      repair: withCron,
    },
    {
      source: 'core/model/file_errors.ts',
      hint: 'check whether it is still needed, then move it away: mv /etc/cron.d/job /etc/cron.d/job.old',
      given: (host) => {
        withCron(host)
        host.given('/etc/cron.d/job', null)
      },
      broken: (r) => cron(r, job),
      repair: move('/etc/cron.d/job'),
    },
  ])
})

const nfs = 'nas:/b /srv/blobs nfs4 rw 0 0\n'

/** The probe of a mount, mount and gluster. */
const storage: CommandHandler = (argv, _, host) => {
  const path = argv.at(-1) ?? ''
  if (argv[0] === 'timeout') return { status: host.stat('/silent') ? 137 : host.stat(path) ? 0 : 1 }
  if (argv[0] === 'mount') host.given('/proc/self/mounts', nfs)
  if (argv[0] !== 'gluster') return {}
  if (host.stat('/no-daemon')) return { status: 1, stderr: 'Connection failed.' }
  return { stdout: 'Status: Started\nBrick1: a:/srv/brick\n' }
}

t.test('the hints about accounts, commands and mounts work', async (t) => {
  prove(t, [
    {
      source: 'resources/accounts/user.ts',
      hint: 'give another uid, or none',
      broken: (r) => user(r, { name: 'deploy', uid: 0 }),
      repaired: (r) => user(r, { name: 'deploy' }),
    },
    {
      source: 'core/model/account_errors.ts',
      hint: 'run the setup event first, or declare the group with group()',
      commands,
      broken: (r) => user(r, { name: 'web', group: 'web' }),
      repaired: (r) => {
        group(r, { name: 'web' })
        user(r, { name: 'web', group: 'web' })
      },
    },
    {
      source: 'resources/accounts/group.ts',
      hint: 'give another gid, or none',
      broken: (r) => group(r, { name: 'deploy', gid: 0 }),
      repaired: (r) => group(r, { name: 'deploy' }),
    },
    {
      source: 'core/model/account_errors.ts',
      hint: 'run the setup event first, or declare the account with user()',
      commands,
      broken: (r) => group(r, { name: 'deploy', members: ['web'] }),
      repaired: (r) => {
        user(r, { name: 'web' })
        group(r, { name: 'deploy', members: ['web'] })
      },
    },
    {
      source: 'resources/commands/execute.ts',
      hint: 'correct the path of creates, or the command',
      commands,
      broken: (r) => execute(r, { name: 'make', command: 'make', creates: '/srv/other' }),
      repaired: (r) => execute(r, { name: 'make', command: 'make', creates: '/srv/made' }),
    },
    {
      source: 'core/model/account_errors.ts',
      hint: 'run the setup event first, or declare the account with user()',
      commands,
      broken: (r) => execute(r, { name: 'make', command: 'make', user: 'web' }),
      repaired: (r) => {
        user(r, { name: 'web' })
        execute(r, { name: 'make', command: 'make', user: 'web' })
      },
    },
    {
      source: 'resources/files/network_mount.ts',
      hint: 'mount it and add it to /etc/fstab, or set plone_blobs.nfs to false',
      given: (host) => host.given('/proc/self/mounts', 'tmpfs / tmpfs rw 0 0\n').given('/srv/blobs', null),
      broken: (r) => network_mount(r, { path: '/srv/blobs', attribute: 'plone_blobs.nfs' }),
      repair: (host) => host.given('/proc/self/mounts', 'tmpfs / tmpfs rw 0 0\nnfs:/b /srv/blobs nfs4 rw 0 0\n'),
      commands: storage,
    },
    {
      source: 'core/host/network_mounts.ts',
      hint: 'start the server of the mount, or unmount its directory in /etc/fstab (umount -l), then run again',
      given: (host) => host.given('/proc/self/mounts', nfs).given('/srv/blobs', null).given('/silent', ''),
      broken: (r) => network_mount(r, { path: '/srv/blobs', attribute: 'plone_blobs.nfs' }),
      repair: (host) => host.remove('/silent'),
      commands: storage,
    },
    {
      source: 'resources/files/network_mount.ts',
      hint: 'create it on the server of the mount, owned by the account root',
      given: (host) => host.given('/proc/self/mounts', nfs).given('/srv/blobs', null),
      broken: (r) => network_mount(r, { path: '/srv/blobs/one', account: 'root', attribute: 'plone_blobs.nfs' }),
      repair: (host) => host.given('/srv/blobs/one', null),
      commands: storage,
    },
    {
      source: 'resources/files/network_mount.ts',
      hint: 'give web the same number on all hosts, which this shows: id -u web; then chown the directory on the server',
      given: (host) =>
        host
          .given('/etc/passwd', 'root:x:0:0::/root:/bin/sh\nweb:x:1001:1001::/:/bin/sh\n')
          .given('/proc/self/mounts', nfs)
          .given('/srv/blobs', null),
      broken: (r) => network_mount(r, { path: '/srv/blobs', account: 'web', attribute: 'plone_blobs.nfs' }),
      repair: (host) => host.setOwner('/srv/blobs', 'web', undefined),
      commands: storage,
    },
    {
      source: 'resources/files/mount.ts',
      hint: 'move them away, run again, and copy them into the mount: mv /srv/blobs /srv/blobs.before',
      given: (host) => host.given('/etc/fstab', '').given('/proc/self/mounts', '').given('/srv/blobs/one', 'kept'),
      broken: (r) => mount(r, { path: '/srv/blobs', device: 'nas:/b', type: 'nfs', sealed: true }),
      repair: (host) => host.rename('/srv/blobs', '/srv/blobs.before'),
      commands: storage,
    },
    {
      source: 'resources/files/gluster_volume.ts',
      hint: "start the daemon before this: service(r, { name: 'glusterd' })",
      given: (host) => host.given('/no-daemon', ''),
      broken: (r) => gluster_volume(r, { name: 'blobs', self: 'a', servers: ['a'], brick: '/srv/brick' }),
      repair: (host) => host.remove('/no-daemon'),
      commands: storage,
    },
  ])
})

t.test('the hints about servers of a balancer work', async (t) => {
  const socket = '/run/haproxy.sock'
  const haproxy = new FakeHaproxy([{ at: socket, backends: { site: ['web1', 'web2'] } }])
  const supervisor = new FakeSupervisor({ running: ['zope'], programs: () => ({ port: 8081 }) })
  prove(t, [
    {
      source: 'resources/balancer/drain_turn.ts',
      hint: 'run converge on the host of that server, or set it ready: converge balancer ready …',
      host: { exchanges: haproxy.exchanges, requests: supervisor.requests },
      given(host) {
        host.given('/etc/supervisor/conf.d/zope.conf', '[program:zope]\n')
        haproxy.set(host, socket, 'site/web2', 'drain')
      },
      broken: (r) =>
        service_restart(r, {
          services: [{ name: 'zope', ready: { port: 8081 }, server: 'site/web1' }],
          provider: { kind: 'supervisor' },
          balancers: [{ socket }],
        }),
      repair: (host) => haproxy.set(host, socket, 'site/web2', 'ready'),
    },
  ])
})
