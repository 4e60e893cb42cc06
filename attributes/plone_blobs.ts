/** Defines the attributes of the storage of blobs that several hosts share. */
import * as z from 'zod'
import { field, group, orNull } from './fields.ts'
import { noted } from './schema_notes.ts'
import { configuredPath, line, ownDirectory, path, pattern } from './texts.ts'
import { flag } from './values.ts'

/** Clients as exports(5) writes them, without options: only converge decides about those. */
const networks = () =>
  pattern(
    /^[\w.:*?@/-]+([ ,]+[\w.:*?@/-]+)*$/,
    'networks, addresses or host names with spaces between them, such as 10.0.0.0/8',
  )

const server = () => pattern(/^[\w.:-]+$/, 'a host name or an address')

const servers = () =>
  noted(
    z.preprocess(
      (value) => (typeof value === 'string' ? value.split(/[\s,]+/).filter((word) => word !== '') : value),
      z.array(server()),
    ),
    { accepts: 'text or list', verbatim: true },
  )

/** Without blanks and control characters, and what fstab(5) would read as something else. */
const mountOptions = () =>
  pattern(/^[^\s,#\\"\0-\x1f\x7f-\x9f]+(,[^\s,#\\"\0-\x1f\x7f-\x9f]+)*$/, 'options with commas between them')

/** The network file systems that a role requires at the blob directory. */
export const blobMounts = () => ({
  nfs_blobs: field(
    flag(),
    false,
    'Mounts the blobs by NFS from `plone_blobs.host` or the layer `plone_blobs.layer`; no program of the app starts without the mount.',
  ),
  gluster_blobs: field(
    flag(),
    false,
    'Mounts the GlusterFS volume of `plone_blobs` for the blobs; no program of the app starts without the mount.',
  ),
})

export const plone_blobs = () =>
  group(
    'Blob storage that the ZEO server and its clients share.',
    {
      layer: field(line(), 'shared_blobs', 'Short name of the layer whose hosts export the blobs.'),
      nfs_export_dir: field(ownDirectory(configuredPath()), '/srv/exports', 'Directory an NFS server exports.'),
      gluster_export_dir: field(
        ownDirectory(configuredPath()),
        '/gluster-exports',
        'Directory a GlusterFS server keeps its brick in.',
      ),
      network: field(
        orNull(networks()),
        null,
        'Networks that may mount the export, as 10.0.0.0/8; null: the private addresses of the hosts of the stack. The cookbook takes the /8 of this host.',
      ),
      host: field(orNull(server()), null, 'Fixed host to mount from; null picks one of the layer that is online.'),
      servers: field(
        orNull(servers()),
        null,
        'Fixed GlusterFS servers, the first one to mount from; null takes those of the layer.',
      ),
      gluster_volume: field(
        pattern(/^[\w-]{1,64}$/, 'a name of letters, digits, - and _'),
        'blobs',
        'Name of the GlusterFS volume.',
      ),
      nfs_mount_options: field(
        mountOptions(),
        'auto,rw,noatime,nodiratime',
        'Options of the NFS mount, as in fstab(5); converge adds `_netdev` and `nofail`.',
      ),
      gluster_mount_options: field(
        mountOptions(),
        'auto,rw,direct-io-mode=disable',
        'Options of the GlusterFS mount, as in fstab(5); converge adds `_netdev` and `nofail`.',
      ),
      gluster_store_config_in_exports: field(
        flag(),
        false,
        'Keeps the configuration of glusterd on the exported volume, so that it outlives the host.',
      ),
      blob_dir: field(
        orNull(ownDirectory(path())),
        null,
        'Directory for the blobs when all runs on one host, or when it is mounted by other means; null for the usual place.',
      ),
    },
    { cookbook: 'plone_buildout' },
  )
