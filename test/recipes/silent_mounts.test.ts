/**
 * Tests that no role reads at or below a mount whose server does not answer: such a read never returns, so the run would
 * neither end nor say why.
 */
import t, { type Test } from 'tap'
import { asConvergeError } from '../../core/model/errors.ts'
import { failureOf } from '../support/contract.ts'
import { FakeHost } from '../support/fake_host.ts'
import { succeeded } from '../support/lifecycle.ts'

interface Case {
  readonly name: string
  readonly point: string
  readonly attributes: Record<string, object>
  /** Line of the mount; null: the role of the app or s3fs mounts it. */
  readonly mounted: string | null
}

const addresses = { private_ip: '10.0.0.7', status: 'online' }
const servers = { opsworks: { layers: { shared_blobs: { instances: { nas: addresses } } } } }
const set = (keys: object) => ({ plone_instances: keys, plone_zeoserver: keys })
const bucket = {
  s3fs_fuse: { mounts: [{ bucket: 'blobs', path: '/srv/s3' }] },
  plone_blobs: { blob_dir: '/srv/s3/blobs' },
}
const inApp = (app: string) => `/srv/www/${app}/shared/var/blobstorage`

const ofLayer = (key: string): Case => ({
  name: `${key} of the layer`,
  point: '/mnt/shared/blobs',
  attributes: { ...servers, ...set({ [key]: true }) },
  mounted: null,
})
const byOperator: Case = {
  name: 'nfs_blobs in plone_blobs.blob_dir',
  point: '/srv/blobs',
  attributes: { ...set({ nfs_blobs: true }), plone_blobs: { blob_dir: '/srv/blobs' } },
  mounted: 'nas:/b /srv/blobs nfs4 rw 0 0\n',
}
const mountedInApp = (app: string): Case => ({
  name: 'gluster_blobs, mounted in the app',
  point: inApp(app),
  attributes: set({ gluster_blobs: true }),
  mounted: `nas:/b ${inApp(app)} fuse.glusterfs rw 0 0\n`,
})
const inBucket = { name: 'a bucket', point: '/srv/s3', attributes: bucket }
const bucketOfOperator: Case = { ...inBucket, mounted: 's3fs /srv/s3 fuse.s3fs rw 0 0\n' }
const bucketOfRole: Case = { ...inBucket, mounted: null }
const withDatabase: Case = {
  name: 'the database beside the blobs',
  point: '/srv/nas',
  attributes: {
    plone_blobs: { blob_dir: '/srv/nas/blobs' },
    plone_zeoserver: { nfs_blobs: true, filestorage_dir: '/srv/nas/filestorage' },
  },
  mounted: 'nas:/b /srv/nas nfs4 rw 0 0\n',
}

const cases: readonly (readonly [readonly string[], readonly Case[]])[] = [
  [
    ['zeo-client'],
    [ofLayer('nfs_blobs'), ofLayer('gluster_blobs'), byOperator, mountedInApp('site'), bucketOfOperator],
  ],
  [['zeo-server'], [ofLayer('nfs_blobs'), ofLayer('gluster_blobs'), byOperator, mountedInApp('zeo'), withDatabase]],
  [
    ['zeo-server', 'zeo-client'],
    [ofLayer('nfs_blobs'), bucketOfOperator],
  ],
  [['zeo-client', 'celerybeat'], [ofLayer('nfs_blobs')]],
  [['zeo-client', 'relstorage-pack'], [ofLayer('nfs_blobs')]],
  [['s3fs', 'zeo-client'], [bucketOfRole]],
  [['s3fs', 'zeo-server', 'zeo-client'], [bucketOfRole]],
]

const needMount = ['setup', 'deploy', 'configure', 'start', 'restart', 'rollback']
const needNone = ['stop', 'shutdown', 'undeploy', 'build']
const upkeep = ['backup_now', 'backup_restore', 'pack']

async function refuses(t: Test, roles: readonly string[], { point, attributes, mounted }: Case): Promise<void> {
  const host = new FakeHost({ roles })
  for (const [section, keys] of Object.entries(attributes))
    host.attributes = { ...host.attributes, [section]: { ...(host.attributes[section] as object), ...keys } }
  if (mounted !== null) host.machine.given('/proc/self/mounts', mounted)
  succeeded(t, await host.run())
  host.remote.push({ VERSION: '2\n' })
  succeeded(t, await host.run(['deploy']))
  host.remote.push({ VERSION: '3\n' })
  const silent = () => Object.assign(host.clone(), { silentMount: point })
  const dryRuns = silent()
  const ofServer = roles.includes('zeo-server') ? upkeep : []
  for (const mode of ['plan', 'run'] as const)
    for (const event of [...needMount, ...ofServer, ...needNone]) {
      const one = mode === 'plan' ? dryRuns : silent()
      const failure = await one.run([event], { mode }).then(failureOf, asConvergeError)
      t.strictSame(one.blockedReads, [], `${event}, ${mode}: reads nothing there`)
      const unmounts = event === 'undeploy' && roles.includes('s3fs') && mode === 'run'
      if (needNone.includes(event) && !unmounts) t.equal(failure, undefined, `${event}, ${mode}: needs no blobs`)
      else t.match(failure, { code: 'MOUNT_UNREACHABLE', message: /has not answered within 20 seconds/ }, event)
    }
  const [shown, checked] = [silent(), silent()]
  t.equal((await shown.inspect()).apps.length, 1, 'status shows the app')
  const findings = await checked.doctor()
  t.match(findings['mounted blobs'], { status: 'missing', detail: /does not answer/ })
  t.strictSame([...shown.blockedReads, ...checked.blockedReads], [], 'status and doctor read nothing there')
}

for (const [roles, own] of cases)
  for (const one of own)
    t.test(`reads nothing at the mount of ${one.name}: ${roles.join(', ')}`, (t) => refuses(t, roles, one))
