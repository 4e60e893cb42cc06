/** Where blobs are kept when several hosts share them. */
import { field, group, orNull } from './fields.ts'
import { line, path } from './texts.ts'
import { flag, wordList } from './values.ts'

/** converge exports and mounts nothing. */
const byHand = {
  unused:
    'export and mount the blobs with /etc/exports and /etc/fstab, and name the mounted directory in plone_blobs.blob_dir',
}

/** The network file systems that a role requires at the blob directory. */
export const blobMounts = () => ({
  nfs_blobs: field(
    flag(),
    false,
    'States that the blob directory is on an NFS mount: a run fails where none is mounted. converge mounts nothing.',
  ),
  gluster_blobs: field(
    flag(),
    false,
    'States that the blob directory is on a mounted GlusterFS volume: a run fails where none is mounted. converge mounts nothing.',
  ),
})

export const plone_blobs = () =>
  group(
    'Blob storage that the ZEO server and its clients share.',
    {
      layer: field(line(), 'shared_blobs', 'Short name of the layer whose hosts export the blobs.', byHand),
      nfs_export_dir: field(path(), '/srv/exports', 'Directory an NFS server exports.', byHand),
      gluster_export_dir: field(path(), '/gluster-exports', 'Directory a GlusterFS server keeps its brick in.', byHand),
      network: field(
        orNull(line()),
        null,
        'Network that may mount the export, as 10.0.0.0/8; null takes the /8 this host is in.',
        byHand,
      ),
      host: field(
        orNull(line()),
        null,
        'Fixed host to mount from; null picks one of the layer that is online.',
        byHand,
      ),
      servers: field(
        orNull(wordList()),
        null,
        'Fixed GlusterFS servers, the first one to mount from; null takes those of the layer.',
        byHand,
      ),
      gluster_volume: field(line(), 'blobs', 'Name of the GlusterFS volume.', byHand),
      nfs_mount_options: field(
        line(),
        'auto,rw,noatime,nodiratime',
        'Options of the NFS mount, as in fstab(5).',
        byHand,
      ),
      gluster_mount_options: field(
        line(),
        'auto,rw,direct-io-mode=disable',
        'Options of the GlusterFS mount, as in fstab(5).',
        byHand,
      ),
      gluster_store_config_in_exports: field(
        flag(),
        false,
        'Keeps the configuration of glusterd on the exported volume, so that it outlives the host.',
        byHand,
      ),
      blob_dir: field(
        orNull(path()),
        null,
        'Directory for the blobs when all runs on one host, or when it is mounted by other means; null for the usual place.',
      ),
    },
    { cookbook: 'plone_buildout' },
  )
