/** Tests shared blobs: a run is refused if the clients would not find what the ZEO server stores. */
import t from 'tap'
import { failureOf } from '../support/contract.ts'
import { FakeHost } from '../support/fake_host.ts'
import { changed, nothingToDo, succeeded } from '../support/lifecycle.ts'

const both = ['zeo-server', 'zeo-client']

function hostWithSharedBlobs(roles: readonly string[] = both): FakeHost {
  const host = new FakeHost({ roles })
  host.remote.push({ 'shared-blob': '' })
  return host
}

function withAttributes(host: FakeHost, more: object): void {
  host.attributes = { ...host.attributes, ...more }
}

const siteWith = (host: FakeHost, more: object) => ({
  plone_instances: { ...(host.attributes.plone_instances as object), ...more },
})

t.test('refuses different blob directories before the clients switch, and blob_dir repairs it', async (t) => {
  for (const roles of [both, [...both].reverse()]) {
    const host = hostWithSharedBlobs(roles)
    const [, second] = roles
    const app = second === 'zeo-client' ? 'site' : 'zeo'
    const failure = failureOf(await host.run()) as { code: string; message: string; hint: string }
    t.match(failure, { code: 'BLOB_DIRECTORIES_DIFFER', hint: /set plone_blobs\.blob_dir to one directory/ })
    for (const part of ['/srv/www/site/shared/var/blobstorage (', '/srv/www/zeo/shared/var/blobstorage ('])
      t.ok(failure.message.includes(part), part)
    t.match(failure.message, /zope\.conf\).*zeo\.conf\)/)
    t.equal(host.currentRelease(app), undefined, `${app} was not switched to`)
    t.match(failureOf(await host.run()), { code: 'BLOB_DIRECTORIES_DIFFER' }, 'nor by a further run')
    withAttributes(host, { plone_blobs: { blob_dir: '/srv/blobs' } })
    succeeded(t, await host.run())
    t.ok(host.currentRelease(app), `${app} is deployed`)
    await nothingToDo(t, host)
    t.equal((await host.run(undefined, { mode: 'plan' })).outcome, 'unchanged')
  }
})

t.test('clients that fetch blobs from the server may have their own directory', async (t) => {
  const host = hostWithSharedBlobs()
  withAttributes(host, siteWith(host, { shared_blobs: false }))
  succeeded(t, await host.run())
  await nothingToDo(t, host)
})

t.test('a host that already shares blobs in two directories keeps its release', async (t) => {
  const host = new FakeHost({ roles: both })
  succeeded(t, await host.run())
  const before = host.currentRelease('site')?.id
  host.remote.push({ 'shared-blob': '' })
  t.match(failureOf(await host.run()), { code: 'BLOB_DIRECTORIES_DIFFER' })
  t.equal(host.currentRelease('site')?.id, before)
})

t.test('nfs_blobs without a mount fails before any change to the app', async (t) => {
  for (const role of both)
    for (const key of ['nfs_blobs', 'gluster_blobs']) {
      const section = role === 'zeo-client' ? 'plone_instances' : 'plone_zeoserver'
      const app = role === 'zeo-client' ? 'site' : 'zeo'
      const host = new FakeHost({ roles: [role] })
      withAttributes(host, { [section]: { ...(host.attributes[section] as object), [key]: true } })
      const expected = { code: 'NOT_MOUNTED', message: new RegExp(`${section}.${key} is set, but no network`) }
      t.match(failureOf(await host.run(undefined, { mode: 'plan' })), expected)
      const report = await host.run()
      t.match(failureOf(report), expected)
      t.strictSame(changed(report, 'git_release'), [])
      host.machine.given('/proc/self/mounts', `nas:/b /srv/www/${app}/shared/var/blobstorage nfs4 rw 0 0\n`)
      succeeded(t, await host.run())
      await nothingToDo(t, host)
      host.machine.given('/proc/self/mounts', '/dev/sda / ext4 rw 0 0\n')
      host.remote.push({ VERSION: '2\n' })
      const [current, processes] = [host.currentRelease(app)?.id, JSON.stringify(host.processes())]
      for (const event of ['deploy', 'configure', 'restart', 'start', 'setup'])
        t.match(failureOf(await host.run([event])), expected, `a mount that is lost, at ${event}`)
      t.strictSame(
        [host.currentRelease(app)?.id, JSON.stringify(host.processes())],
        [current, processes],
        'nothing is restarted',
      )
      succeeded(t, await host.run(['stop']))
      t.match(failureOf(await host.run(['start'])), expected)
      t.ok(
        Object.values(host.processes()).every(({ state }) => state === 'STOPPED'),
        'no client starts',
      )
      host.machine.given('/proc/self/mounts', `nas:/b /srv/www/${app}/shared/var/blobstorage nfs4 rw 0 0\n`)
      succeeded(t, await host.run(['deploy']))
      host.machine.given('/proc/self/mounts', '/dev/sda / ext4 rw 0 0\n')
      const second = host.currentRelease(app)?.id
      t.match(failureOf(await host.run(['rollback'])), expected)
      t.equal(host.currentRelease(app)?.id, second)
    }
})

