/** Checks that blob directories work that several apps or hosts share; converge mounts none of them. */
import type { Recipe } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import type { Reference } from '../../core/model/reference.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { isOnNetworkMount } from '../../resources/files/mounts.ts'
import { network_mount } from '../../resources/files/network_mount.ts'
import { blob_directories } from '../../resources/zope/blob_directories.ts'
import { type SiteNode, underPrefix } from '../node.ts'
import { type BuildoutApp, buildoutApp } from './buildout_app.ts'

interface Mount {
  readonly attribute: string
  readonly path: string
  readonly hint: string
}

/** Returns the mount that the attributes promise for blobs; null for none. */
export function mountOf(node: SiteNode, app: BuildoutApp): Mount | null {
  if (app.role === 'solr') return null
  const section = app.role === 'zeo-client' ? 'plone_instances' : 'plone_zeoserver'
  const key = (['nfs_blobs', 'gluster_blobs'] as const).find((name) => node[section][name])
  if (key === undefined) return null
  const { blob_dir } = node.plone_blobs
  return {
    attribute: `${section}.${key}`,
    path: blob_dir ? underPrefix(node, blob_dir) : `${app.shared}/var/blobstorage`,
    hint: `mount it and add it to /etc/fstab, ${blob_dir ? '' : 'set plone_blobs.blob_dir to a mounted directory, '}or set ${section}.${key} to false`,
  }
}

/** Fails a run if a mount that the attributes promise is missing. */
export function requireBlobMount(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: BuildoutApp,
  guard: CommonOptions = {},
): void {
  const mount = mountOf(node, app)
  if (mount === null) return
  r.unlessDeclared('network_mount', mount.attribute, () => {
    network_mount(r, { ...mount, ...guard })
  })
}

/** Returns the problem of the mount for `doctor`; null for none. */
export function blobMountProblem(node: SiteNode, app: BuildoutApp, host: HostReader): readonly [string, string] | null {
  const mount = mountOf(node, app)
  if (mount === null || isOnNetworkMount(host, mount.path)) return null
  return [`${mount.attribute} is true, but no network file system is mounted at ${mount.path}`, mount.hint]
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
