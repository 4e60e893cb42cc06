/** Mounts the blobs that several hosts share, and lets no program of an app start without them. */
import type { Recipe } from '../../core/compile/role.ts'
import { mountAnswer, unreachableHint } from '../../core/host/network_mounts.ts'
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Reference } from '../../core/model/reference.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { directory } from '../../resources/files/directory.ts'
import { mount } from '../../resources/files/mount.ts'
import { isOnNetworkMount } from '../../resources/files/mounts.ts'
import { network_mount } from '../../resources/files/network_mount.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { package_ as packages } from '../../resources/packages/package.ts'
import { blob_directories } from '../../resources/zope/blob_directories.ts'
import { type SiteNode, underPrefix } from '../node.ts'
import { glusterServers, nfsServer } from '../site/blob_servers.ts'
import { type BuildoutApp, buildoutApp } from './buildout_app.ts'

/** The mount that the attributes promise for blobs. */
export interface BlobMount {
  readonly attribute: string
  /** Directory of the blobs. */
  readonly path: string
  readonly hint: string
  /** Directory of /etc/fstab that mounts it; null if it is not known. */
  readonly point: string | null
  /** The mount that converge declares for it; null: the operator or another role mounts. */
  readonly managed: ManagedMount | null
}

interface ManagedMount {
  /** Directory of the mount. The blobs are in a directory below it, which exists on the mounted file system only. */
  readonly point: string
  readonly type: 'nfs' | 'glusterfs'
  readonly device: string
  readonly options: readonly string[]
  readonly packageName: string
}

/** Returns the mount that the attributes promise for blobs; null for none. */
export function mountOf(node: SiteNode, app: BuildoutApp): BlobMount | null {
  if (app.role === 'solr') return null
  const section = app.role === 'zeo-client' ? 'plone_instances' : 'plone_zeoserver'
  const key = (['nfs_blobs', 'gluster_blobs'] as const).find((name) => node[section][name])
  if (key === undefined) return bucketOf(node, app)
  const attribute = `${section}.${key}`
  const { blob_dir } = node.plone_blobs
  const managed = blob_dir || !app.system ? null : managedMount(node, key)
  const instead =
    blob_dir || managed !== null
      ? ''
      : 'set plone_blobs.host to its server, set plone_blobs.blob_dir to a mounted directory, '
  const hint = `mount it and add it to /etc/fstab, ${instead}or set ${attribute} to false`
  if (managed !== null) return { attribute, path: `${managed.point}/blobstorage`, hint, point: managed.point, managed }
  const path = blob_dir ? underPrefix(node, blob_dir) : `${app.shared}/var/blobstorage`
  return { attribute, path, hint, point: null, managed: null }
}

/** Returns the bucket of `s3fs_fuse.mounts` that contains `plone_blobs.blob_dir`, which the role s3fs mounts. */
function bucketOf(node: SiteNode, app: BuildoutApp): BlobMount | null {
  const { blob_dir } = node.plone_blobs
  if (!blob_dir || !(app.role === 'zeo-server' || node.plone_instances.shared_blobs)) return null
  const bucket = node.s3fs_fuse.mounts.find(({ path }) => blob_dir === path || blob_dir.startsWith(`${path}/`))
  if (bucket === undefined) return null
  if (blob_dir === bucket.path)
    throw new ConvergeError(`plone_blobs.blob_dir is the bucket itself (${bucket.path}), whose owner cannot change`, {
      code: 'INVALID_ATTRIBUTE',
      attribute: 'plone_blobs.blob_dir',
      hint: `set plone_blobs.blob_dir to a directory in it, such as ${bucket.path}/blobstorage, and move the blobs there`,
      usage: true,
    })
  return {
    attribute: 's3fs_fuse.mounts',
    path: blob_dir,
    hint: `run the role s3fs before this one; then see why it is not mounted: mount ${bucket.path}`,
    point: bucket.path,
    managed: null,
  }
}