const withServer = {
  opsworks: {
    layers: { shared_blobs: { instances: { nas: { private_ip: '10.0.0.7', status: 'online' } } } },
  },
}

for (const [key, type] of [
  ['nfs_blobs', 'nfs'],
  ['gluster_blobs', 'glusterfs'],
] as const)
  t.test(`${key} mounts the blobs of the layer, also if its server comes later`, async (t) => {
    const host = new FakeHost({ roles: ['zeo-client'] })
    withAttributes(host, siteWith(host, { [key]: true }))
    t.match(failureOf(await host.run()), { code: 'NOT_MOUNTED', hint: /set plone_blobs\.host/ }, 'no server is known')
    withAttributes(host, withServer)
    succeeded(t, await host.run())
    t.match(
      host.machine.readText('/etc/fstab'),
      new RegExp(`^10\\.0\\.0\\.7:\\S+ /mnt/shared/blobs ${type} .*,_netdev,nofail`),
    )
    t.equal(host.machine.readLink('/srv/www/site/shared/var/blobstorage'), '/mnt/shared/blobs/blobstorage')
    t.match(host.machine.readText('/etc/supervisor/conf.d/converge-mount-site.conf'), / mount \/mnt\/shared\/blobs /)
    await nothingToDo(t, host)
    t.equal((await host.run(undefined, { mode: 'plan' })).outcome, 'unchanged')
    host.machine.given('/proc/self/mounts', '')
    succeeded(t, await host.run(['restart']), 'a run mounts it again')
    t.match(host.machine.readText('/proc/self/mounts'), '/mnt/shared/blobs')
  })

t.test('a dry run of the first deploy predicts the mount', async (t) => {
  const host = new FakeHost({ roles: ['zeo-client'] })
  withAttributes(host, { ...withServer, ...siteWith(host, { nfs_blobs: true }) })
  host.machine.given('/proc/self/mounts', '')
  t.not((await host.run(undefined, { mode: 'plan' })).outcome, 'failed')
  t.equal(host.machine.readText('/etc/fstab'), null, 'nothing has changed')
})

t.test('refuses blobs that belong to another account of the server', async (t) => {
  const host = new FakeHost({ roles: ['zeo-client'] })
  withAttributes(host, { ...withServer, ...siteWith(host, { nfs_blobs: true }) })
  succeeded(t, await host.run())
  host.machine.given('/mnt/shared/blobs/blobstorage', null, '0750', 'root')
  t.match(failureOf(await host.run(['restart'])), { code: 'WRONG_OWNER', message: /belongs to root, not to deploy/ })
})

t.test('blobs in a bucket need the mount of the role s3fs', async (t) => {
  const host = new FakeHost({ roles: ['zeo-client'] })
  const s3fs_fuse = { mounts: [{ bucket: 'blobs', path: '/srv/s3' }] }
  withAttributes(host, { s3fs_fuse, plone_blobs: { blob_dir: '/srv/s3/blobs' } })
  t.match(failureOf(await host.run()), { code: 'NOT_MOUNTED', hint: /run the role s3fs before this one/ })
  host.machine.given('/proc/self/mounts', 's3fs /srv/s3 fuse.s3fs rw 0 0\n')
  succeeded(t, await host.run())
  t.match(host.machine.readText('/etc/supervisor/conf.d/converge-mount-site.conf'), / mount \/srv\/s3 /)
  withAttributes(host, { plone_blobs: { blob_dir: '/srv/s3' } })
  await t.rejects(host.run(), { code: 'INVALID_ATTRIBUTE', hint: /\/srv\/s3\/blobstorage/ })
})
