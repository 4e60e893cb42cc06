import t from 'tap'
import { network_mount } from '../../../resources/files/network_mount.ts'
import { contract } from '../../support/contract.ts'

const props = { attribute: 'plone_instances.nfs_blobs', path: '/srv/blobs' }
const disk = '/dev/sda / ext4 rw 0 0\n'
const refused = /plone_instances\.nfs_blobs is true, but no network file system is mounted at \/srv\/blobs.*mount it/

contract(t, network_mount, [
  { name: 'nothing is mounted', props, given: (host) => void host.given('/proc/self/mounts', disk), fails: refused },
  { name: 'no list of mounts', props, fails: refused },
  {
    name: 'a local disk at the place',
    props,
    given: (host) => void host.given('/proc/self/mounts', `${disk}/dev/sdb /srv/blobs xfs rw 0 0\n`),
    fails: refused,
  },
  {
    name: 'another directory is mounted',
    props,
    given: (host) => void host.given('/proc/self/mounts', `${disk}nas:/b /srv/blobs2 nfs4 rw 0 0\n`),
    fails: refused,
  },
  ...['nfs', 'nfs4', 'fuse.glusterfs', 'cifs'].map((type) => ({
    name: type,
    props,
    given: (host: { given(path: string, content: string): unknown }) =>
      void host.given('/proc/self/mounts', `${disk}nas:/b /srv/blobs ${type} rw 0 0\n`),
    changes: [],
  })),
  {
    name: 'a link to a directory on a mount with a blank',
    props,
    given: (host) =>
      void host
        .given('/mnt/the nas/blobs', null)
        .given('/srv/blobs', { link: '/mnt/the nas/blobs' })
        .given('/proc/self/mounts', `${disk}nas:/b /mnt/the\\040nas nfs4 rw 0 0\n`),
    changes: [],
  },
])
