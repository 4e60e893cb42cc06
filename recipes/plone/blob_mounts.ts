/** Attributes that speak of mounted blobs, which converge does not mount. */
import type { HostReader } from '../../core/host/types.ts'
import { type PloneNode, placed } from '../node.ts'
import type { BuildoutRole } from './types.ts'

const networkFileSystem =
  /^(nfs4?|fuse\.glusterfs|glusterfs|cifs|smb3|ceph|fuse\.ceph|fuse\.s3fs|lustre|9p|virtiofs|ocfs2|gfs2)$/

/** What is wrong, for a warning of a run and for doctor; null where nothing is. */
export function blobMountProblem(node: PloneNode, role: BuildoutRole, host: HostReader | null): string | null {
  if (role === 'solr') return null
  const section = role === 'zeo-client' ? 'plone_instances' : 'plone_zeoserver'
  const key = (['nfs_blobs', 'gluster_blobs'] as const).find((name) => node[section][name])
  if (key === undefined) return null
  const { blob_dir } = node.plone_blobs
  if (!blob_dir)
    return `${section}.${key} is true, and converge mounts nothing: mount the blobs, and set plone_blobs.blob_dir to that directory`
  const path = placed(node, blob_dir)
  if (host === null || networkFileSystem.test(fileSystemOf(host, path) ?? '')) return null
  return `${section}.${key} is true, and no network file system is mounted at ${path}: mount it (fstab), converge does not`
}

/** The type of the file system that a path is on. */
function fileSystemOf(host: HostReader, path: string): string | undefined {
  const mounts = (host.readText('/proc/self/mounts') ?? '').split('\n').map((line) => line.split(' '))
  const above = mounts.filter(([, at = '']) => at === '/' || path === at || path.startsWith(`${at}/`))
  // The longest; of several at one place the last, which covers the others.
  return above.reduce<string[] | undefined>(
    (best, one) => ((one[1]?.length ?? 0) >= (best?.[1]?.length ?? 0) ? one : best),
    undefined,
  )?.[2]
}