/** Returns what is mounted; null if no server is known. */
function managedMount(node: SiteNode, key: 'nfs_blobs' | 'gluster_blobs'): ManagedMount | null {
  const { nfs_export_dir, nfs_mount_options, gluster_mount_options, gluster_volume } = node.plone_blobs
  const point = `${node.opsworks_initial_setup.ephemeral_mount_point ?? '/mnt'}/shared/blobs`
  if (key === 'nfs_blobs') {
    const server = nfsServer(node)
    if (server === null) return null
    // Without retry=0, a command that mounts waits two minutes for a server that is down.
    const options = withOptions(nfs_mount_options, ['_netdev', 'nofail', 'retry=0'])
    return {
      point,
      type: 'nfs',
      device: `${bracketAddress(server)}:${nfs_export_dir}`,
      options,
      packageName: 'nfs-common',
    }
  }
  const [server, ...others] = glusterServers(node)
  if (server === undefined) return null
  const backups = others.length > 0 ? [`backup-volfile-servers=${others.join(':')}`] : []
  const options = withOptions(gluster_mount_options, ['_netdev', 'nofail', ...backups])
  return { point, type: 'glusterfs', device: `${server}:/${gluster_volume}`, options, packageName: 'glusterfs-client' }
}

function bracketAddress(server: string): string {
  return server.includes(':') ? `[${server}]` : server
}

/** Adds options that the operator has not set; systemd does not know `nobootwait` of Upstart. */
function withOptions(given: string, added: readonly string[]): string[] {
  const options = given.split(',').filter((option) => option !== '' && option !== 'nobootwait')
  const names = options.map((option) => option.split('=')[0])
  return [...options, ...added.filter((option) => !names.includes(option.split('=')[0]))]
}

/** Mounts the blobs, and fails a run without them. */
export function requireBlobMount(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: BuildoutApp,
  guard: CommonOptions = {},
): void {
  const found = mountOf(node, app)
  if (found === null) return
  const { attribute, path, hint, managed } = found
  const { owner } = app.owner
  if (managed !== null) mountBlobs(r, managed, guard)
  r.unlessDeclared('network_mount', attribute, () => {
    // Servers of NFS compare accounts by number. Root of this host may make the directory on other file systems.
    const account = managed?.type === 'nfs' && owner !== undefined ? { account: owner } : {}
    network_mount(r, {
      attribute,
      path: managed?.type === 'glusterfs' ? managed.point : path,
      hint,
      ...account,
      ...guard,
    })
  })
  if (managed?.type === 'glusterfs')
    r.unlessDeclared('directory', path, () => {
      directory(r, { path, mode: '0750', ...app.owner, ...guard })
    })
}

function mountBlobs(r: Recipe<SiteNode>, managed: ManagedMount, guard: CommonOptions): void {
  const { point, type, device, packageName } = managed
  r.unlessDeclared('mount', point, () => {
    packages(r, { names: [packageName], ...guard })
    mount(r, { path: point, device, type, options: [...managed.options], sealed: true, ...guard })
  })
}

/** Links `shared/var/blobstorage` to the mounted blobs, for a server that has come after the setup. */
export function linkMountedBlobs(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp, guard: CommonOptions): void {
  const found = mountOf(node, app)
  if (found === null || found.managed === null) return
  const path = `${app.shared}/var/blobstorage`
  r.unlessDeclared('symlink', path, () => {
    symlink(r, { path, target: found.path, ...app.owner, ...guard })
  })
}

/** Returns the problem of the mount for `doctor`; null for none. */
export async function blobMountProblem(
  node: SiteNode,
  app: BuildoutApp,
  host: HostReader,
): Promise<readonly [string, string] | null> {
  const found = mountOf(node, app)
  if (found === null) return null
  const { attribute, path, hint } = found
  const answer = await mountAnswer(host, path)
  if (answer === 'silent' || answer === 'disconnected')
    return [`${attribute} is set, but the file system mounted at ${path} does not answer`, unreachableHint]
  if (isOnNetworkMount(host, path)) return null
  return [`${attribute} is set, but no network file system is mounted at ${path}`, hint]
}

/**
 * Fails a deploy whose clients would not find the blobs of the ZEO server. It checks the second of the two apps of a
 * run: when the first one is deployed, the other still has its earlier configuration.
 */
export function requireSameBlobDirectory(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: BuildoutApp,
  release: Reference<string>,
  guard: CommonOptions,
): void {
  const { shared_blobs, enable_relstorage } = node.plone_instances
  if (app.role === 'solr' || !shared_blobs || enable_relstorage) return
  const roles = node.run.roles ?? []
  const [server, client] = [roles.indexOf('zeo-server'), roles.indexOf('zeo-client')]
  const serverIsLast = server > client && client !== -1
  if ((app.role === 'zeo-server') !== serverIsLast) return
  if (serverIsLast)
    blob_directories(r, {
      app: app.name,
      client: buildoutApp(node, 'zeo-client').current,
      servers: [release],
      ...guard,
    })
  else
    blob_directories(r, {
      app: app.name,
      client: release,
      servers: [release, buildoutApp(node, 'zeo-server').current],
      ...guard,
    })
}
